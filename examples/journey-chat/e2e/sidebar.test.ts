import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { listed, listsFrom, scrollToEnd, storeMany } from "./support/session-list.js";
import { read, type Tab } from "./support/tab.js";

describe("the list of sessions", () => {
  test(
    "loads as it is scrolled: each session once, the newest first",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 45);
      const tab = await scene.open();
      await expect.poll(() => listed(tab)).toEqual(titles.slice(0, 20));
      for (const length of [40, 45]) {
        await scrollToEnd(tab);
        await listsFrom(tab, titles, length);
      }
      await tab.item("Session 45").click();
      await tab.has(2);
      await expect.poll(() => tab.item("Session 45").getAttribute("aria-current")).toBe("page");
      expect(await listed(tab)).toEqual(titles);
    }),
  );

  test(
    "marks the session that is open, and that one alone",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 3);
      const tab = await scene.open();
      for (const title of titles) {
        await tab.item(title).click();
        await expect.poll(() => read(tab.title)).toBe(title);
        const current = tab.sessions.locator('[aria-current="page"]');
        await expect.poll(() => current.allInnerTexts()).toEqual([expect.stringContaining(title)]);
      }
    }),
  );
});

describe("a long title", () => {
  test.each([
    ["of words", "Where the trains from Lyon to Geneva and on to Zürich go in winter"],
    ["of one word", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk".repeat(3)],
  ])(
    "%s leaves its row as wide as the others, with its options in sight",
    inBrowser(async ({ open, sql }, _, title) => {
      await store(sql, { title });
      const tab = await open();
      const options = tab.sessions.getByRole("button", { name: `Options for ${title}` });
      const [right, edge] = await Promise.all(
        [options, tab.sessions].map((one) =>
          one.evaluate((element) => element.getBoundingClientRect().right),
        ),
      );
      expect(right).toBeLessThanOrEqual(edge ?? 0);
    }),
  );
});

describe("rename", () => {
  test(
    "saves with Enter: in the list, above the conversation and in the row, and stays after a reload",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql, { title: "Old title" });
      const tab = await open(`/journey/${id}`);
      const [before] = await rows();
      await tab.choose("Old title", "Rename");
      const box = tab.sessions.getByRole("textbox", { name: "Title" });
      expect(await box.inputValue()).toBe("Old title");
      await box.fill("New title");
      await box.press("Enter");
      await tab.item("New title").waitFor();
      await expect.poll(() => read(tab.title)).toBe("New title");
      const [after] = await rows();
      expect(after?.metadata).toEqual({ title: "New title" });
      expect(after?.messages).toEqual(before?.messages);
      await tab.page.reload();
      await tab.item("New title").waitFor();
      expect(await read(tab.title)).toBe("New title");
    }),
  );

  test(
    "with Escape changes nothing, and neither does an empty title",
    inBrowser(async ({ open, sql, rows }) => {
      await store(sql, { title: "Old title" });
      const before = await rows();
      const tab = await open();
      const box = tab.sessions.getByRole("textbox", { name: "Title" });
      for (const [text, key] of [
        ["New title", "Escape"],
        ["  ", "Enter"],
      ] as const) {
        await tab.choose("Old title", "Rename");
        await box.fill(text);
        await box.press(key);
        if (await box.isVisible()) await box.press("Escape");
        await tab.item("Old title").waitFor();
      }
      expect(await rows()).toEqual(before);
    }),
  );
});

describe("delete", () => {
  const dialog = (tab: Tab) => tab.page.getByRole("dialog", { name: "Delete this session?" });

  test(
    "asks first, with Cancel in focus: neither that nor Escape deletes anything",
    inBrowser(async ({ open, sql, rows }) => {
      await store(sql, { title: "Kept" });
      const before = await rows();
      const tab = await open();
      for (const key of ["Enter", "Escape"]) {
        await tab.choose("Kept", "Delete");
        const cancel = dialog(tab).getByRole("button", { name: "Cancel" });
        await expect.poll(() => cancel.evaluate((button) => button === document.activeElement)).toBe(true);
        await tab.page.keyboard.press(key);
        await dialog(tab).waitFor({ state: "hidden" });
      }
      await tab.item("Kept").waitFor();
      expect(await rows()).toEqual(before);
    }),
  );

  test(
    "once confirmed removes the row and nothing else, and from an open session leads to a new chat",
    inBrowser(async ({ open, sql, rows }) => {
      await store(sql, { title: "Kept", createdAt: new Date("2026-01-01") });
      const id = await store(sql, { title: "Open one", createdAt: new Date("2026-01-02") });
      await store(sql, { title: "Another", createdAt: new Date("2026-01-03") });
      const tab = await open(`/journey/${id}`);
      const titles = async () => (await rows()).map(({ metadata }) => metadata.title);
      await tab.choose("Another", "Delete");
      await dialog(tab).getByRole("button", { name: "Delete" }).click();
      await tab.item("Another").waitFor({ state: "detached" });
      expect(await titles()).toEqual(["Open one", "Kept"]);
      expect(tab.path()).toBe(`/journey/${id}`);
      await tab.choose("Open one", "Delete");
      await dialog(tab).getByRole("button", { name: "Delete" }).click();
      await tab.page.waitForURL("**/journey");
      await tab.item("Open one").waitFor({ state: "detached" });
      expect(await titles()).toEqual(["Kept"]);
      await tab.item("Kept").waitFor();
    }),
  );
});

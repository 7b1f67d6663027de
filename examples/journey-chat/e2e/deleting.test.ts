import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import type { Tab } from "./support/tab.js";

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

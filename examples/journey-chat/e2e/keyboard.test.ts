import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { hasFocus, read } from "./support/tab.js";
import { withThree } from "./support/three-sessions.js";

describe("the list of sessions by keyboard", () => {
  test(
    "is walked with the arrow keys, Home and End, and Enter opens",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      const press = (key: string) => tab.page.keyboard.press(key);
      await tab.item("One").focus();
      for (const [key, title] of [
        ["ArrowDown", "Two"],
        ["ArrowDown", "Three"],
        ["ArrowUp", "Two"],
        ["End", "Three"],
        ["Home", "One"],
        ["ArrowDown", "Two"],
      ] as const) {
        await press(key);
        await hasFocus(tab.item(title));
      }
      await press("Enter");
      await tab.page.waitForURL(`**/${ids[1]}`);
      await expect.poll(() => read(tab.title)).toBe("Two");
    }),
  );

  test(
    "is reached from the searchbox, and so is a hit",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      const search = tab.sessions.getByRole("searchbox", { name: "Search sessions" });
      await search.press("ArrowDown");
      await hasFocus(tab.item("One"));
      await search.fill("Question");
      const hits = tab.sessions.getByRole("list", { name: "Search results" }).getByRole("link");
      await expect.poll(() => hits.count()).toBe(3);
      await search.press("ArrowDown");
      await hasFocus(hits.first());
      await tab.page.keyboard.press("ArrowDown");
      await hasFocus(hits.nth(1));
      await tab.page.keyboard.press("Enter");
      await tab.page.waitForURL(`**/${ids[1]}**`);
    }),
  );

  test(
    "has menus that the arrow keys walk, and that Escape closes where it began",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      const options = tab.sessions.getByRole("button", { name: "Options for Two" });
      const menu = tab.page.getByRole("menu");
      await options.focus();
      await tab.page.keyboard.press("Enter");
      await hasFocus(menu.getByRole("menuitem", { name: "Rename" }));
      for (const name of ["Pin", "Archive", "Delete"]) {
        await tab.page.keyboard.press("ArrowDown");
        await hasFocus(menu.getByRole("menuitem", { name, exact: true }));
      }
      await tab.page.keyboard.press("Escape");
      await menu.waitFor({ state: "hidden" });
      await hasFocus(options);
      await tab.page.keyboard.press("Enter");
      await tab.page.keyboard.press("End");
      await hasFocus(menu.getByRole("menuitem", { name: "Delete" }));
      await tab.page.keyboard.press("Enter");
      const dialog = tab.page.getByRole("dialog", { name: "Delete this session?" });
      await hasFocus(dialog.getByRole("button", { name: "Cancel" }));
      await tab.page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      await hasFocus(options);
      expect(await scene.rows()).toHaveLength(3);
    }),
  );

  test(
    "renames and deletes without a mouse",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      const keys = tab.page.keyboard;
      await tab.sessions.getByRole("button", { name: "Options for Two" }).focus();
      await keys.press("Enter");
      await hasFocus(tab.page.getByRole("menuitem", { name: "Rename" }));
      await keys.press("Enter");
      await hasFocus(tab.sessions.getByRole("textbox", { name: "Title" }));
      await keys.press("ControlOrMeta+A");
      await keys.type("Two renamed");
      await keys.press("Enter");
      await tab.item("Two renamed").waitFor();
      await tab.sessions.getByRole("button", { name: "Options for One" }).focus();
      await keys.press("Enter");
      await hasFocus(tab.page.getByRole("menuitem", { name: "Rename" }));
      await keys.press("End");
      await hasFocus(tab.page.getByRole("menuitem", { name: "Delete" }));
      await keys.press("Enter");
      await hasFocus(tab.page.getByRole("dialog").getByRole("button", { name: "Cancel" }));
      await tab.page.getByRole("dialog").getByRole("button", { name: "Delete" }).focus();
      await keys.press("Enter");
      await expect
        .poll(async () => (await scene.rows()).map(({ metadata }) => metadata.title))
        .toEqual(["Two renamed", "Three"]);
    }),
  );
});

describe("the conversation by keyboard", () => {
  test(
    "is written, stopped and changed without a mouse",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      const keys = tab.page.keyboard;
      await tab.messages.first().getByRole("button", { name: "Edit" }).focus();
      await keys.press("Enter");
      await hasFocus(tab.log.getByRole("textbox", { name: "Edit message" }));
      await keys.press("Escape");
      await hasFocus(tab.messages.first().getByRole("button", { name: "Edit" }));
      await tab.answer.getByRole("button", { name: "Regenerate" }).focus();
      await keys.press("Enter");
      await tab.answer.getByText("Happy to help").waitFor();
      await tab.has(2);
      await tab.composer.focus();
      await keys.type("Write a long story");
      await keys.press("Enter");
      await tab.streams();
      await hasFocus(tab.composer);
      await keys.press("Escape");
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
    }),
  );

  test(
    "changes the phase with the arrow keys",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      await tab.phase("Setup").focus();
      await tab.page.keyboard.press("ArrowRight");
      await tab.panel.waitFor();
      await expect.poll(async () => (await rows())[0]?.phase).toBe("review");
      await hasFocus(tab.phase("Review"));
    }),
  );
});

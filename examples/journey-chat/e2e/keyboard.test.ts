import { describe, expect, test } from "vitest";
import { conversation, said, store } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import { hasFocus, read, type Tab } from "./support/tab.js";

/** Stores sessions named One to Three, the newest first, and opens a new chat. */
async function withThree({ open, sql }: Scene) {
  const ids: string[] = [];
  for (const [n, title] of ["One", "Two", "Three"].entries()) {
    ids.push(await store(sql, { title, createdAt: new Date(Date.UTC(2026, 0, 9 - n)) }));
  }
  const tab = await open();
  await tab.item("Three").waitFor();
  return { tab, ids };
}

/**
 * Whether what has the focus, or what is around it, is drawn otherwise than without. The page must be opened
 * with `reducedMotion`: while a transition runs, both are drawn as it began.
 */
const showsFocus = (tab: Tab) =>
  tab.page.evaluate(() => {
    const at = document.activeElement as HTMLElement;
    const drawn = () => {
      const styles: string[] = [];
      let element: Element | null = at;
      for (let up = 0; element && up < 4; up++) {
        const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(element);
        styles.push(outlineStyle, outlineWidth, boxShadow, borderColor);
        element = element.parentElement;
      }
      return styles.join();
    };
    const focused = drawn();
    at.blur();
    const plain = drawn();
    at.focus();
    return focused !== plain;
  });

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
      await tab.page.keyboard.press("ArrowDown");
      await hasFocus(menu.getByRole("menuitem", { name: "Delete" }));
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
      await keys.press("ArrowDown");
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

describe("the focus", () => {
  test.each(["light", "dark"] as const)(
    "is visible on everything that Tab reaches, %s",
    inBrowser(async ({ open, sql }, colorScheme) => {
      const id = await store(sql, { messages: conversation(4), title: "One" });
      const tab = await open(`/journey/${id}`, { colorScheme, reducedMotion: "reduce" });
      await tab.has(4);
      await tab.item("One").waitFor();
      const reached: string[] = [];
      await tab.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      for (let steps = 0; steps < 40; steps++) {
        await tab.page.keyboard.press("Tab");
        const name = await tab.page.evaluate(() => {
          const { activeElement: at } = document;
          return at === document.body
            ? ""
            : `${at?.tagName} ${at?.getAttribute("aria-label") ?? at?.textContent}`;
        });
        if (!name) break;
        reached.push(name);
        expect(await showsFocus(tab), name).toBe(true);
      }
      expect(reached.join("\n")).toMatch(/New chat[\s\S]*One[\s\S]*Message/);
    }),
  );

  test.each<[string, (tab: Tab) => Promise<void>]>([
    ["a click", (tab) => tab.button("Stop").click()],
    ["Enter", (tab) => tab.button("Stop").press("Enter")],
    ["Escape in the message", (tab) => tab.composer.press("Escape")],
  ])(
    "goes from Stop to the message, after %s",
    inBrowser(async ({ open }, _, stop) => {
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await stop(tab);
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await hasFocus(tab.composer);
      expect(await tab.composer.inputValue()).toBe("");
    }),
  );

  test(
    "goes to the message from what ends with a reply, or begins one",
    inBrowser(async ({ open }) => {
      const tab = await open();
      await tab.button("What is the weather in Lyon?").press("Enter");
      await tab.has(2);
      await hasFocus(tab.composer);
      await tab.composer.fill("Be slow");
      await tab.button("Send").press("Enter");
      await tab.button("Stop").waitFor();
      await hasFocus(tab.composer);
      await tab.button("Stop").focus();
      await tab.has(4);
      await hasFocus(tab.composer);
    }),
  );

  test.each(["Retry", "Dismiss"] as const)(
    "goes from %s to the message",
    inBrowser(async ({ open }, name) => {
      const tab = await open();
      await tab.send(`Please fail early once, then ${name}`);
      await tab.alert.getByRole("button", { name }).press("Enter");
      await expect.poll(() => tab.alert.count()).toBe(0);
      await hasFocus(tab.composer);
      await tab.idle();
      await hasFocus(tab.composer);
    }),
  );

  test(
    "goes to the message from the notice of a conversation that went on elsewhere",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      tab.mayMeet(409);
      const messages = JSON.stringify([...conversation(2), said("user", "m3", "From elsewhere")]);
      await sql`update journey_sessions set messages = ${messages}::text::jsonb`;
      await tab.send("Unsent");
      await tab.alert.getByText("went on in another tab").waitFor();
      await tab.button("Dismiss").press("Enter");
      await hasFocus(tab.composer);
      await expect.poll(() => tab.composer.inputValue()).toBe("Unsent");
    }),
  );

  test.each([
    ["changed", "Renamed", "Enter"],
    ["left as it is", "Two", "Enter"],
    ["cancelled", "Renamed", "Escape"],
  ] as const)(
    "goes back to the row's options after its title was %s",
    inBrowser(async (scene, _, title, key) => {
      const { tab } = await withThree(scene);
      await tab.choose("Two", "Rename");
      const field = tab.sessions.getByRole("textbox", { name: "Title" });
      await field.fill(title);
      await field.press(key);
      const name = `Options for ${key === "Escape" ? "Two" : title}`;
      await hasFocus(tab.sessions.getByRole("button", { name }));
    }),
  );

  test(
    "stays where it was moved to while a title was being saved",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      let save = () => {};
      const isLeft = new Promise<void>((resolve) => {
        save = resolve;
      });
      await tab.page.route("**/api/journey/*", (route) => isLeft.then(() => route.continue()));
      await tab.choose("Two", "Rename");
      const field = tab.sessions.getByRole("textbox", { name: "Title" });
      await field.fill("Renamed");
      await field.press("Enter");
      await tab.composer.focus();
      save();
      await tab.item("Renamed").waitFor();
      await hasFocus(tab.composer);
    }),
  );

  test(
    "goes from a session that is deleted to the next, of the last to the one before, of the only one to New chat",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      const remove = async (title: string) => {
        await tab.choose(title, "Delete");
        await tab.page.getByRole("dialog").getByRole("button", { name: "Delete" }).press("Enter");
        await tab.item(title).waitFor({ state: "detached" });
      };
      await remove("Two");
      await hasFocus(tab.item("Three"));
      await remove("Three");
      await hasFocus(tab.item("One"));
      await tab.item("One").click();
      await tab.page.waitForURL(`**/${ids[0]}`);
      await remove("One");
      await tab.page.waitForURL("**/journey");
      await hasFocus(tab.sessions.getByRole("link", { name: "New chat" }));
    }),
  );
});

import type { Locator } from "playwright-core";
import { describe, expect, test } from "vitest";
import { conversation, said, store } from "./support/rows.js";
import { inBrowser, PHONE, type Visitor } from "./support/scene.js";
import { hasFocus, type Tab } from "./support/tab.js";

const LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(
  2,
);
const CODE = `\`\`\`ts\nconst answer = ${"veryLongNameOfAFunction(".repeat(12)}42${")".repeat(12)};\n\`\`\``;
const TABLE =
  "| one | two | three | four | five |\n| --- | --- | --- | --- | --- |\n| a longer cell | a longer cell | a longer cell | a longer cell | a longer cell |";
const WIDE = [
  said("user", "m1", `${LONG_WORD} https://example.org/${"path/".repeat(40)}`),
  said("assistant", "m2", `# ${LONG_WORD}\n\n\`${LONG_WORD}\`\n\n${CODE}\n\n${TABLE}`),
];

/** That the page cannot be scrolled sideways, and nothing to be used is beyond its edge. */
async function fits(tab: Tab) {
  await expect
    .poll(() =>
      tab.page.evaluate(() => {
        const beyond = [...document.querySelectorAll("button, a, input, textarea, select")].filter((one) => {
          const { left, right, width } = one.getBoundingClientRect();
          const hidden =
            width === 0 ||
            one.closest("[inert]") !== null ||
            !one.checkVisibility({ visibilityProperty: true });
          return !hidden && !one.closest("pre, table") && (left < -1 || right > innerWidth + 1);
        });
        const { scrollWidth } = document.documentElement;
        return {
          scrollWidth,
          beyond: beyond.map((one) => one.textContent || one.getAttribute("aria-label")),
        };
      }),
    )
    .toEqual({ scrollWidth: 375, beyond: [] });
}

const openDrawer = async (tab: Tab) => {
  await tab.button("Open sessions").click();
  await tab.button("Close sessions").waitFor();
};

describe("on a phone, 375 pixels wide", () => {
  test.each<[string, Visitor]>([
    ["portrait", PHONE],
    ["low, as with the keyboard open", { ...PHONE, viewport: { width: 375, height: 400 } }],
  ])(
    "%s, a first message is written, answered and stored, and nothing is scrolled sideways",
    inBrowser(async ({ open, rows }, _, phone) => {
      const tab = await open("/journey", phone);
      await fits(tab);
      await tab.ask("What is the weather in Lyon?");
      await fits(tab);
      await tab.ask("Think about a weekend in Lyon");
      await fits(tab);
      const [composer, height] = [await tab.composer.boundingBox(), phone.viewport?.height ?? 0];
      expect(composer && composer.y + composer.height).toBeLessThanOrEqual(height);
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
    }),
  );

  test.each(["setup", "review"] as const)(
    "long words, addresses, code and tables stay inside the page, in %s",
    inBrowser(async ({ open, sql }, phase) => {
      const id = await store(sql, { title: `${LONG_WORD} as a title`, phase, messages: WIDE });
      const tab = await open(`/journey/${id}`, PHONE);
      await tab.has(2);
      await fits(tab);
      await openDrawer(tab);
      await fits(tab);
    }),
  );

  test(
    "the sessions are in a drawer, which a session that is opened closes, and so do Escape and its button",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { title: "In the drawer" });
      const tab = await open("/journey", PHONE);
      await expect.poll(() => tab.item("In the drawer").isVisible()).toBe(false);
      await openDrawer(tab);
      await tab.button("Close sessions").click();
      await tab.item("In the drawer").waitFor({ state: "hidden" });
      await openDrawer(tab);
      await tab.page.keyboard.press("Escape");
      await tab.item("In the drawer").waitFor({ state: "hidden" });
      await hasFocus(tab.button("Open sessions"));
      await openDrawer(tab);
      await fits(tab);
      await tab.item("In the drawer").click();
      await tab.page.waitForURL(`**/${id}`);
      await tab.item("In the drawer").waitFor({ state: "hidden" });
      await tab.has(2);
    }),
  );

  test(
    "the drawer is a modal dialog, which the backdrop closes too: it takes the focus, keeps it, and gives it back",
    inBrowser(async ({ open, sql }) => {
      await store(sql, { title: "In the drawer" });
      const tab = await open("/journey", PHONE);
      const [opener, drawer] = [
        tab.button("Open sessions"),
        tab.page.getByRole("dialog", { name: "Sessions" }),
      ];
      await opener.waitFor();
      expect(await drawer.count()).toBe(0);
      await opener.press("Enter");
      await hasFocus(tab.button("Close sessions"));
      expect(await drawer.getAttribute("aria-modal")).toBe("true");
      const isOutside = () =>
        tab.page.evaluate(() => {
          const { activeElement: at, body } = document;
          return at !== body && !at?.closest('[role="dialog"]') && at?.outerHTML;
        });
      for (let steps = 0; steps < 12; steps++) {
        await tab.page.keyboard.press("Tab");
        expect(await isOutside()).toBe(false);
      }
      await tab.page.mouse.click(370, 400);
      await drawer.waitFor({ state: "hidden" });
      await hasFocus(opener);
    }),
  );

  test(
    "what is open in the drawer is closed by Escape before the drawer is",
    inBrowser(async ({ open, sql }) => {
      await store(sql, { title: "In the drawer" });
      const tab = await open("/journey", PHONE);
      const [drawer, menu, question] = [
        tab.page.getByRole("dialog", { name: "Sessions" }),
        tab.page.getByRole("menu"),
        tab.page.getByRole("dialog", { name: "Delete this session?" }),
      ];
      await openDrawer(tab);
      const options = drawer.getByRole("button", { name: "Options for In the drawer" });
      await options.tap();
      await drawer.and(tab.page.locator(":has([role=menu])")).waitFor();
      await tab.page.keyboard.press("Escape");
      await menu.waitFor({ state: "hidden" });
      await hasFocus(options);
      await tab.choose("In the drawer", "Delete");
      await question.waitFor();
      await tab.page.keyboard.press("Escape");
      await question.waitFor({ state: "hidden" });
      await hasFocus(options);
      await tab.page.keyboard.press("Escape");
      await drawer.waitFor({ state: "hidden" });
      await hasFocus(tab.button("Open sessions"));
    }),
  );

  test(
    "a session is renamed and deleted in the drawer",
    inBrowser(async ({ open, sql, rows }) => {
      await store(sql, { title: "Old title" });
      const tab = await open("/journey", PHONE);
      await openDrawer(tab);
      await tab.sessions.getByRole("button", { name: "Options for Old title" }).tap();
      await fits(tab);
      await tab.page.getByRole("menuitem", { name: "Rename" }).tap();
      await tab.sessions.getByRole("textbox", { name: "Title" }).fill("New title");
      await tab.sessions.getByRole("textbox", { name: "Title" }).press("Enter");
      await expect.poll(async () => (await rows())[0]?.metadata.title).toBe("New title");
      await tab.sessions.getByRole("button", { name: "Options for New title" }).tap();
      await tab.page.getByRole("menuitem", { name: "Delete" }).tap();
      const dialog = tab.page.getByRole("dialog", { name: "Delete this session?" });
      await dialog.waitFor();
      await fits(tab);
      await dialog.getByRole("button", { name: "Delete" }).tap();
      await expect.poll(rows).toEqual([]);
    }),
  );

  test(
    "what can be done to a message is there without hovering, and large enough for a finger",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(2) })}`, PHONE);
      await tab.has(2);
      const buttons = ["Edit", "Regenerate", "Send", "Open sessions"];
      for (const name of buttons) {
        const box = await tab.button(name).first().boundingBox();
        expect(Math.min(box?.width ?? 0, box?.height ?? 0), name).toBeGreaterThanOrEqual(40);
      }
      await tab.messages.first().getByRole("button", { name: "Edit" }).tap();
      await tab.log.getByRole("textbox", { name: "Edit message" }).waitFor();
      await fits(tab);
    }),
  );

  test(
    "what is written into is large enough for iOS not to zoom in, and on a desktop as small as around it",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { title: "One" });
      for (const [visitor, sizes] of [
        [PHONE, { Search: "16px", Title: "16px", Edit: "16px", Message: "16px", User: "16px" }],
        [{}, { Search: "15px", Title: "14px", Edit: "15px", Message: "16px", User: "13px" }],
      ] as const) {
        const tab = await open(`/journey/${id}`, visitor);
        await tab.act(tab.messages.first(), "Edit");
        const edit = tab.log.getByRole("textbox", { name: "Edit message" });
        const sizeOf = (one: Locator) => one.evaluate((element) => getComputedStyle(element).fontSize);
        const [Edit, Message] = [await sizeOf(edit), await sizeOf(tab.composer)];
        if (visitor === PHONE) await openDrawer(tab);
        await tab.choose("One", "Rename");
        expect({
          Search: await sizeOf(tab.sessions.getByRole("searchbox")),
          Title: await sizeOf(tab.sessions.getByRole("textbox", { name: "Title" })),
          Edit,
          Message,
          User: await sizeOf(tab.page.getByRole("combobox", { name: "Signed in as" })),
        }).toEqual(sizes);
      }
    }),
  );
});

import { describe, expect, test } from "vitest";
import { conversation, outline, store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

const MESSAGES = conversation(200);
const idsFrom = (first: number) => MESSAGES.slice(first - 1).map(({ id }) => id);
const ids = async (tab: Tab) => (await tab.shown()).map(({ id }) => id);
const earlier = (tab: Tab) => tab.button("Load earlier messages");

/** How far below the top of the window a message is. */
const topOf = (tab: Tab, id: string) =>
  tab.log.locator(`[data-message-id="${id}"]`).evaluate((article) => article.getBoundingClientRect().top);

const inView = (tab: Tab, id: string) =>
  tab.log.locator(`[data-message-id="${id}"]`).evaluate((article) => {
    const { top, bottom } = article.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });

describe("a conversation of 200 messages", () => {
  test(
    "opens at its end with the newest 30, and loads the others as it is scrolled up: each once, in order",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { messages: MESSAGES })}`);
      await expect.poll(() => ids(tab)).toEqual(idsFrom(171));
      await expect.poll(() => inView(tab, "m200")).toBe(true);
      for (const first of [141, 111, 81, 51, 21, 1]) {
        await tab.messages.first().scrollIntoViewIfNeeded();
        await tab.messages.first().hover();
        await tab.page.mouse.wheel(0, -100_000);
        await expect.poll(async () => (await ids(tab)).length).toBeGreaterThanOrEqual(201 - first);
      }
      await expect.poll(() => ids(tab)).toEqual(idsFrom(1));
      await earlier(tab).waitFor({ state: "detached" });
    }),
  );

  test(
    "stays where it is being read when earlier messages arrive",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { messages: MESSAGES })}`);
      await expect.poll(() => inView(tab, "m200")).toBe(true);
      let answer = () => {};
      const held = new Promise<void>((resolve) => {
        answer = resolve;
      });
      await tab.page.route("**/api/journey/*?before=*", (route) => held.then(() => route.continue()));
      const asked = tab.page.waitForRequest("**/api/journey/*?before=*");
      await tab.messages.first().hover();
      await tab.page.mouse.wheel(0, -100_000);
      await asked;
      // Until scrolling has come to rest.
      let top = Number.NaN;
      await expect
        .poll(async () => {
          const before = top;
          top = await topOf(tab, "m171");
          return top === before;
        })
        .toBe(true);
      answer();
      await expect.poll(async () => (await ids(tab)).length).toBe(60);
      await expect.poll(async () => Math.abs((await topOf(tab, "m171")) - top)).toBeLessThan(20);
      expect(await inView(tab, "m171")).toBe(true);
    }),
  );

  test(
    "loads earlier messages with the keyboard",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(60) })}`);
      await expect.poll(() => inView(tab, "m60")).toBe(true);
      await earlier(tab).focus();
      await tab.page.keyboard.press("Enter");
      await expect.poll(() => ids(tab)).toEqual(idsFrom(1).slice(0, 60));
      await earlier(tab).waitFor({ state: "detached" });
    }),
  );

  test(
    "takes a message although the page has only a part of it: nothing stored is lost",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: MESSAGES })}`);
      await tab.has(30);
      await tab.ask("And another");
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(202);
      const messages = (await rows())[0]?.messages ?? [];
      expect(messages.slice(0, 200)).toEqual(MESSAGES);
      expect(outline(messages.slice(200))).toEqual((await tab.shown()).slice(-2));
      await expect.poll(() => inView(tab, messages[201]?.id ?? "")).toBe(true);
    }),
  );

  test(
    "does not pull a reader down who has scrolled up while a reply streams",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(20) })}`);
      await tab.has(20);
      await tab.send("Write a long story");
      await tab.streams();
      // What has just arrived is in sight.
      const isFollowed = () =>
        tab.answer.evaluate((article) => article.getBoundingClientRect().bottom <= innerHeight);
      await expect.poll(isFollowed).toBe(true);
      await tab.messages.first().scrollIntoViewIfNeeded();
      await expect.poll(() => inView(tab, "m1")).toBe(true);
      const words = async () => (await read(tab.answer)).split(/\s+/).length;
      const before = await words();
      await expect.poll(words).toBeGreaterThan(before + 40);
      expect(await inView(tab, "m1")).toBe(true);
      await tab.button("Stop").click();
      await tab.idle();
    }),
  );
});

describe("the pages of the API", () => {
  test(
    "hold each message once, in order",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { messages: MESSAGES });
      const { page } = await open();
      const url = new URL(`/api/journey/${id}`, page.url()).href;
      const found: string[] = [];
      for (let hasMore = true; hasMore; ) {
        const answer = await page.request.get(found[0] ? `${url}?before=${found[0]}` : url);
        const body: { messages: { id: string }[]; hasMore: boolean } = await answer.json();
        expect(body.messages.length).toBeGreaterThan(0);
        found.unshift(...body.messages.map((message) => message.id));
        hasMore = body.hasMore;
      }
      expect(found).toEqual(idsFrom(1));
    }),
  );
});

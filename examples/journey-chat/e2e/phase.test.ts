import type { Locator } from "playwright-core";
import { describe, expect, test } from "vitest";
import { conversation, outline, store } from "./support/rows.js";
import { inBrowser, PHONE } from "./support/scene.js";
import { isInView, read, type Tab } from "./support/tab.js";

async function box(locator: Locator) {
  await locator.waitFor();
  return locator.evaluate((element) => element.getBoundingClientRect().toJSON() as DOMRect);
}

const isTwoColumns = async (tab: Tab) => {
  await tab.panel.waitFor();
  const [left, right] = [await box(tab.messages.first()), await box(tab.panel)];
  expect(left.x + left.width).toBeLessThanOrEqual(right.x);
  expect(right.width).toBeGreaterThan(200);
  await expect.poll(() => tab.phase("Review").isChecked()).toBe(true);
};

const isOneColumn = async (tab: Tab) => {
  await tab.panel.waitFor({ state: "detached" });
  const [main, column] = [await box(tab.page.getByRole("main")), await box(tab.composer)];
  expect(Math.abs(main.x + main.width / 2 - (column.x + column.width / 2))).toBeLessThan(40);
  await expect.poll(() => tab.phase("Setup").isChecked()).toBe(true);
};

describe("the phase", () => {
  test(
    "of a new chat cannot be chosen; with the first message the row has 'setup', and the page one column",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      expect(await tab.phases.count()).toBe(0);
      await tab.ask("Hello");
      await isOneColumn(tab);
      expect((await rows())[0]?.phase).toBe("setup");
    }),
  );

  test(
    "is changed in the row, changes the page, stays after a reload and can be changed back",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      const [before] = await rows();
      await isOneColumn(tab);
      await tab.choosePhase("Review");
      await isTwoColumns(tab);
      expect(await rows()).toMatchObject([{ phase: "review", messages: before?.messages }]);
      await tab.page.reload();
      await isTwoColumns(tab);
      await tab.choosePhase("Setup");
      await isOneColumn(tab);
      expect((await rows())[0]?.phase).toBe("setup");
    }),
  );

  test(
    "that the row has decides, whoever wrote it there",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { title: "Moved" })}`);
      await isOneColumn(tab);
      await sql`update journey_sessions set phase = 'review'`;
      await tab.page.reload();
      await isTwoColumns(tab);
      await expect.poll(() => read(tab.item("Moved"))).toMatch(/review/i);
      await sql`update journey_sessions set phase = 'setup'`;
      await tab.page.reload();
      await isOneColumn(tab);
    }),
  );

  test(
    "can be changed after a first message without a reload, and the conversation goes on in it",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.ask("Hello");
      await tab.choosePhase("Review");
      await isTwoColumns(tab);
      await tab.has(2);
      await tab.ask("And more");
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
      expect((await rows())[0]?.phase).toBe("review");
    }),
  );
});

describe("a page that is shown anew", () => {
  test(
    "keeps a message that was sent before its stored messages had come",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      let opened = 0;
      let asked = false;
      // By the page after its first reply, and again by the one that is shown anew.
      tab.page.on("request", (one) => {
        if (!one.url().endsWith("/events")) return;
        opened++;
        asked = false;
      });
      await tab.ask("Hello");
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      await tab.page.route("**/api/journey/*", async (route) => {
        if (route.request().method() === "GET") {
          asked = true;
          const answer = await route.fetch();
          await held;
          return route.fulfill({ response: answer });
        }
        return route.continue();
      });
      await tab.choosePhase("Review");
      await expect.poll(() => opened === 2 && asked).toBe(true);
      await tab.send("And more");
      await tab.has(4);
      const loaded = tab.page.waitForResponse(
        (one) => one.request().method() === "GET" && /\/api\/journey\/[\w-]+$/.test(one.url()),
      );
      release();
      await (await loaded).finished();
      // What came has been rendered.
      await tab.page.evaluate(
        () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
      );
      await expect.poll(async () => outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
    }),
  );
});

describe("the review", () => {
  test(
    "tells of the session, and its outline leads to each of the user's messages",
    inBrowser(async ({ open, sql }) => {
      const messages = conversation(20);
      const createdAt = new Date("2026-03-04T12:00:00Z");
      const id = await store(sql, { title: "A long one", phase: "review", messages, createdAt });
      const tab = await open(`/journey/${id}`);
      await isTwoColumns(tab);
      expect(await read(tab.panel)).toMatch(/A long one.* 20 /);
      expect(await tab.panel.locator("time").getAttribute("datetime")).toBe(createdAt.toISOString());
      const first = tab.messages.first();
      await expect.poll(() => isInView(first)).toBe(false);
      await tab.panel.getByText("Question 1", { exact: true }).click();
      await expect.poll(() => isInView(first)).toBe(true);
      await tab.panel.getByText("Question 19", { exact: true }).waitFor();
      expect(await tab.panel.getByText("Answer").count()).toBe(0);
    }),
  );

  test(
    "is above or below the conversation on a phone",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { phase: "review" })}`, PHONE);
      await tab.panel.waitFor();
      const [conversationBox, panelBox] = [await box(tab.log), await box(tab.panel)];
      expect(panelBox.width).toBeGreaterThan(300);
      expect(conversationBox.width).toBeGreaterThan(300);
    }),
  );
});

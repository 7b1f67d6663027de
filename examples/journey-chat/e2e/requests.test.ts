import { randomUUID } from "node:crypto";
import type { Request } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { JourneyMessage } from "../../../src/index.js";
import { store } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";

interface Body {
  message: JourneyMessage;
  after: string | null;
}

/** A stored turn, and the body that the page would send with the next message. */
async function nextTurn({ open, rows }: Scene) {
  const tab = await open();
  await tab.ask("Hello");
  await expect.poll(async () => (await rows())[0]?.messages.length).toBe(2);
  const isSend = (one: Request) => one.method() === "POST";
  const request = tab.page.waitForRequest(isSend);
  await tab.page.route("**/api/journey/*", (route, one) => (isSend(one) ? route.abort() : route.continue()));
  tab.mayMeet("no network");
  await tab.send("Next");
  const sent = await request;
  await tab.button("Retry").waitFor();
  await tab.page.unroute("**/api/journey/*");
  return { tab, url: sent.url(), body: sent.postDataJSON() as Body };
}

/** Parts that the page of this application never sends, each well-formed enough to be a message. */
const FORGED: Record<string, object[]> = {
  "a file without url": [{ type: "file", mediaType: "image/png" }],
  "a file": [{ type: "file", mediaType: "image/png", url: "https://example.org/a.png" }],
  "a text that is a number": [{ type: "text", text: 7 }],
  "a text part without text": [{ type: "text" }],
  "an empty text": [{ type: "text", text: "" }],
  "a text that is too long": [{ type: "text", text: "x".repeat(50_001) }],
  "a text with options for the provider": [
    { type: "text", text: "Hello", providerMetadata: { openai: { itemId: "msg_1" } } },
  ],
  "a tool call": [
    { type: "tool-book", toolCallId: "1", state: "output-available", input: {}, output: { reference: "X" } },
  ],
  "a part of an unknown type": [{ type: "text", text: "Hello" }, { type: "secret" }],
  "more parts than a message has": Array.from({ length: 21 }, () => ({ type: "text", text: "x" })),
};

describe("a turn that no page sends", () => {
  test(
    "is refused and stores nothing, and the chat goes on",
    inBrowser(async (scene) => {
      const { tab, url, body } = await nextTurn(scene);
      const before = await scene.rows();
      const saidBefore = scene.application.stderr();
      const statuses: Record<string, number> = {};
      for (const [name, parts] of Object.entries(FORGED)) {
        const data = { ...body, message: { ...body.message, parts } };
        statuses[name] = (await tab.page.request.post(url, { data })).status();
        const fresh = new URL(`/api/journey/${randomUUID()}`, url).href;
        const first = await tab.page.request.post(fresh, { data: { ...data, after: null } });
        statuses[`${name}, as a first message`] = first.status();
      }
      expect([...new Set(Object.values(statuses))], JSON.stringify(statuses, undefined, 2)).toEqual([400]);
      expect(await scene.rows()).toEqual(before);
      expect(scene.application.stderr()).toBe(saidBefore);
      await tab.button("Retry").click();
      await tab.has(4);
      await expect.poll(async () => (await scene.rows())[0]?.messages.length).toBe(4);
    }),
  );
});

describe("a change that no page sends", () => {
  const JSON_TYPE = { "content-type": "application/json" };
  const TITLE = JSON.stringify({ title: "Renamed" });

  test.each<[string, string, Record<string, string>?]>([
    ["a title that is too long", JSON.stringify({ title: "x".repeat(201) })],
    ["a title of nothing", JSON.stringify({ title: "  " })],
    ["a key of its own", JSON.stringify({ title: "Renamed", owner: "user_grace" })],
    ["a phase that is none", JSON.stringify({ phase: "done", from: "setup" })],
    ["a pin that is no boolean", JSON.stringify({ pinned: "yes" })],
    ["two columns at once", JSON.stringify({ pinned: true, archived: true })],
    ["no column", "{}"],
    ["what is no JSON", "title=Renamed"],
    ["nothing", ""],
    ["JSON that says it is text", TITLE, { "content-type": "text/plain" }],
    ["JSON that says it is a form", TITLE, { "content-type": "application/x-www-form-urlencoded" }],
    ["more than a title needs", " ".repeat(10_000) + TITLE],
  ])(
    "of %s is refused, and changes nothing",
    inBrowser(async ({ open, sql, rows }, _, data, headers = JSON_TYPE) => {
      const id = await store(sql);
      const tab = await open();
      const before = await rows();
      const url = new URL(`/api/journey/${id}`, tab.page.url()).href;
      expect((await tab.page.request.patch(url, { data: Buffer.from(data), headers })).status()).toBe(400);
      expect(await rows()).toEqual(before);
    }),
  );

  test.each<[string, string, Record<string, string>?]>([
    ["a message that is none", JSON.stringify({ through: 7 })],
    ["JSON that says it is text", JSON.stringify({ through: "m2" }), { "content-type": "text/plain" }],
    ["more than an id needs", " ".repeat(10_000) + JSON.stringify({ through: "m2" })],
  ])(
    "to a fork at %s is refused, and makes no session",
    inBrowser(async ({ open, sql, rows }, _, data, headers = JSON_TYPE) => {
      const id = await store(sql);
      const tab = await open();
      const url = new URL(`/api/journey/${id}/fork`, tab.page.url()).href;
      expect((await tab.page.request.post(url, { data: Buffer.from(data), headers })).status()).toBe(400);
      expect(await rows()).toHaveLength(1);
    }),
  );

  test(
    "with a charset is taken",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql);
      const tab = await open();
      const url = new URL(`/api/journey/${id}`, tab.page.url()).href;
      const headers = { "content-type": "Application/JSON; charset=utf-8" };
      expect((await tab.page.request.patch(url, { data: Buffer.from(TITLE), headers })).status()).toBe(200);
      expect((await rows())[0]?.metadata.title).toBe("Renamed");
    }),
  );
});

test.each([
  "phase=done",
  "archived=perhaps",
  "cursor=none",
  "cursor=pinned:none",
  "archived=true&cursor=none",
])(
  "a list of %s is refused",
  inBrowser(async ({ open }, query) => {
    const tab = await open();
    const url = new URL(`/api/journey?${query}`, tab.page.url()).href;
    expect((await tab.page.request.get(url)).status()).toBe(400);
  }),
);

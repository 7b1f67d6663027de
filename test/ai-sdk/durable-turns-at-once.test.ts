/** Turns, and those who follow replies, that meet one another. */
import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { resumeTurn, watchResponse } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { durableDatabase, newUser, openConnected } from "../support/database.js";
import { text } from "../support/messages.js";
import { durableFor, makeLost } from "../support/replies.js";
import { requestOf } from "../support/turn.js";
import { openApplication, wordsOf } from "./support/ai-chat.js";
import { reader, requestFor, resumed } from "./support/streams.js";

const db = await openConnected(await durableDatabase());
const open = () => openApplication(db, "ai v6", { durable: true });

const firstOf = (message: JourneyMessage) => requestOf({ message, after: null, answerId: randomUUID() });

test("a first message that is sent again while its reply runs is refused, and changes nothing", async () => {
  const chat = open();
  const first = reader(await chat.handle(firstOf(text("q1", "Hello"))));
  const reply = await chat.reply(0);
  reply.begin();
  reply.words("One ");
  await first.until("One ");
  const before = await chat.sessions().get(chat.id);
  expect(before?.messages).toHaveLength(1);
  for (const words of ["Hello", "edited"])
    expect((await chat.handle(firstOf(text("q1", words)))).status).toBe(409);
  expect(await chat.sessions().get(chat.id)).toEqual(before);
  reply.words("two.");
  reply.end();
  await first.rest();
  await chat.stored(0);
  expect((await chat.storedMessages()).map(wordsOf)).toEqual(["Hello", "One two."]);
});

test("of two equal first messages at once, one is answered", async () => {
  for (let round = 0; round < 10; round++) {
    const chat = open();
    const responses = await Promise.all([1, 2].map(() => chat.handle(firstOf(text("q1", "Hello")))));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 409]);
    const reply = await chat.reply(0);
    reply.begin();
    reply.words("Yes.");
    reply.end();
    await reader(responses.find(({ status }) => status === 200) as Response).rest();
    await chat.stored(0);
    expect((await chat.storedMessages()).map(wordsOf)).toEqual(["Hello", "Yes."]);
  }
});

test("a turn directly after a reply takes nothing from those who follow that", async () => {
  const chat = open();
  const page = await chat.openPage();
  for (let n = 0; n < 10; n++) {
    const sent = page.sendMessage({ text: `Question ${n}` });
    const reply = await chat.reply(n);
    reply.begin();
    reply.words("One ");
    const followers = [1, 2, 3].map(async () => reader(await chat.resume()));
    for (const follower of followers) await (await follower).until("One ");
    reply.words("two.");
    reply.end();
    await sent;
    // The next one begins at once.
    const next = page.sendMessage({ text: "And now?" });
    for (const follower of followers) {
      const whole = await (await follower).rest();
      expect(whole).toContain("two.");
      expect(whole).toMatch(/"type":"finish"[^\n]*\n\ndata: \[DONE\]\n\n$/);
    }
    n++;
    const answer = await chat.reply(n);
    answer.begin();
    answer.words("Fine.");
    answer.end();
    await next;
  }
}, 60_000);

test("a user's pages that follow are counted, and one that reads nothing holds back a megabyte at most", async () => {
  const user = newUser();
  const sessions = durableFor(db, user);
  const { id } = await sessions.create();
  await sessions.replies.start(id, "r", { messageId: "a1" });
  const chunks = `data: {"type":"text-delta","id":"t","delta":"${"x".repeat(100_000)}"}\n\n`;
  for (let n = 1; n <= 150; n++) await sessions.replies.write(id, "r", { n, chunks });
  const follow = () => resumeTurn(durableFor(db, user), id, requestFor());
  const pages = await Promise.all(Array.from({ length: 100 }, follow));
  await expect(follow()).rejects.toMatchObject({ code: "unavailable", retryable: true });
  // Others are not affected.
  const other = durableFor(db, newUser());
  const { id: own } = await other.create();
  expect((await resumeTurn(other, own, requestFor())).status).toBe(204);
  await pages[0]?.body?.cancel();
  pages[0] = await vi.waitUntil(() => follow().catch(() => undefined), { timeout: 30_000 });
  for (const page of pages) await page.body?.cancel();
});

test("a reply whose stream does not begin with its message is stored whole when its producer is lost", async () => {
  const sessions = durableFor(db, newUser());
  const question = { ...text("q1", "Hello"), metadata: { answerId: "a1" } };
  const { id } = await sessions.create({ messages: [question] });
  await sessions.replies.start(id, "r", { messageId: "a1" });
  const chunks = [
    { type: "data-note", data: 1 },
    { type: "text-start", id: "t" },
    { type: "text-delta", id: "t", delta: "Half " },
  ];
  const events = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");
  await sessions.replies.write(id, "r", { n: 1, chunks: events });
  await makeLost(db, id);
  expect(await resumed(sessions, id)).toMatch(/^data: \{"type":"start","messageId":"a1"\}\n\n/);
  const stored = (await sessions.get(id))?.messages.at(-1);
  expect(stored).toMatchObject({
    id: "a1",
    metadata: { interrupted: "failed" },
    parts: [
      { type: "data-note", data: 1 },
      { type: "text", text: "Half ", state: "done" },
    ],
  });
});

test("a page that leaves before it has read anything gives its place back", async () => {
  const sessions = durableFor(db, newUser());
  const { id } = await sessions.create();
  for (let n = 0; n < 250; n++) {
    const { body } = await watchResponse(sessions, id, { signal: new AbortController().signal });
    await body?.cancel();
  }
  await sessions.replies.start(id, "r", { messageId: "a1" });
  for (let n = 0; n < 250; n++) await (await resumeTurn(sessions, id, requestFor())).body?.cancel();
});

test("a request that is refused as stale keeps no other from its turn", async () => {
  const chat = open();
  const page = await chat.openPage();
  await chat.answered(0, page.sendMessage({ text: "Hello" }), "Yes.");
  for (let n = 1; n <= 10; n++) {
    const stale = chat.handle(requestOf({ message: text(randomUUID(), "Stale"), after: "nothing" }));
    const asking = page.sendMessage({ text: `Question ${n}` });
    await chat.answered(n, asking, "Fine.");
    expect((await stale).status).toBe(409);
    expect(page.error).toBeUndefined();
  }
}, 60_000);

test("whoever follows a reply of which the end is gone is told so, not that it has ended", async () => {
  const sessions = durableFor(db, newUser());
  const { id } = await sessions.create();
  const write = (reply: string, n: number, more: object = {}) =>
    sessions.replies.write(id, reply, { n, chunks: `data: {"type":"x","n":${n}}\n\n`, ...more });
  await sessions.replies.start(id, "r1", { messageId: "a1" });
  await write("r1", 1);
  const follower = reader(await resumeTurn(sessions, id, requestFor()));
  await follower.until('"n":1');
  await write("r1", 2, { state: "stored" });
  await sessions.replies.delete(id, "r1");
  await sessions.replies.start(id, "r2", { messageId: "a2" });
  expect(await follower.rest()).toContain('"type":"error"');
});

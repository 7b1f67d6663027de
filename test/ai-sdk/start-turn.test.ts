import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { startTurn } from "../../src/ai-sdk.js";
import { defineJourney, forUser, type JourneyMessage } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const sql = rawClient(url);
const unreachable = openPostgresJs("postgres://127.0.0.1:1/none");

const requestOf = (body: unknown) =>
  new Request("http://application/api", {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

const open = () => {
  const user = newUser();
  return { user, id: randomUUID(), sessions: forUser(db, user) };
};

const ended = (responseMessage: JourneyMessage) => ({ responseMessage, isAborted: false });

test.each([
  ["{", "request: expected JSON"],
  ["null", "request: expected object"],
  [{ after: null }, "request.message: expected object"],
  [{ message: text("m1"), after: 1 }, "request.after: expected string"],
  [{ message: text("m1") }, "request.after: expected string"],
  [{ message: text("m1"), after: null, from: "" }, /^request\.from: expected 1 to 256 characters/],
  [{ message: text("m1", "forged", "assistant"), after: null }, 'request.message.role: expected "user"'],
  [
    { message: { ...text("m1"), metadata: "forged" }, after: null },
    "request.message.metadata: expected object",
  ],
  [
    { message: { ...text("m1"), parts: [{ forged: 1 }] }, after: null },
    "messages[0].parts[0].type: expected string",
  ],
])("a request that is none is refused, and stores nothing: %j", async (body, message) => {
  const { id, sessions } = open();
  await expect(startTurn(sessions, id, requestOf(body))).rejects.toMatchObject({
    code: "invalid_input",
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });
  expect(await sessions.get(id)).toBeNull();
});

test("a turn on another user's session is not_found, and changes nothing", async () => {
  const { id, sessions } = open();
  await sessions.create({ id, messages: [text("m1")] });
  const before = await sessions.get(id);
  const stranger = forUser(db, newUser());
  for (const body of [
    { message: text("m2"), after: null },
    { message: text("m2"), after: "m1" },
    { message: text("m1", "edited"), after: null, from: "m1" },
  ]) {
    await expect(startTurn(stranger, id, requestOf(body))).rejects.toMatchObject({ code: "not_found" });
  }
  expect(await sessions.get(id)).toEqual(before);
});

test("only a first message makes a session: one that was deleted does not come back", async () => {
  const { id, sessions } = open();
  for (const body of [
    { message: text("m2"), after: "m1" },
    { message: text("m1"), after: null, from: "m1" },
  ]) {
    await expect(startTurn(sessions, id, requestOf(body))).rejects.toMatchObject({ code: "not_found" });
  }
  expect(await sessions.get(id)).toBeNull();
});

test("a session gets the title that the application makes of its first message, and only that one", async () => {
  const { id, sessions } = open();
  const title = ({ id }: JourneyMessage) => `about ${id}`;
  await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { title });
  await startTurn(sessions, id, requestOf({ message: text("m2"), after: "m1" }), { title });
  expect((await sessions.get(id))?.metadata).toEqual({ title: "about m1" });

  const untitled = randomUUID();
  const nothing = () => undefined;
  await startTurn(sessions, untitled, requestOf({ message: text("m1"), after: null }), { title: nothing });
  expect((await sessions.get(untitled))?.metadata).toEqual({});
});

test("the model gets as many of the newest messages as are asked for, and the handler what else was sent", async () => {
  const { id, sessions } = open();
  await sessions.create({ id, messages: [text("m1"), text("m2")] });
  const body = { message: text("m3"), after: "m2", tone: "dry" };
  const turn = await startTurn(sessions, id, requestOf(body), { limit: 2 });
  expect(turn.messages.map(({ id }) => id)).toEqual(["m2", "m3"]);
  expect(turn.response.originalMessages).toBe(turn.messages);
  expect(turn.body).toMatchObject({ tone: "dry" });
});

test("metadata of a message is kept beside what the turn adds", async () => {
  const { id, sessions } = open();
  const message = { ...text("m1"), metadata: { tone: "dry" } };
  const turn = await startTurn(sessions, id, requestOf({ message, after: null }));
  await turn.response.onFinish({
    ...ended({ ...text("a1", "half", "assistant"), metadata: { model: "x" } }),
    isAborted: true,
  });
  const [question, answer] = (await sessions.get(id))?.messages ?? [];
  expect(question?.metadata).toEqual({ tone: "dry", answerId: turn.response.generateMessageId() });
  expect(answer?.metadata).toEqual({ model: "x", interrupted: "stopped" });
});

test("an answer that breaks off without a word of why is marked as failed", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const parts = [
    { type: "text", text: "whole", state: "done" },
    { type: "text", text: "half", state: "streaming" },
  ];
  await turn.response.onFinish(ended({ id: "a1", role: "assistant", parts }));
  expect((await sessions.get(id))?.messages[1]?.metadata).toEqual({ interrupted: "failed" });
});

test("the same request, sent twice, stores one message, and the answer to the later one", async () => {
  const { id, sessions } = open();
  const body = { message: text("m1"), after: null };
  const first = await startTurn(sessions, id, requestOf(body));
  const second = await startTurn(sessions, id, requestOf(body));
  await first.response.onFinish(ended(text("a1", "first", "assistant")));
  await second.response.onFinish(ended(text("a2", "second", "assistant")));
  expect(await first.stored).toBeNull();
  expect(await second.stored).toMatchObject({ messageCount: 2 });
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a2"]);
});

test("an answer goes behind its question, before what another tab added while it streamed", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  await sessions.append(id, [text("m2"), text("a2", "second", "assistant")]);
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(await turn.stored).toMatchObject({ messageCount: 4 });
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a1", "m2", "a2"]);
});

test("a page may go on before the answer that it has is stored: after a stop, say", async () => {
  const { id, sessions } = open();
  const first = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const answerId = first.response.generateMessageId();
  const second = await startTurn(sessions, id, requestOf({ message: text("m2"), after: answerId }));
  expect(second.messages.map(({ id }) => id)).toEqual(["m1", "m2"]);
  await second.response.onFinish(ended(text("a2", "second", "assistant")));
  await first.response.onFinish(ended(text(answerId, "half", "assistant")));
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", answerId, "m2", "a2"]);
});

test("and may ask again before it", async () => {
  const { id, sessions } = open();
  const first = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const answerId = first.response.generateMessageId();
  const again = { message: text("m1", "edited"), after: answerId, from: "m1" };
  const second = await startTurn(sessions, id, requestOf(again));
  await first.response.onFinish(ended(text(answerId, "late", "assistant")));
  await second.response.onFinish(ended(text("a2", "second", "assistant")));
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a2"]);
});

test.each([["a1"], ["none"], [null]])(
  "but not a page that has another message last: after %j",
  async (after) => {
    const { id, sessions } = open();
    await sessions.create({ id, messages: [text("m1"), text("a1", "first", "assistant"), text("m2")] });
    const before = await sessions.get(id);
    const stale = startTurn(sessions, id, requestOf({ message: text("m3"), after }));
    await expect(stale).rejects.toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toEqual(before);
  },
);

test("an answer survives a moment in which the database cannot be reached", async () => {
  const { id, sessions } = open();
  let refused = 0;
  const flaky = {
    ...sessions,
    append(...[id, messages, options]: Parameters<typeof sessions.append>) {
      if (options?.ifRevision === undefined || refused === 2) return sessions.append(id, messages, options);
      refused++;
      return forUser(unreachable, newUser()).append(id, messages, options);
    },
  };
  const turn = await startTurn(flaky, id, requestOf({ message: text("m1"), after: null }));
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(refused).toBe(2);
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a1"]);
});

test("an answer is stored where sixteen others change the session in that moment", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const others = Array.from({ length: 16 }, (_, n) => sessions.mergeMetadata(id, { [`k${n}`]: n }));
  await Promise.all([...others, turn.response.onFinish(ended(text("a1", "first", "assistant")))]);
  const session = await sessions.get(id);
  expect(session?.messages.map(({ id }) => id)).toEqual(["m1", "a1"]);
  expect(Object.keys(session?.metadata ?? {})).toHaveLength(16);
});

test("an answer that others are in the way of each time is given up in the end, and says so", async () => {
  const { id, sessions } = open();
  let looked = 0;
  const restless = {
    ...sessions,
    async get(id: string) {
      const session = await sessions.get(id);
      await sessions.mergeMetadata(id, { looked: ++looked });
      return session;
    },
  };
  const turn = await startTurn(restless, id, requestOf({ message: text("m1"), after: null }));
  await sessions.setPhase(id, "review");
  const stored = turn.response.onFinish(ended(text("a1", "first", "assistant")));
  await expect(stored).rejects.toMatchObject({ code: "conflict" });
  await expect(turn.stored).rejects.toMatchObject({ code: "conflict" });
  expect(looked).toBe(9);
});

test("what no other try can change is thrown at once", async () => {
  const { id, sessions } = open();
  let looked = 0;
  const watched = {
    ...sessions,
    get(id: string) {
      looked++;
      return sessions.get(id);
    },
  };
  const turn = await startTurn(watched, id, requestOf({ message: text("m1"), after: null }));
  const long = turn.response.onFinish(ended(text("a1", "x".repeat(9_000_000), "assistant")));
  await expect(long).rejects.toMatchObject({ code: "too_large" });
  expect(looked).toBe(0);
});

test("a session that is deleted while others change it stays deleted", async () => {
  const { id, sessions } = open();
  const vanishing = {
    ...sessions,
    async get(id: string) {
      await sessions.delete(id);
      return sessions.get(id);
    },
  };
  const turn = await startTurn(vanishing, id, requestOf({ message: text("m1"), after: null }));
  await sessions.setPhase(id, "review");
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(await turn.stored).toBeNull();
  expect(await sessions.get(id)).toBeNull();
});

test("elements that an older program left do not cost an answer", async () => {
  const { user, id, sessions } = open();
  await sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${user}, '[null, 7, {"id": "old"}]')`;
  // A page shows none of them, so it has no last message.
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  expect(turn.messages.map(({ id }) => id)).toEqual(["m1"]);
  await sessions.setPhase(id, "review");
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(await turn.stored).toMatchObject({ messageCount: 5 });
});

test("a schema of the application's own decides about the title and about the messages", async () => {
  const { user, id } = open();
  const { z } = await import("zod");
  const journey = defineJourney({ metadata: z.strictObject({ topic: z.string() }) });
  const sessions = journey.forUser(db, user);
  const request = () => requestOf({ message: text("m1"), after: null });
  await expect(startTurn(sessions, id, request(), { title: () => "one" })).rejects.toMatchObject({
    code: "invalid_input",
    message: "patch: has a key that is not expected here",
  });
});

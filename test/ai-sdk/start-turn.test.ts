import { randomUUID } from "node:crypto";
import { text as textColumn, unique } from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import * as z from "zod";
import { startTurn, titleOf } from "../../src/ai-sdk.js";
import { defineJourney, forUser, type JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { isMessage } from "../../src/messages.js";
import { journeyTable } from "../../src/schema.js";
import { contentAlone, withParts } from "../support/ai-sdk-4.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { createTables } from "../support/own-table.js";
import { ended, NOWHERE, openFor, requestOf, type Sessions } from "../support/turn.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const sql = rawClient(url);
const unreachable = openPostgresJs(NOWHERE);
const open = () => openFor(db);

test.each([
  ["{", "request: expected JSON"],
  ["null", "request: expected object"],
  [{ after: null }, "request.message: expected object"],
  [{ message: text("m1"), after: 1 }, "request.after: expected string"],
  [{ message: text("m1") }, "request.after: expected string"],
  [{ message: text("m1"), after: null, from: "" }, /^request\.from: expected 1 to 256 characters/],
  [
    { message: text("m1", "forged", "system"), after: null },
    'request.message.role: expected "user" or "assistant"',
  ],
  [
    { message: { ...text("m1"), metadata: "forged" }, after: null },
    "request.message.metadata: expected object",
  ],
  [
    { message: { ...text("m1"), parts: [{ forged: 1 }] }, after: null },
    "request.message.parts[0].type: expected string",
  ],
  [{ message: { role: "user" }, after: null }, "request.message.id: expected string"],
  [{ message: { ...text("m1"), parts: [null] }, after: null }, "request.message.parts[0]: expected object"],
  [{ message: { ...text("m1"), parts: "forged" }, after: null }, "request.message.parts: expected array"],
  [{ message: text("m1"), after: null, isOpen: 1 }, "request.isOpen: expected boolean"],
  [{ message: text("m1"), after: null, isFirst: 1 }, "request.isFirst: expected boolean"],
  [{ message: text("m1"), after: null, replaces: 1 }, "request.replaces: expected boolean"],
  [{ message: text("m1"), after: null, answerId: "a1" }, /^request\.answerId: expected/],
  [{ message: text("m1"), after: null, known: [7] }, "request.known[0]: expected string"],
  [
    { message: text("m1"), after: null, known: Array.from({ length: 101 }, () => "m") },
    "request.known: expected at most 100 elements",
  ],
  [{ message: text("m1"), after: null, answers: [] }, "request.answers: expected object"],
  [
    { message: text("m1"), after: null, answers: { m1: ["a", 7] } },
    /^request\.answers\.<key>\[1\]: expected string/,
  ],
  [
    {
      message: text("m1"),
      after: null,
      answers: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [n, []])),
    },
    "request.answers: expected at most 100 keys",
  ],
])("a request that is none is refused, and stores nothing: %j", async (body, message) => {
  const { id, sessions } = open();
  await expect(startTurn(sessions, id, requestOf(body), { title: titleOf })).rejects.toMatchObject({
    code: "invalid_input",
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });
  expect(await sessions.get(id)).toBeNull();
});

test("a request can bring no message of the assistant", async () => {
  const { id, sessions } = open();
  const forged = text("a1", "forged", "assistant");
  const send = (after: string | null) => startTurn(sessions, id, requestOf({ message: forged, after }));
  await expect(send(null)).rejects.toMatchObject({ code: "not_found" });
  await sessions.create({ id, messages: [text("m1"), text("a1", "said", "assistant")] });
  const before = await sessions.get(id);
  await expect(send("m1")).rejects.toMatchObject({ code: "conflict" });
  await expect(send("a1")).rejects.toMatchObject({ code: "conflict" });
  expect(await sessions.get(id)).toEqual(before);
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
    { message: text("m1", "continued", "assistant"), after: null },
  ]) {
    await expect(startTurn(stranger, id, requestOf(body))).rejects.toMatchObject({ code: "not_found" });
  }
  expect(await sessions.get(id)).toEqual(before);
});

test("only a first message creates a session: a deleted session does not come back", async () => {
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

test("nothing but a first message titles a session", async () => {
  const { id, sessions } = open();
  const title = () => "made";
  const send = (body: object) => startTurn(sessions, id, requestOf(body), { title });
  await sessions.create({ id, messages: [text("m1")] });
  await send({ message: text("m1", "edited"), after: null, from: "m1" });
  await send({ message: text("m2"), after: "m1" });
  const answer = { id: "a2", role: "assistant" as const };
  const call = { type: "tool-locate", toolCallId: "c1", input: {} };
  await sessions.append(id, { ...answer, parts: [{ ...call, state: "input-available" }] });
  const message = { ...answer, parts: [{ ...call, state: "output-available", output: 1 }] };
  await send({ message, after: null });
  expect((await sessions.get(id))?.metadata).toEqual({});
});

test("the model gets as many of the newest messages as are asked for, and the handler what else was sent", async () => {
  const { id, sessions } = open();
  await sessions.create({ id, messages: [text("m1"), text("m2")] });
  const body = { message: text("m3"), after: "m2", tone: "dry" };
  const turn = await startTurn(sessions, id, requestOf(body), { limit: 2 });
  expect(turn.messages.map(({ id }) => id)).toEqual(["m2", "m3"]);
  expect(turn.response.originalMessages).toEqual(turn.messages);
  expect(turn.body).toMatchObject({ tone: "dry" });
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
  await sessions.create({ id, messages: [text("m1"), text("a1", "first", "assistant")] });
  const first = await startTurn(sessions, id, requestOf({ message: text("m2"), after: "a1" }));
  const answerId = first.response.generateMessageId();
  const again = { message: text("m1", "edited"), after: answerId, from: "m1" };
  const second = await startTurn(sessions, id, requestOf(again));
  await first.response.onFinish(ended(text(answerId, "late", "assistant")));
  await second.response.onFinish(ended(text("a3", "third", "assistant")));
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a3"]);
});

test("nor does it matter that tools of that answer were at work", async () => {
  const { id, sessions } = open();
  const first = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const after = first.response.generateMessageId();
  await startTurn(sessions, id, requestOf({ message: text("m2"), after, isOpen: true }));
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "m2"]);
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

test("a session whose title could not be stored gets it with the next try of its first message", async () => {
  const { id, sessions } = open();
  await sessions.create({ id });
  const first = { message: text("m1"), after: null };
  const away = { ...sessions, mergeMetadata: forUser(unreachable, newUser()).mergeMetadata };
  const title = () => "one";
  await expect(startTurn(away, id, requestOf(first), { title })).rejects.toMatchObject({
    code: "unavailable",
  });
  await startTurn(sessions, id, requestOf(first), { title });
  expect((await sessions.get(id))?.metadata).toEqual({ title: "one" });
});

/** `statements()` returns how many were sent since it was called. */
function openCounted() {
  const sent: string[] = [];
  const db = openPostgresJs(url, { debug: (_, query) => void sent.push(query) });
  const statements = () => sent.splice(0).filter((query) => query.includes("journey_sessions")).length;
  return { ...openFor(db), statements };
}

test("a first message creates its session with the title in one statement, and a later turn begins with two", async () => {
  const { id, sessions, statements } = openCounted();
  const options = { title: titleOf };
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), options);
  expect(statements()).toBe(1);
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(statements()).toBe(1);
  await startTurn(sessions, id, requestOf({ message: text("m2"), after: "a1" }), options);
  expect(statements()).toBe(2);
  expect(await sessions.get(id)).toMatchObject({
    metadata: { title: "text of m1" },
    messages: [{ id: "m1" }, { id: "a1" }, { id: "m2" }],
  });
});

test("a constraint of the application that refuses the first message is told at once", async () => {
  const sent: string[] = [];
  const db = openPostgresJs(url, { debug: (_, query) => void sent.push(query) });
  const runs = journeyTable("runs", { runId: textColumn("run_id").notNull() }, (t) => [unique().on(t.runId)]);
  await createTables(db, { runs });
  const sessions = defineJourney({ table: runs }).forUser(db, newUser());
  await sessions.create({ runId: "taken" });
  sent.length = 0;
  const request = requestOf({ message: text("m1"), after: null });
  await expect(
    startTurn(sessions, randomUUID(), request, { create: { runId: "taken" } }),
  ).rejects.toMatchObject({ code: "conflict", constraint: "runs_run_id_unique" });
  // The insert is sent again, since another first message of the same id may have been faster.
  expect(sent).toHaveLength(3);
});

test("a session that was created empty gets the title too, and its answer is stored in one statement", async () => {
  const { id, sessions, statements } = openCounted();
  await sessions.create({ id });
  expect(statements()).toBe(1);
  const first = requestOf({ message: text("m1"), after: null });
  const turn = await startTurn(sessions, id, first, { title: titleOf });
  expect(statements()).toBe(2);
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(statements()).toBe(1);
  expect((await sessions.get(id))?.metadata).toEqual({ title: "text of m1" });
});

test.each([
  ["that was sent before and was edited in another tab", { after: null, answers: { m1: [randomUUID()] } }],
  ["of a page that shows something else", { after: "notice", isFirst: true }],
])("a first message %s replaces nothing", async (_, shown) => {
  const { id, sessions } = open();
  const edited = { ...text("m1", "edited"), metadata: { answerId: randomUUID() } };
  await sessions.create({ id, messages: [edited] });
  const stale = startTurn(sessions, id, requestOf({ message: text("m1"), ...shown }), { title: titleOf });
  await expect(stale).rejects.toMatchObject({ code: "conflict" });
  expect(await sessions.get(id)).toMatchObject({ metadata: {}, messages: [edited] });
});

test("a session that was created empty gets its title too", async () => {
  const { id, sessions } = open();
  await sessions.create({ id, phase: "review", metadata: { tone: "dry" } });
  const body = { message: text("m1"), after: null, answerId: randomUUID() };
  const turn = await startTurn(sessions, id, requestOf(body), { title: titleOf });
  expect(turn.response.generateMessageId()).toBe(body.answerId);
  await turn.response.onFinish(ended(text(body.answerId, "first", "assistant")));
  expect(await sessions.get(id)).toMatchObject({
    phase: "review",
    metadata: { tone: "dry", title: "text of m1" },
    messages: [{ id: "m1" }, { id: body.answerId }],
  });
});

test("a title is stored even if the metadata schema requires other keys", async () => {
  const { user, id } = open();
  const demanding = defineJourney({ metadata: z.object({ title: z.string(), tone: z.string() }) });
  const sessions = demanding.forUser(db, user);
  await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { title: titleOf });
  expect((await sessions.get(id))?.metadata).toEqual({ title: "text of m1" });
});

test("a title that the user gives in that moment stays", async () => {
  const { id, sessions } = open();
  await sessions.create({ id });
  const renamed = {
    ...sessions,
    async mergeMetadata(...given: Parameters<Sessions["mergeMetadata"]>) {
      await sessions.mergeMetadata(id, { title: "mine" });
      return sessions.mergeMetadata(...given);
    },
  };
  await startTurn(renamed, id, requestOf({ message: text("m1"), after: null }), { title: () => "made" });
  expect((await sessions.get(id))?.metadata).toEqual({ title: "mine" });
});

test("a page that is up to date is not refused since the session changes while that is looked at", async () => {
  const { id, sessions } = open();
  const first = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const answerId = first.response.generateMessageId();
  let looks = 0;
  const busy = {
    ...sessions,
    async messages(...given: Parameters<Sessions["messages"]>) {
      const page = await sessions.messages(...given);
      if (++looks === 1) await first.response.onFinish(ended(text(answerId, "half", "assistant")));
      return page;
    },
  };
  await startTurn(busy, id, requestOf({ message: text("m2"), after: answerId }));
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", answerId, "m2"]);
});

test("a new message is not refused because the session's metadata changes all the time", async () => {
  for (let round = 0; round < 8; round++) {
    const { id, sessions } = open();
    await sessions.create({ id, messages: [text("m1"), text("a1", "first", "assistant")] });
    let isOver = false;
    const write = async (n: number) => {
      for (let k = 0; !isOver; k++) await sessions.mergeMetadata(id, { [`w${n}`]: k });
    };
    const writers = [0, 1, 2].map(write);
    await startTurn(sessions, id, requestOf({ message: text("m2"), after: "a1" }));
    isOver = true;
    await Promise.all(writers);
    expect((await sessions.get(id))?.messages).toHaveLength(3);
  }
});

test("but a session that changes with each look is refused, and an error that is no conflict at once", async () => {
  const { id, sessions } = open();
  const first = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const body = { message: text("m2"), after: first.response.generateMessageId() };
  let looks = 0;
  const restless = {
    ...sessions,
    async messages(...given: Parameters<Sessions["messages"]>) {
      const page = await sessions.messages(...given);
      await sessions.mergeMetadata(id, { looks: ++looks });
      return page;
    },
  };
  await expect(startTurn(restless, id, requestOf(body))).rejects.toMatchObject({ code: "conflict" });
  expect(looks).toBe(20);
  const away = {
    ...restless,
    append: (...[, message, options]: Parameters<Sessions["append"]>) =>
      (options?.ifRevision ? forUser(unreachable, newUser()) : sessions).append(id, message, options),
  };
  await expect(startTurn(away, id, requestOf(body))).rejects.toMatchObject({ code: "unavailable" });
  expect(looks).toBe(21);
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1"]);
});

test("a page that has an answer which waits, of which nothing is stored, is refused", async () => {
  const { id, sessions } = open();
  await sessions.create({ id });
  const refused = startTurn(sessions, id, requestOf({ message: text("m1"), after: null, isOpen: true }));
  await expect(refused).rejects.toMatchObject({
    code: "conflict",
    message: "request.isOpen: the last answer has gone on; nothing changed.",
  });
  expect((await sessions.get(id))?.messages).toEqual([]);
});

test.each([[0], [1001], [1.5]])("a limit of %j is refused before anything is stored", async (limit) => {
  const { id, sessions } = open();
  const refused = startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { limit });
  await expect(refused).rejects.toMatchObject({
    code: "invalid_input",
    message: expect.stringMatching(/^options\.limit: expected/),
  });
  expect(await sessions.get(id)).toBeNull();
});

test("the model is asked about the question, however much others added behind it in this moment", async () => {
  const { id, sessions } = open();
  const crowded = {
    ...sessions,
    async append(...given: Parameters<Sessions["append"]>) {
      const appended = await sessions.append(...given);
      await sessions.append(id, [text("m2"), text("m3")]);
      return appended;
    },
  };
  const turn = await startTurn(crowded, id, requestOf({ message: text("m1"), after: null }), { limit: 2 });
  expect(turn.messages.map(({ id }) => id)).toEqual(["m1"]);
});

test("a title that the application's metadata schema refuses does not end the turn, and is reported to the operator", async () => {
  const { user, id } = open();
  const tooShort = defineJourney({ metadata: z.object({ title: z.string().max(3) }) });
  const unknown = defineJourney({ metadata: z.strictObject({ topic: z.string() }) });
  for (const sessions of [tooShort.forUser(db, user), unknown.forUser(db, user)]) {
    const told: JourneyDbError[] = [];
    const onError = (error: JourneyDbError) => void told.push(error);
    const body = { message: text("m1"), after: null };
    const turn = await startTurn(sessions, id, requestOf(body), { title: () => "too long", onError });
    expect(turn.messages.map(({ id }) => id)).toEqual(["m1"]);
    expect(told).toMatchObject([{ code: "invalid_input", message: expect.stringMatching(/^patch/) }]);
    expect((await sessions.get(id))?.metadata).toEqual({});
    await sessions.delete(id);
  }
});

test.each([
  ["a text later", async () => "later", { title: "later" }, 0],
  ["no text", () => 7 as unknown as string, {}, 1],
  ["an empty text", () => "", {}, 0],
])("a title that is %s", async (_, title, metadata, reports) => {
  const { id, sessions } = open();
  const told: JourneyDbError[] = [];
  const onError = (error: JourneyDbError) => void told.push(error);
  await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { title, onError });
  expect((await sessions.get(id))?.metadata).toEqual(metadata);
  expect(told).toHaveLength(reports);
});

test("a title that cannot be made leaves nothing behind", async () => {
  const { id, sessions } = open();
  const title = () => Promise.reject(new TypeError("no title"));
  const started = startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { title });
  await expect(started).rejects.toThrow(TypeError);
  expect(await sessions.get(id)).toBeNull();
});

test("a schema of the application's own decides about the messages", async () => {
  const { user, id } = open();
  const plain = z.looseObject({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    parts: z.array(z.any()),
  });
  const strict = defineJourney({ message: plain.extend({ metadata: z.strictObject({}).optional() }) });
  const sessions = strict.forUser(db, user);
  await expect(
    startTurn(sessions, id, requestOf({ message: text("m1"), after: null })),
  ).rejects.toMatchObject({
    code: "invalid_input",
    message: "messages[0].metadata: has a key that is not expected here",
  });
  expect(await sessions.get(id)).toBeNull();
});

test("a chat that AI SDK 4 left goes on, with all that was said", async () => {
  const { user, id, sessions } = open();
  await sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${user}, ${sql.json([...contentAlone, ...withParts])})`;
  const last = withParts.at(-1).id;
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: last }));
  expect(turn.messages.every(isMessage)).toBe(true);
  expect(JSON.stringify(turn.messages)).toContain("High water is at 21:40, 6.9 m.");
  // As in version 4, data and calls without a result are not sent to the model.
  expect(turn.messages.map(({ id }) => id)).toEqual(["a1", "a2", "a3", "a4", "b1", "b2", "m1"]);
  expect(turn.messages.flatMap(({ parts }) => parts).filter(({ type }) => type === "tool-wind")).toEqual([]);
  await turn.response.onFinish(ended(text("n1", "first", "assistant")));
  expect((await sessions.get(id))?.messages).toHaveLength(9);
});

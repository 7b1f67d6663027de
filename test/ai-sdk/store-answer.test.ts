import { beforeEach, describe, expect, test } from "vitest";
import { transfer } from "../../src/admin.js";
import { startTurn } from "../../src/ai-sdk.js";
import { forUser, type JourneyDbError } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { ended, NOWHERE, openFor, requestOf, type Sessions } from "../support/turn.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const sql = rawClient(url);
const unreachable = openPostgresJs(NOWHERE);
const open = () => openFor(db);
const told: JourneyDbError[] = [];
const onError = (error: JourneyDbError) => void told.push(error);
beforeEach(() => void told.splice(0));

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

test("of an early v5, which tells no reason, an answer that breaks off is marked as failed", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const parts = [
    { type: "text", text: "whole", state: "done" },
    { type: "text", text: "half", state: "streaming" },
  ];
  await turn.response.onFinish({ responseMessage: { id: "a1", role: "assistant", parts }, isAborted: false });
  expect((await sessions.get(id))?.messages[1]?.metadata).toEqual({ interrupted: "failed" });
});

test("a tool call whose input was cut off is marked as failed, and stays as it is", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const parts = [{ type: "tool-weather", toolCallId: "c1", state: "input-streaming", input: { city: "Ly" } }];
  await turn.response.onFinish(ended({ id: "a1", role: "assistant", parts }));
  expect((await sessions.get(id))?.messages[1]).toMatchObject({ parts, metadata: { interrupted: "failed" } });
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

test("an answer whose session is another user's now is refused, and nobody gets it", async () => {
  const { user, id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { onError });
  const member = newUser();
  await transfer(db, { from: user, to: member });
  const stored = turn.response.onFinish(ended(text("a1", "first", "assistant")));
  const refusal = {
    code: "not_found",
    message: "Another user has the session now; the answer is not stored.",
  };
  await expect(stored).rejects.toMatchObject(refusal);
  await expect(turn.stored).rejects.toMatchObject(refusal);
  expect(told).toMatchObject([refusal]);
  expect((await forUser(db, member).get(id))?.messages.map(({ id }) => id)).toEqual(["m1"]);
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

describe("while a new session gets its title", () => {
  /** A first turn, and what somebody else does in the moment before the title. */
  async function startAmid(meanwhile: (sessions: Sessions, id: string) => Promise<unknown>) {
    const { id, sessions } = open();
    let tries = 0;
    const crowded = {
      ...sessions,
      async mergeMetadata(...given: Parameters<Sessions["mergeMetadata"]>) {
        if (tries++ === 0) await meanwhile(sessions, id);
        return sessions.mergeMetadata(...given);
      },
    };
    const title = () => "one";
    const turn = await startTurn(crowded, id, requestOf({ message: text("m1"), after: null }), { title });
    await turn.response.onFinish(ended(text("a1", "first", "assistant")));
    const session = await sessions.get(id);
    expect(session?.metadata).toEqual({ title: "one" });
    return { stored: await turn.stored, ids: session?.messages.map(({ id }) => id) };
  }

  test("another tab goes on: the answer is behind its question", async () => {
    const added = [text("m2"), text("a2", "second", "assistant")];
    const { ids } = await startAmid((sessions, id) => sessions.append(id, added));
    expect(ids).toEqual(["m1", "a1", "m2", "a2"]);
  });

  test("its question is edited: the answer is dropped", async () => {
    const { stored, ids } = await startAmid((sessions, id) =>
      sessions.append(id, text("m1", "edited"), { from: "m1" }),
    );
    expect(stored).toBeNull();
    expect(ids).toEqual(["m1"]);
  });

  test("the same request comes again: one answer is stored", async () => {
    const { stored, ids } = await startAmid(async (sessions, id) => {
      const again = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
      await again.response.onFinish(ended(text("a2", "second", "assistant")));
    });
    expect(stored).toBeNull();
    expect(ids).toEqual(["m1", "a2"]);
  });
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

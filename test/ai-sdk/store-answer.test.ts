import { beforeEach, describe, expect, test } from "vitest";
import { transfer } from "../../src/admin.js";
import { startTurn } from "../../src/ai-sdk.js";
import { defineJourney, forUser, JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { messageSchema } from "../../src/messages.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { testInColumn } from "../support/in-column.js";
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

test("a tool call whose input was cut off is marked as failed, and stays unchanged", async () => {
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

test("if the driver fails in an unknown way, the answer is looked for and stored", async () => {
  const { id, sessions } = open();
  let failures = 0;
  const failing = {
    ...sessions,
    async append(...given: Parameters<Sessions["append"]>) {
      const appended = await sessions.append(...given);
      if (given[2]?.ifRevision && failures++ === 0) throw new JourneyDbError("internal", "unknown");
      return appended;
    },
  };
  const turn = await startTurn(failing, id, requestOf({ message: text("m1"), after: null }));
  await turn.response.onFinish(ended(text("a1", "first", "assistant")));
  expect(failures).toBe(2);
  expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a1"]);
});

test("a handle's error that is not of this package settles the answer, and is reported without its text", async () => {
  const { id, sessions } = open();
  const failing = {
    ...sessions,
    async append(...given: Parameters<Sessions["append"]>) {
      if (given[2]?.ifRevision) throw new TypeError("what a user wrote");
      return sessions.append(...given);
    },
  };
  const turn = await startTurn(failing, id, requestOf({ message: text("m1"), after: null }), { onError });
  await expect(turn.response.onFinish(ended(text("a1", "first", "assistant")))).rejects.toThrow(TypeError);
  await expect(turn.stored).rejects.toThrow(TypeError);
  expect(told).toMatchObject([{ code: "internal", message: expect.not.stringContaining("user wrote") }]);
});

testInColumn(
  "messages of any depth that follow the question do not cost an answer, nor those that a rule refuses now",
  async () => {
    const { user, id, sessions } = open();
    const deep = JSON.parse(`${"[".repeat(600)}${"]".repeat(600)}`);
    const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
    await sql`update journey_sessions set messages = messages || ${sql.json([{ ...text("m2"), deep }])} where id = ${id}`;
    await turn.response.onFinish(ended(text("a1", "first", "assistant")));
    expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual(["m1", "a1", "m2"]);

    const message = messageSchema.refine(({ parts }) => parts.every(({ text }) => text !== "refused"));
    const strict = defineJourney({ message }).forUser(db, user);
    const next = await startTurn(strict, id, requestOf({ message: text("m3"), after: "m2" }));
    await sessions.append(id, text("m4", "refused"));
    await next.response.onFinish(ended(text("a3", "third", "assistant")));
    expect((await sessions.get(id))?.messages.map(({ id }) => id)).toEqual([
      "m1",
      "a1",
      "m2",
      "m3",
      "m4",
      "a3",
    ]);
  },
);

test("an answer that goes on may be of any depth", async () => {
  const { user, id, sessions } = open();
  const output = JSON.parse(`${"[".repeat(600)}${"]".repeat(600)}`);
  const call = { type: "tool-locate", input: {} };
  const given = { ...call, toolCallId: "c0", state: "output-available", output };
  const parts = [given, { type: "step-start" }, { ...call, toolCallId: "c1", state: "input-available" }];
  const answer = { id: "a1", role: "assistant" as const, parts };
  await sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${user}, ${sql.json(JSON.parse(JSON.stringify([text("m1"), answer])))})`;
  const told = { ...call, toolCallId: "c1", state: "output-available", output: 1 };
  const message = { ...answer, parts: [{ type: "step-start" }, told] };
  const turn = await startTurn(sessions, id, requestOf({ message, after: "m1" }));
  const [, stored] = turn.response.originalMessages;
  await turn.response.onFinish(
    ended({ ...answer, parts: [...(stored?.parts ?? []), { type: "text", text: "So." }] }),
  );
  expect((await sessions.get(id))?.messages[1]?.parts).toHaveLength(4);
});

describe("the acceptable part of a refused answer is stored", () => {
  /** What is stored of an answer with these parts if the schema refuses some. */
  async function keptOf(
    parts: JourneyMessage["parts"],
    refuses: (message: JourneyMessage) => boolean,
    metadata?: object,
  ) {
    const { user, id } = open();
    const message = messageSchema.refine((one) => one.role === "user" || !refuses(one));
    const sessions = defineJourney({ message }).forUser(db, user);
    const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }), { onError });
    const answer: JourneyMessage = { id: "a1", role: "assistant", parts, ...(metadata && { metadata }) };
    await expect(turn.response.onFinish(ended(answer))).rejects.toMatchObject({ code: "invalid_input" });
    return (await sessions.get(id))?.messages[1];
  }
  const step = { type: "step-start" };
  const said = (text: string) => ({ type: "text", text });
  const source = { type: "source-url", sourceId: "s", url: "https://example.com" };

  test("a long text", async () => {
    const long = (one: JourneyMessage) => one.parts.some(({ text }) => text?.length > 60);
    const kept = await keptOf([step, said("word ".repeat(40))], long);
    expect(kept?.parts).toEqual([step, said("word ".repeat(10))]);
    expect(kept?.metadata).toEqual({ interrupted: "failed" });
  });

  test("a text that would be cut within a character", async () => {
    const long = (one: JourneyMessage) => one.parts.some(({ text }) => text?.length > 4);
    expect((await keptOf([said("abc😀efg")], long))?.parts).toEqual([said("abc")]);
  });

  test("many parts: as many as are taken", async () => {
    const parts = Array.from({ length: 102 }, (_, n) => said(`${n}`));
    const kept = await keptOf(parts, (one) => one.parts.length > 100);
    expect(kept?.parts).toEqual(parts.slice(0, 100));
  });

  test("a part that is refused alone", async () => {
    const isSource = (one: JourneyMessage) => one.parts.some(({ type }) => type === "source-url");
    expect((await keptOf([step, said("a"), source, said("b")], isSource))?.parts).toEqual([
      step,
      said("a"),
      said("b"),
    ]);
    const isReasoning = (one: JourneyMessage) => one.parts.some(({ type }) => type === "reasoning");
    const thought = { type: "reasoning", text: "Hm." };
    expect((await keptOf([step, thought, said("a")], isReasoning))?.parts).toEqual([step, said("a")]);
  });

  test("metadata", async () => {
    const hasCost = (one: JourneyMessage) => one.metadata?.cost !== undefined;
    const kept = await keptOf([step, said("a")], hasCost, { cost: 1 });
    expect(kept).toMatchObject({ parts: [step, said("a")], metadata: { interrupted: "failed" } });
  });

  test("nothing, where all is refused", async () => {
    expect(await keptOf([step, said("a")], () => true)).toBeUndefined();
    expect(told).toHaveLength(1);
  });
});

test("values that cannot be read cost no more than themselves", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const unreadable = {
    kept: 1,
    get thrown(): never {
      throw new Error("unreadable");
    },
  };
  const hidden = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error("unreadable");
      },
    },
  );
  const metadata = { unreadable, hidden, model: "m" };
  await turn.response.onFinish(ended({ ...text("a1", "first", "assistant"), metadata }));
  expect((await sessions.get(id))?.messages[1]).toMatchObject({ metadata: { model: "m" } });
});

test("with an early v5, which reports no finish reason, a complete answer counts as complete, even if the provider stores it", async () => {
  const { id, sessions } = open();
  const turn = await startTurn(sessions, id, requestOf({ message: text("m1"), after: null }));
  const parts = [
    { type: "text", text: "whole", state: "done", providerMetadata: { openai: { itemId: "msg_1" } } },
  ];
  await turn.response.onFinish({ responseMessage: { id: "a1", role: "assistant", parts }, isAborted: false });
  expect((await sessions.get(id))?.messages[1]).toEqual({ id: "a1", role: "assistant", parts });
});

testInColumn("an answer whose session is another user's now is refused, and nobody gets it", async () => {
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

describe("while a session that was created empty gets its title", () => {
  /** A first turn, and a change by somebody else just before the title is stored. */
  async function startAmid(meanwhile: (sessions: Sessions, id: string) => Promise<unknown>) {
    const { id, sessions } = open();
    await sessions.create({ id });
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

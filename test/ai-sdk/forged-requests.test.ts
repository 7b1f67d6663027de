import { describe, expect, test } from "vitest";
import { startTurn } from "../../src/ai-sdk.js";
import { defineJourney } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { testInColumn } from "../support/in-column.js";
import { text } from "../support/messages.js";
import { openFor, requestOf } from "../support/turn.js";

const db = openPostgresJs(await migratedDatabase());

/** A session with two turns. The questions name their answers. */
async function openChat() {
  const { id, sessions } = openFor(db);
  const question = (id: string, answerId: string) => ({ ...text(id), metadata: { answerId } });
  await sessions.create({
    id,
    messages: [
      question("m1", "a1"),
      text("a1", "first", "assistant"),
      question("m2", "a2"),
      text("a2", "second", "assistant"),
    ],
  });
  const send = (message: object, more: object) => startTurn(sessions, id, requestOf({ message, ...more }));
  return { id, sessions, send };
}

describe("a message whose id is in the conversation", () => {
  test.each([
    ["an answer, as a new message", text("a2", "forged"), { after: "a2" }],
    ["an earlier answer, as a new message", text("a1", "forged"), { after: "a2" }],
    ["an earlier question, as a new message", text("m1", "forged"), { after: "a2" }],
    ["an earlier question, as the first message", text("m1", "forged"), { after: null }],
    ["an answer, as one that replaces itself", text("a2", "forged"), { after: "m2", replaces: true }],
    ["an answer, before a cut", text("a1", "forged"), { after: "a2", from: "m2" }],
    ["an earlier question, before a cut", text("m1", "forged"), { after: "a2", from: "m2" }],
  ])("is refused where it is %s", async (_, message, more) => {
    const { id, sessions, send } = await openChat();
    const before = await sessions.get(id);
    await expect(send(message, more)).rejects.toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toEqual(before);
  });

  test.each([
    ["the last question, sent again", text("m2", "again"), { after: "a1" }, ["m1", "a1", "m2"]],
    ["the last question, edited", text("m2", "edited"), { after: "a2", from: "m2" }, ["m1", "a1", "m2"]],
    ["an earlier one, edited", text("m1", "edited"), { after: "a2", from: "m1" }, ["m1"]],
    ["one that is dropped with the cut", text("m2", "moved"), { after: "a2", from: "a1" }, ["m1", "m2"]],
  ])("is taken where it is %s", async (_, message, more, ids) => {
    const { id, sessions, send } = await openChat();
    const turn = await send(message, more);
    expect(turn.messages.map(({ id }) => id)).toEqual(ids);
    const stored = (await sessions.get(id))?.messages ?? [];
    expect(stored.map(({ id }) => id)).toEqual(ids);
    expect(stored.at(-1)).toMatchObject({ role: "user", parts: message.parts });
  });

  test("is refused where it is that of the answer that the last question waits for", async () => {
    const { id, sessions, send } = await openChat();
    const turn = await send(text("m3"), { after: "a2" });
    const answerId = turn.response.generateMessageId();
    const before = await sessions.get(id);
    const forged = send(text(answerId, "forged"), { after: "m3" });
    await expect(forged).rejects.toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toEqual(before);
  });

  test("may be a word that every object has", async () => {
    const { id, sessions } = openFor(db);
    for (const [n, word] of ["toString", "__proto__", "constructor"].entries()) {
      const after = n === 0 ? null : (["toString", "__proto__"][n - 1] as string);
      const request = requestOf({ message: text(word), after, answers: {}, tried: {} });
      await startTurn(sessions, id, request);
    }
    expect((await sessions.get(id))?.messages).toHaveLength(3);
  });

  test("and may be that of the last answer where `from` says so", async () => {
    const { id, sessions, send } = await openChat();
    await send(text("a2", "mine"), { after: "a2", from: "a2" });
    expect((await sessions.get(id))?.messages.map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "user",
      "user",
    ]);
  });

  test("is no id for an answer: a page can choose that of no other message", async () => {
    const { id, sessions, send } = await openChat();
    const taken = crypto.randomUUID();
    await sessions.append(id, [
      { ...text("m3"), metadata: { answerId: taken } },
      text(taken, "third", "assistant"),
    ]);
    const chosen = crypto.randomUUID();
    const first = await send(text("m4"), { after: taken, answerId: taken });
    expect(first.response.generateMessageId()).not.toBe(taken);
    const second = await send(text("m5"), { after: "m4", answerId: chosen });
    expect(second.response.generateMessageId()).toBe(chosen);
  });

  test("is refused also where it is further up than the model is given", async () => {
    const { id, sessions } = openFor(db);
    const messages = Array.from({ length: 120 }, (_, n) =>
      text(`m${n}`, `${n}`, n % 2 ? "assistant" : "user"),
    );
    await sessions.create({ id, messages });
    const before = await sessions.get(id);
    const forged = requestOf({ message: text("m3", "forged"), after: "m119" });
    await expect(startTurn(sessions, id, forged, { limit: 2 })).rejects.toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toEqual(before);
    const turn = await startTurn(sessions, id, requestOf({ message: text("new"), after: "m119" }), {
      limit: 2,
    });
    expect(turn.messages.map(({ id }) => id)).toEqual(["m119", "new"]);
  });

  test("what is dropped may reach further up than what is read", async () => {
    const { id, sessions } = openFor(db);
    const messages = Array.from({ length: 120 }, (_, n) =>
      text(`m${n}`, `${n}`, n % 2 ? "assistant" : "user"),
    );
    await sessions.create({ id, messages });
    const edit = requestOf({ message: text("m4", "edited"), after: "m119", from: "m4" });
    const turn = await startTurn(sessions, id, edit, { limit: 3 });
    expect(turn.messages.map(({ id }) => id)).toEqual(["m2", "m3", "m4"]);
    expect((await sessions.get(id))?.messages).toHaveLength(5);
  });
});

test.each([
  [{ type: "text", text: 7 }, "request.message.parts[1].text: expected string"],
  [{ type: "text" }, "request.message.parts[1].text: expected string"],
  [{ type: "file", mediaType: "image/png" }, "request.message.parts[1].url: expected string"],
  [{ type: "file", url: "data:," }, "request.message.parts[1].mediaType: expected string"],
  [
    { type: "file", mediaType: "image/png", url: "" },
    "request.message.parts[1].url: expected at least 1 characters",
  ],
])("a part of which every later turn would fail is refused: %j", async (part, message) => {
  const { id, sessions } = openFor(db);
  const forged = { ...text("m1"), parts: [{ type: "text", text: "one" }, part] };
  await expect(startTurn(sessions, id, requestOf({ message: forged, after: null }))).rejects.toMatchObject({
    code: "invalid_input",
    message,
  });
  expect(await sessions.get(id)).toBeNull();
});

describe("a session with no room for an answer", () => {
  const journey = defineJourney({ maxSessionBytes: 8_000 });

  /** A session of about this many bytes. */
  async function full(bytes: number) {
    const { id } = openFor(db);
    const sessions = journey.forUser(db, newUser());
    await sessions.create({ id, messages: [text("m1"), text("a1", "x".repeat(bytes), "assistant")] });
    return { id, sessions };
  }

  testInColumn("takes no question, so that the model is not asked in vain", async () => {
    const { id, sessions } = await full(7_200);
    const before = await sessions.get(id);
    const refused = startTurn(sessions, id, requestOf({ message: text("m2"), after: "a1" }));
    await expect(refused).rejects.toMatchObject({ code: "too_large" });
    expect(await sessions.get(id)).toEqual(before);
    // The application's own append may fill the session.
    await sessions.append(id, text("m2"));
  });

  test("takes one that makes room", async () => {
    const { id, sessions } = await full(7_200);
    const edit = { message: text("m1", "edited"), after: "a1", from: "m1" };
    const turn = await startTurn(sessions, id, requestOf(edit));
    expect(turn.messages.map(({ id }) => id)).toEqual(["m1"]);
  });

  testInColumn("and one that leaves room is answered, as far as there is", async () => {
    const { id, sessions } = await full(6_600);
    const turn = await startTurn(sessions, id, requestOf({ message: text("m2"), after: "a1" }), {
      onError: () => {},
    });
    const answer = text("", "word ".repeat(1_000), "assistant");
    const finished = turn.response.onFinish({
      responseMessage: answer,
      isAborted: false,
      finishReason: "stop",
    });
    await expect(finished).rejects.toMatchObject({ code: "too_large" });
    const stored = (await sessions.get(id))?.messages ?? [];
    expect(stored).toHaveLength(4);
    expect(stored[3]).toMatchObject({
      id: turn.response.generateMessageId(),
      metadata: { interrupted: "failed" },
      parts: [{ type: "text", text: expect.stringMatching(/^(word ){20}/) }],
    });
  });
});

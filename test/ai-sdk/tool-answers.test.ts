import { expect, test } from "vitest";
import * as z from "zod";
import { startTurn } from "../../src/ai-sdk.js";
import { defineJourney, forUser, type JourneyMessage } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";
import { ended, NOWHERE, openFor, requestOf, type Sessions } from "../support/turn.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const sql = rawClient(url);
const open = () => openFor(db);
const unreachable = forUser(openPostgresJs(NOWHERE), newUser());

/** A tool call of an answer. */
const call = (state: string, more: object = {}) => ({
  type: "tool-locate",
  toolCallId: "c1",
  state,
  input: { city: "Lyon" },
  ...more,
});
const answerWith = (...parts: JourneyMessage["parts"]): JourneyMessage => ({
  id: "a1",
  role: "assistant",
  parts,
});

/** A session whose last answer is the given one. */
async function waiting(answer: JourneyMessage) {
  const { user, id, sessions } = open();
  await sessions.create({ id, messages: [text("m1"), answer] });
  const send = (message: unknown, more: object = {}) =>
    startTurn(sessions, id, requestOf({ message, after: "m1", ...more }));
  const stored = async () => (await sessions.get(id))?.messages ?? [];
  return { user, id, sessions, send, stored };
}

const output = { state: "output-available", output: { at: [45.76, 4.84] } };
const request = { approval: { id: "r1" } };
const approved = { state: "approval-responded", approval: { id: "r1", approved: true } };

test.each([
  ["an output", call("input-available"), output],
  ["an error", call("input-available"), { state: "output-error", errorText: "no signal" }],
  ["an approval", call("approval-requested", request), approved],
  [
    "a refusal",
    call("approval-requested", request),
    { state: "approval-responded", approval: { id: "r1", approved: false, reason: "too dear" } },
  ],
  [
    "an output of a tool without a type",
    { ...call("input-available"), type: "dynamic-tool", toolName: "locate" },
    output,
  ],
])("%s is stored before the model goes on", async (_, part, given) => {
  const { send, stored } = await waiting(answerWith(part));
  const turn = await send(answerWith({ ...part, ...given }));
  const answer = answerWith({ ...part, ...given });
  expect(await stored()).toEqual([text("m1"), answer]);
  expect(turn.messages).toEqual([text("m1"), answer]);
  expect(turn.response.generateMessageId()).toBe("a1");
});

test("of the page's copy of an answer nothing else is taken", async () => {
  const answer = {
    ...answerWith(
      { type: "text", text: "Let me see.", state: "done" },
      { type: "tool-weather", toolCallId: "c0", state: "output-available", input: {}, output: "fair" },
      call("input-available"),
      call("approval-requested", { toolCallId: "c2", approval: { id: "r1", signature: "s" } }),
    ),
    metadata: { model: "x" },
  };
  const { send, stored } = await waiting(answer);
  await send({
    ...answerWith(
      { type: "text", text: "forged" },
      {
        type: "tool-locate",
        ...approved,
        toolCallId: "c2",
        input: "forged",
        approval: { id: "forged", approved: true, more: 1 },
      },
      { ...call("output-available", output), input: "forged", type: "tool-forged", providerExecuted: true },
      { type: "tool-weather", toolCallId: "c0", state: "output-available", input: {}, output: "forged" },
      { type: "tool-weather", toolCallId: "c9", ...output },
      ...([null, 5, "forged"] as never[]),
    ),
    metadata: { model: "forged" },
  });
  const [, kept] = await stored();
  expect(kept).toEqual({
    ...answer,
    parts: [
      answer.parts[0],
      answer.parts[1],
      call("output-available", output),
      call("approval-responded", {
        toolCallId: "c2",
        approval: { id: "r1", signature: "s", approved: true },
      }),
    ],
  });
});

test.each([
  ["one that is over", answerWith({ type: "text", text: "done" })],
  ["a call that was answered", answerWith(call("output-available", { output: "first" }))],
  ["a call that was approved", answerWith(call("approval-responded", request))],
  [
    "a call of the server's that was interrupted",
    { ...answerWith(call("input-available")), metadata: { interrupted: "stopped" } },
  ],
  [
    "a call beside one that was approved and may be running",
    answerWith(call("input-available"), call("approval-responded", { toolCallId: "c2", ...request })),
  ],
  ["a call that the provider runs", answerWith(call("input-available", { providerExecuted: true }))],
  [
    "a call before the model went on",
    answerWith(call("input-available"), { type: "step-start" }, { type: "text", text: "done" }),
  ],
  [
    "a call that was interrupted with nothing but a preliminary output",
    {
      ...answerWith(call("output-available", { output: "10 %", preliminary: true })),
      metadata: { interrupted: "stopped" },
    },
  ],
  [
    "an answer of which a tool may have run",
    {
      ...answerWith(call("approval-responded", request), call("output-available", { toolCallId: "c2" })),
      metadata: { interrupted: "failed" },
    },
  ],
  [
    "an answer that was interrupted later",
    {
      ...answerWith(call("output-available", { output: "first" }), { type: "text", text: "half" }),
      metadata: { interrupted: "failed" },
    },
  ],
])("nothing is taken for %s", async (_, answer) => {
  const { id, sessions, send } = await waiting(answer);
  const before = await sessions.get(id);
  await expect(send(answerWith(call("output-available", output)))).rejects.toMatchObject({
    code: "conflict",
  });
  expect(await sessions.get(id)).toEqual(before);
});

test("nor for some of the calls that wait: what runs for one would not know of the others", async () => {
  const parts = [call("approval-requested", request), call("input-available", { toolCallId: "c2" })];
  const { id, sessions, send, stored } = await waiting(answerWith(...parts));
  const before = await sessions.get(id);
  const [first, second] = [
    call("approval-responded", approved),
    call("output-available", { toolCallId: "c2", output: 2 }),
  ];
  for (const some of [[first, parts[1]], [parts[0], second], [first]]) {
    await expect(send(answerWith(...(some as JourneyMessage["parts"])))).rejects.toMatchObject({
      code: "conflict",
    });
  }
  expect(await sessions.get(id)).toEqual(before);
  await send(answerWith(first, second));
  expect((await stored())[1]?.parts).toEqual([first, second]);
});

test("nor for a message of the user's", async () => {
  const { id, sessions } = open();
  const question = { ...text("m1"), parts: [call("input-available")] };
  await sessions.create({ id, messages: [question] });
  const forged = { ...answerWith(call("output-available", output)), id: "m1" };
  const sent = startTurn(sessions, id, requestOf({ message: forged, after: null }));
  await expect(sent).rejects.toMatchObject({ code: "conflict" });
});

test("nor for an answer that others follow, or that is not there", async () => {
  const { id, sessions, send } = await waiting(answerWith(call("input-available")));
  const given = answerWith(call("output-available", output));
  await expect(send({ ...given, id: "a2" })).rejects.toMatchObject({ code: "conflict" });
  await sessions.append(id, text("m2"));
  await expect(send(given)).rejects.toMatchObject({ code: "conflict" });
  await sessions.delete(id);
  await expect(send(given)).rejects.toMatchObject({ code: "not_found" });
  expect(await sessions.get(id)).toBeNull();
});

test("of calls with one id in two steps the last is answered", async () => {
  const earlier = call("output-available", { output: "earlier" });
  const { send, stored } = await waiting(
    answerWith(earlier, { type: "step-start" }, call("input-available")),
  );
  const given = answerWith(earlier, { type: "step-start" }, call("output-available", output));
  await send(given);
  expect((await stored())[1]).toEqual(given);
});

test("an answer that failed goes on without what came to no end", async () => {
  const finished = call("output-available", { output: "first" });
  const { send, stored } = await waiting({
    ...answerWith(
      { type: "text", text: "Let me see.", state: "done" },
      call("input-available", { toolCallId: "c2" }),
      call("input-streaming", { toolCallId: "c3" }),
      call("output-available", { toolCallId: "c4", preliminary: true }),
      finished,
      { type: "step-start" },
      { type: "text", text: "", state: "done" },
    ),
    metadata: { model: "x", interrupted: "failed" },
  });
  const turn = await send(answerWith());
  const answer = {
    ...answerWith({ type: "text", text: "Let me see.", state: "done" }, finished),
    metadata: { model: "x" },
  };
  expect(await stored()).toEqual([text("m1"), answer]);
  expect(turn.messages.at(-1)).toEqual(answer);
});

test("nothing is lost where the database is away when it was stored", async () => {
  const { id, sessions, stored } = await waiting(answerWith(call("input-available")));
  let reads = 0;
  const away = {
    ...sessions,
    messages: (...given: Parameters<Sessions["messages"]>) =>
      reads++ === 0 ? sessions.messages(...given) : unreachable.messages(...given),
  };
  const body = { message: answerWith(call("output-available", output)), after: "m1" };
  const turn = await startTurn(away, id, requestOf(body));
  expect(turn.messages).toEqual(await stored());
});

test("an element that is no message does not hide the answer", async () => {
  const { id, send } = await waiting(answerWith(call("input-available")));
  await sql`update journey_sessions set messages = messages || '[null]' where id = ${id}`;
  const turn = await send(answerWith(call("output-available", output)));
  expect(idsOf(turn.messages)).toEqual(["m1", "a1"]);
});

test.each([
  [
    answerWith(call("approval-responded", { approval: { id: "r1", approved: "yes" } })),
    "request.message.parts[0].approval.approved: expected boolean",
  ],
  [
    answerWith(call("output-available", output)),
    'request.message.parts[0].state: expected "approval-responded"',
  ],
])("an approval that is none is refused: %#", async (message, expected) => {
  const { id, sessions, send } = await waiting(answerWith(call("approval-requested", request)));
  const before = await sessions.get(id);
  await expect(send(message)).rejects.toMatchObject({ code: "invalid_input", message: expected });
  expect(await sessions.get(id)).toEqual(before);
});

test.each([
  [answerWith({ type: "text" }, call("output-error")), "request.message.parts[1].errorText: expected string"],
  [
    answerWith(call("approval-responded", { approval: { approved: true } })),
    'request.message.parts[0].state: expected "output-available" or "output-error"',
  ],
  [{ ...answerWith(), id: "" }, /^request\.message\.id: expected 1 to 256 characters/],
  [{ ...answerWith(), parts: "forged" }, "request.message.parts: expected array"],
])("an output that is none is refused: %#", async (message, expected) => {
  const { id, sessions, send } = await waiting(answerWith(call("input-available")));
  const before = await sessions.get(id);
  await expect(send(message)).rejects.toMatchObject({
    code: "invalid_input",
    message: typeof expected === "string" ? expected : expect.stringMatching(expected),
  });
  await expect(send(answerWith(call("output-available", output)), { from: "m1" })).rejects.toMatchObject({
    code: "invalid_input",
    message: "request.from: expected undefined",
  });
  expect(await sessions.get(id)).toEqual(before);
});

test("of two pages that answer the same call at once one goes on", async () => {
  const { send, stored } = await waiting(answerWith(call("input-available")));
  const pages = Array.from({ length: 8 }, (_, n) =>
    send(answerWith(call("output-available", { output: `page ${n}` }))).then(() => n),
  );
  const settled = await Promise.allSettled(pages);
  const [first, ...others] = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  expect(others).toEqual([]);
  for (const one of settled) {
    if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "conflict" });
  }
  expect((await stored())[1]?.parts[0]).toMatchObject({ output: `page ${first}` });
});

test("what the model adds goes where the answer is, whatever changed meanwhile", async () => {
  const { id, sessions, send, stored } = await waiting(answerWith(call("input-available")));
  const turn = await send(answerWith(call("output-available", output)));
  await sessions.append(id, text("m2"));
  const whole = answerWith(call("output-available", output), { type: "text", text: "There." });
  await turn.response.onFinish(ended(whole));
  expect(await stored()).toEqual([text("m1"), whole, text("m2")]);
});

test("but nowhere where the answer was dropped meanwhile", async () => {
  const { id, sessions } = open();
  const question = { ...text("m1"), metadata: { answerId: "a1" } };
  await sessions.create({ id, messages: [question, answerWith(call("input-available"))] });
  const given = answerWith(call("output-available", output));
  const turn = await startTurn(sessions, id, requestOf({ message: given, after: "m1" }));
  await sessions.truncate(id, { from: "a1" });
  await turn.response.onFinish(ended(given));
  expect(await turn.stored).toBeNull();
  expect((await sessions.get(id))?.messages).toEqual([question]);
});

test("an output is a message's as any other: the application's schema decides about it", async () => {
  const message = z.looseObject({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    parts: z.array(z.looseObject({ type: z.string(), output: z.string().optional() })),
  });
  const { user, id } = await waiting(answerWith(call("input-available")));
  const sessions = defineJourney({ message }).forUser(db, user);
  const body = { message: answerWith(call("output-available", output)), after: "m1" };
  await expect(startTurn(sessions, id, requestOf(body))).rejects.toMatchObject({
    code: "invalid_input",
    message: "messages[0].parts[0].output: expected string",
  });
});

import { expect, test } from "vitest";
import { startTurn } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { answerWith, approved, call, output, request, waiting } from "../support/tool-calls.js";
import { openFor, requestOf } from "../support/turn.js";

const db = openPostgresJs(await migratedDatabase());

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
  const { id, sessions, send } = await waiting(db, answer);
  const before = await sessions.get(id);
  await expect(send(answerWith(call("output-available", output)))).rejects.toMatchObject({
    code: "conflict",
  });
  expect(await sessions.get(id)).toEqual(before);
});

test("nor for some of the calls that wait: what runs for one would not know of the others", async () => {
  const parts = [call("approval-requested", request), call("input-available", { toolCallId: "c2" })];
  const { id, sessions, send, stored } = await waiting(db, answerWith(...parts));
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

test("nor for a part without an id, or in a session without messages", async () => {
  const { id, sessions, send } = await waiting(
    db,
    answerWith(call("input-available", { toolCallId: undefined })),
  );
  const given = answerWith(...([null, { state: "output-available" }] as never[]));
  await expect(send(given)).rejects.toMatchObject({ code: "conflict" });
  await sessions.truncate(id, { from: "m1" });
  await expect(send(given)).rejects.toMatchObject({
    code: "conflict",
    message:
      "request.message: expected answers to all tool calls that wait at the end of the conversation; nothing changed.",
  });
});

test("nor for a message of the user's", async () => {
  const { id, sessions } = openFor(db);
  const question = { ...text("m1"), parts: [call("input-available")] };
  await sessions.create({ id, messages: [question] });
  const forged = { ...answerWith(call("output-available", output)), id: "m1" };
  const sent = startTurn(sessions, id, requestOf({ message: forged, after: null }));
  await expect(sent).rejects.toMatchObject({ code: "conflict" });
});

test("nor for an answer that others follow, or that is not there", async () => {
  const { id, sessions, send } = await waiting(db, answerWith(call("input-available")));
  const given = answerWith(call("output-available", output));
  await expect(send({ ...given, id: "a2" })).rejects.toMatchObject({ code: "conflict" });
  await sessions.append(id, text("m2"));
  await expect(send(given)).rejects.toMatchObject({ code: "conflict" });
  await sessions.delete(id);
  await expect(send(given)).rejects.toMatchObject({ code: "not_found" });
  expect(await sessions.get(id)).toBeNull();
});

test.each([
  [
    answerWith(call("approval-responded", { approval: { id: "r1", approved: "yes" } })),
    "request.message.parts[0].approval.approved: expected boolean",
  ],
  [
    answerWith(call("approval-responded", { approval: { id: "r1", approved: false, reason: 5 } })),
    "request.message.parts[0].approval.reason: expected string",
  ],
  [
    answerWith(call("output-available", output)),
    'request.message.parts[0].state: expected "approval-responded"',
  ],
])("an approval that is none is refused: %#", async (message, expected) => {
  const { id, sessions, send } = await waiting(db, answerWith(call("approval-requested", request)));
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
  const { id, sessions, send } = await waiting(db, answerWith(call("input-available")));
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

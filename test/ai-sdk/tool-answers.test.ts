import { expect, test } from "vitest";
import * as z from "zod";
import { startTurn } from "../../src/ai-sdk.js";
import { defineJourney, forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { testInColumn } from "../support/in-column.js";
import { idsOf, text } from "../support/messages.js";
import { answerWith, approved, call, output, request, waiting } from "../support/tool-calls.js";
import { ended, NOWHERE, openFor, requestOf, type Sessions } from "../support/turn.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const sql = rawClient(url);
const unreachable = forUser(openPostgresJs(NOWHERE), newUser());

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
  const { send, stored } = await waiting(db, answerWith(part));
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
  const { send, stored } = await waiting(db, answer);
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

test("the model gets as many of the newest messages as are asked for", async () => {
  const { id, sessions } = openFor(db);
  await sessions.create({
    id,
    messages: [text("m1"), text("m2"), text("m3"), answerWith(call("input-available"))],
  });
  const given = answerWith(call("output-available", output));
  const turn = await startTurn(sessions, id, requestOf({ message: given, after: "m3" }), { limit: 3 });
  expect(turn.messages).toEqual([text("m2"), text("m3"), given]);
});

test("of calls with one id in two steps the last is answered", async () => {
  const earlier = call("output-available", { output: "earlier" });
  const { send, stored } = await waiting(
    db,
    answerWith(earlier, { type: "step-start" }, call("input-available")),
  );
  const given = answerWith(earlier, { type: "step-start" }, call("output-available", output));
  await send(given);
  expect((await stored())[1]).toEqual(given);
});

test("an answer that failed goes on without what came to no end", async () => {
  const finished = call("output-available", { output: "first" });
  const { send, stored } = await waiting(db, {
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

test("nothing is lost if the database becomes unavailable after it was stored", async () => {
  const { id, sessions, stored } = await waiting(db, answerWith(call("input-available")));
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

testInColumn("an element that is no message does not hide the answer", async () => {
  const { id, send } = await waiting(db, answerWith(call("input-available")));
  await sql`update journey_sessions set messages = messages || '[null]' where id = ${id}`;
  const turn = await send(answerWith(call("output-available", output)));
  expect(idsOf(turn.messages)).toEqual(["m1", "a1"]);
});

test("of two pages that answer the same call at once one goes on", async () => {
  const { send, stored } = await waiting(db, answerWith(call("input-available")));
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

test("what the model adds is stored in the answer, whatever changed meanwhile", async () => {
  const { id, sessions, send, stored } = await waiting(db, answerWith(call("input-available")));
  const turn = await send(answerWith(call("output-available", output)));
  await sessions.append(id, text("m2"));
  const whole = answerWith(call("output-available", output), { type: "text", text: "There." });
  await turn.response.onFinish(ended(whole));
  expect(await stored()).toEqual([text("m1"), whole, text("m2")]);
});

test.each(["before", "after"] as const)(
  "but nowhere where the answer was dropped, %s a look",
  async (when) => {
    const { id, sessions } = openFor(db);
    const question = { ...text("m1"), metadata: { answerId: "a1" } };
    await sessions.create({ id, messages: [text("m0"), question, answerWith(call("input-available"))] });
    const drop = () => sessions.truncate(id, { from: "a1" });
    let looks = 0;
    const looking = {
      ...sessions,
      async get(...given: Parameters<Sessions["get"]>) {
        const session = await sessions.get(...given);
        if (looks++ === 0 && when === "after") await drop();
        return session;
      },
    };
    const given = answerWith(call("output-available", output));
    const turn = await startTurn(looking, id, requestOf({ message: given, after: "m1" }));
    if (when === "before") await drop();
    else await sessions.mergeMetadata(id, { title: "changed" });
    await turn.response.onFinish(ended(given));
    expect(await turn.stored).toBeNull();
    expect((await sessions.get(id))?.messages).toEqual([text("m0"), question]);
  },
);

test("an output is a message's as any other: the application's schema decides about it", async () => {
  const message = z.looseObject({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    parts: z.array(z.looseObject({ type: z.string(), output: z.string().optional() })),
  });
  const { user, id } = await waiting(db, answerWith(call("input-available")));
  const sessions = defineJourney({ message }).forUser(db, user);
  const body = { message: answerWith(call("output-available", output)), after: "m1" };
  await expect(startTurn(sessions, id, requestOf(body))).rejects.toMatchObject({
    code: "invalid_input",
    message: "messages[0].parts[0].output: expected string",
  });
});

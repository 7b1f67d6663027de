import { expect, test, vi } from "vitest";
import { turnsOf } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { text } from "../support/messages.js";
import { call } from "../support/tool-calls.js";

const output = call("output-available");
const approved = call("approval-responded");
const step = { type: "step-start" };
const said = { type: "text", text: "There." };

/** What retry does in a chat whose last answer has these parts: continue it, or ask again. */
async function retried(parts: JourneyMessage["parts"], state: { error?: Error; interrupted?: string }) {
  const metadata = state.interrupted ? { interrupted: state.interrupted } : undefined;
  const answer: JourneyMessage = { id: "a1", role: "assistant", parts, metadata };
  const chat = {
    messages: [text("m1"), answer],
    error: state.error,
    sendMessage: vi.fn(async () => {}),
    regenerate: vi.fn(async () => {}),
  };
  await turnsOf(chat).retry();
  if (chat.sendMessage.mock.calls.length === 0) {
    expect(chat.regenerate.mock.calls).toMatchObject([[{ messageId: "m1" }]]);
    return "anew";
  }
  expect(chat.sendMessage.mock.calls).toEqual([[undefined, { messageId: "a1" }]]);
  expect(chat.regenerate).not.toHaveBeenCalled();
  return "goes on";
}

test.each([
  ["goes on", "an output", [output]],
  ["goes on", "an error of a tool", [call("output-error")]],
  ["goes on", "a refused tool", [call("output-denied")]],
  ["goes on", "an approval", [approved]],
  ["goes on", "an output beside a text", [said, output, said]],
  ["goes on", "an output, and a step that has not begun", [output, step, { type: "text", text: "" }]],
  ["goes on", "outputs of a later step", [call("input-available"), step, output]],
  ["anew", "a call that still waits", [output, call("input-available", { toolCallId: "c2" })]],
  ["anew", "a preliminary output", [call("output-available", { preliminary: true })]],
  ["anew", "a text after the output", [output, step, said]],
  ["anew", "no call", [said]],
  ["anew", "nothing", [step]],
])("after an error in the page a retry %s: %s", async (how, _, parts) => {
  expect(await retried(parts, { error: new Error("failed") })).toBe(how);
});

test.each([
  ["goes on", "an output", [output]],
  ["goes on", "an error of a tool", [call("output-error")]],
  ["goes on", "a refused tool", [call("output-denied")]],
  ["goes on", "an output, and a step that has not begun", [output, step, { type: "text", text: "" }]],
  ["anew", "an approval, of which nothing came", [approved]],
  ["anew", "the same beside an output", [approved, output]],
  ["anew", "a preliminary output", [call("output-available", { preliminary: true })]],
  ["anew", "a text", [output, said]],
  ["anew", "nothing", [step]],
])("of an answer that was interrupted before a retry %s: %s", async (how, _, parts) => {
  expect(await retried(parts, { interrupted: "failed" })).toBe(how);
});

test("of a whole answer, or one that is not at its end elsewhere, it asks anew", async () => {
  expect(await retried([output], {})).toBe("anew");
});

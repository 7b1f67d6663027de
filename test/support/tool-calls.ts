import { startTurn } from "../../src/ai-sdk.js";
import type { Database, JourneyMessage } from "../../src/index.js";
import { text } from "./messages.js";
import { openFor, requestOf } from "./turn.js";

/** A tool call of an answer. */
export const call = (state: string, more: object = {}) => ({
  type: "tool-locate",
  toolCallId: "c1",
  state,
  input: { city: "Lyon" },
  ...more,
});

export const answerWith = (...parts: JourneyMessage["parts"]): JourneyMessage => ({
  id: "a1",
  role: "assistant",
  parts,
});

export const output = { state: "output-available", output: { at: [45.76, 4.84] } };
export const request = { approval: { id: "r1" } };
export const approved = { state: "approval-responded", approval: { id: "r1", approved: true } };

/** A session whose last answer is the given one. */
export async function waiting(db: Database, answer: JourneyMessage) {
  const { user, id, sessions } = openFor(db);
  await sessions.create({ id, messages: [text("m1"), answer] });
  const send = (message: unknown, more: object = {}) =>
    startTurn(sessions, id, requestOf({ message, after: "m1", ...more }));
  const stored = async () => (await sessions.get(id))?.messages ?? [];
  return { user, id, sessions, send, stored };
}

import type { JourneyMessage } from "../src/index.js";
import { randomNumbers, readPassages } from "./passages.js";

/** Messages of about 2 kB of prose, or answers that hold a tool's result of 40 kB of JSON. */
type Kind = "prose" | "tool";

/** Passages in a tool's result of 40 kB. */
const TOOL_PASSAGES = 18;
const ROWS_A_PASSAGE = 3;
const ALPHANUMERICS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Messages of the AI SDK. No text repeats within 1,000 kB, and no id ever. */
export interface Texts {
  /** A question and its answer. */
  turn(kind: Kind): [user: JourneyMessage, assistant: JourneyMessage];
  /** An answer of about 2 kB, from its first piece to all of it: all versions have one id. */
  growing(versions: number): JourneyMessage[];
  /** Questions and answers in turn. */
  conversation(messages: number, kind: Kind): JourneyMessage[];
  /** Messages of 40 kB of prose, up to the size. */
  ofSize(bytes: number): JourneyMessage[];
  /** The same texts in other messages. */
  again(messages: JourneyMessage[]): JourneyMessage[];
  /** A text of one sentence's length. */
  sentence(): string;
}

export function makeTexts(seed: number): Texts {
  const passages = readPassages(seed);
  const random = randomNumbers(seed + 1);
  let next = 0;
  const passage = () => passages[next++ % passages.length] as string;
  const id = (length: number) => {
    let text = "";
    while (text.length < length) text += ALPHANUMERICS[Math.floor(random() * ALPHANUMERICS.length)];
    return text;
  };

  const user = (text: string): JourneyMessage => ({
    id: id(16),
    role: "user",
    parts: [{ type: "text", text }],
  });

  let answers = 0;
  function answer(): JourneyMessage {
    const text = passage();
    // Every third has reasoning before the answer.
    const thought = answers++ % 3 === 0 ? text.length / 4 : 0;
    const reasoning = { type: "reasoning", text: text.slice(0, thought).toWellFormed(), state: "done" };
    const parts = [
      { type: "step-start" },
      ...(thought > 0 ? [reasoning] : []),
      { type: "text", text: text.slice(thought).toWellFormed(), state: "done" },
    ];
    return { id: id(16), role: "assistant", parts };
  }

  /** A search that found rows, then a sentence about them. */
  function toolAnswer(): JourneyMessage {
    const rows = Array.from({ length: TOOL_PASSAGES }, passage).flatMap((text) => {
      const length = Math.ceil(text.length / ROWS_A_PASSAGE);
      return Array.from({ length: ROWS_A_PASSAGE }, (_, n) => ({
        id: id(12),
        title: text.slice(n * length, n * length + 40).toWellFormed(),
        score: Number(random().toFixed(4)),
        snippet: text.slice(n * length + 40, (n + 1) * length).toWellFormed(),
      }));
    });
    const search = {
      type: "tool-search",
      toolCallId: `call_${id(24)}`,
      state: "output-available",
      input: { query: sentence(), limit: rows.length },
      output: { rows },
    };
    const parts = [
      { type: "step-start" },
      search,
      { type: "step-start" },
      { type: "text", text: sentence(), state: "done" },
    ];
    return { id: id(16), role: "assistant", parts };
  }

  function growing(versions: number): JourneyMessage[] {
    const text = passage();
    const answerId = id(16);
    return Array.from({ length: versions }, (_, n) => {
      const soFar = text.slice(0, Math.ceil((text.length * (n + 1)) / versions)).toWellFormed();
      const state = n + 1 < versions ? "streaming" : "done";
      return {
        id: answerId,
        role: "assistant",
        parts: [{ type: "step-start" }, { type: "text", text: soFar, state }],
      };
    });
  }

  const sentence = () => passage().slice(0, 100).toWellFormed();
  const question = () => user(passage());
  const answerOf = (kind: Kind) => (kind === "tool" ? toolAnswer() : answer());

  return {
    turn: (kind) => [question(), answerOf(kind)],
    growing,
    conversation: (messages, kind) =>
      Array.from({ length: messages }, (_, n) => (n % 2 === 0 ? question() : answerOf(kind))),
    ofSize(bytes) {
      if (bytes <= 2000) return [user(passage().slice(0, bytes).toWellFormed())];
      return Array.from({ length: Math.ceil(bytes / 40_000) }, () =>
        user(Array.from({ length: 20 }, passage).join("\n\n")),
      );
    },
    again: (messages) => messages.map((message) => ({ ...message, id: id(16) })),
    sentence,
  };
}

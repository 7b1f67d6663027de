import { describe, expect, test } from "vitest";
import { markInterrupted, titleOf } from "../../../src/ai-sdk.js";
import type { JourneyMessage } from "../../../src/index.js";
import { messageSchema, metadataSchema } from "../lib/schemas.js";
import { said } from "./support/rows.js";

const step = (n: number): JourneyMessage["parts"] => [
  { type: "step-start" },
  { type: "reasoning", text: "", state: "done", providerMetadata: { openai: { itemId: `rs_${n}` } } },
  { type: "tool-search", toolCallId: `${n}`, state: "output-available", input: { n }, output: [null] },
];

describe("the schema of messages", () => {
  test("takes an answer whatever it is made of, however many parts it has, and marked", () => {
    const parts = Array.from({ length: 34 }, (_, n) => step(n)).flat();
    expect(parts).toHaveLength(102);
    const answer: JourneyMessage = { id: "m2", role: "assistant", parts };
    for (const one of [answer, markInterrupted(answer, "stopped"), markInterrupted(answer, "failed")])
      expect(messageSchema.safeParse(one).error).toBeUndefined();
  });

  test("takes a user's message as startTurn stores it", () => {
    const question: JourneyMessage = {
      id: "m1",
      role: "user",
      parts: [{ type: "text", text: "x".repeat(50_000) }],
      metadata: { answerId: "m2" },
    };
    expect(messageSchema.safeParse(question).error).toBeUndefined();
  });
});

test.each([
  ["words", "word ".repeat(1000)],
  ["one word", "x".repeat(1000)],
  ["characters of many code units", "👩‍👩‍👧‍👦".repeat(100)],
  ["marks on one letter", `e${"\u0301".repeat(150)} ${"more ".repeat(99)}`],
  ["white space around one letter", "\u00a0\u3000x\u2029"],
])("a title made of a message is a title: %s", (_, text) => {
  const title = titleOf(said("user", "m1", text));
  expect(metadataSchema.safeParse({ title }).error).toBeUndefined();
});

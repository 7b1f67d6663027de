import { expect, test } from "vitest";
import { hasContent, interruption, markInterrupted, turnRequest } from "../../src/ai-sdk.js";
import { text } from "../support/messages.js";

test("a marked message says how it was interrupted, and its texts no longer stream", () => {
  const parts = [
    { type: "step-start" },
    { type: "reasoning", text: "whole", state: "done" },
    { type: "text", text: "half", state: "streaming" },
    { type: "tool-weather", toolCallId: "c1", state: "input-streaming", input: { city: "Ly" } },
  ];
  const message = { id: "a1", role: "assistant" as const, parts, metadata: { model: "x" } };
  const marked = markInterrupted(message, "failed");
  expect(interruption(marked)).toBe("failed");
  expect(marked).toEqual({
    ...message,
    metadata: { model: "x", interrupted: "failed" },
    parts: parts.map((part) => (part.state === "streaming" ? { ...part, state: "done" } : part)),
  });
  expect(message.metadata).toEqual({ model: "x" });
  expect(parts[2]).toMatchObject({ state: "streaming" });
});

test.each([[undefined], [null], [{}], [{ interrupted: true }], [{ interrupted: "other" }], ["stopped"]])(
  "a message with the metadata %j is whole",
  (metadata) => {
    expect(interruption({ metadata })).toBeUndefined();
  },
);

test.each([
  [[], false],
  [[{ type: "step-start" }, { type: "step-start" }], false],
  [[{ type: "step-start" }, { type: "text", text: "" }, { type: "reasoning", text: "" }], false],
  [[{ type: "step-start" }, { type: "text", text: " " }], true],
  [[{ type: "tool-weather" }], true],
])("of the parts %j something arrived: %j", (parts, is) => {
  expect(hasContent({ parts })).toBe(is);
});

test("a request carries the last message, the one before it that is stored, and what the application adds", () => {
  const empty = { ...text("a1", "", "assistant"), parts: [{ type: "step-start" }] };
  const messages = [text("m1"), empty, text("m2")];
  expect(turnRequest({ messages, body: { tone: "dry" } })).toEqual({
    body: { message: messages[2], after: "m1", tone: "dry" },
  });
  expect(turnRequest({ messages: messages.slice(0, 1), body: undefined })).toEqual({
    body: { message: messages[0], after: null },
  });
  expect(turnRequest({ messages: [], body: undefined })).toEqual({
    body: { message: undefined, after: null },
  });
});

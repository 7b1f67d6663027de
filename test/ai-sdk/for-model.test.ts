import { expect, test } from "vitest";
import { forModel } from "../../src/ai-sdk/for-model.js";
import type { JourneyMessage } from "../../src/index.js";

type Part = JourneyMessage["parts"][number];

const step = { type: "step-start" };
const openai = (itemId: string, more: object = {}) => ({ openai: { itemId, ...more } });
const thought = (id: string, more: object = {}): Part => ({
  type: "reasoning",
  text: "Hm.",
  state: "done",
  providerMetadata: openai(id, more),
});
const said = (text: string, id?: string): Part => ({
  type: "text",
  text,
  state: "done",
  ...(id && { providerMetadata: openai(id) }),
});
const call = (id: string, state: string, more: object = {}): Part => ({
  type: "tool-weather",
  toolCallId: id,
  state,
  input: {},
  ...(state.startsWith("output") && { output: 1 }),
  callProviderMetadata: openai(`fc_${id}`),
  ...more,
});
const withoutId = ({ callProviderMetadata: _, ...part }: Part): Part => ({
  ...part,
  callProviderMetadata: { openai: {} },
});
const signed: Part = {
  type: "reasoning",
  text: "Hm.",
  providerMetadata: { anthropic: { signature: "sig" } },
};
const whole = [step, thought("rs_1"), said("So.", "msg_1")];
const unnamed = { type: "text", text: "So.", state: "done", providerMetadata: { openai: {} } };
const done = call("c1", "output-available");
const web = call("ws_1", "output-available", { providerExecuted: true });

const sent = (parts: Part[], metadata: object = {}, goesOn = false) =>
  forModel<JourneyMessage>([{ id: "a1", role: "assistant", parts, metadata }], goesOn).flatMap(
    ({ parts }) => parts,
  );
const interrupted = { interrupted: "stopped" };

test.each<[string, Part[], Part[]]>([
  ["a whole answer", whole, whole],
  [
    "encrypted reasoning of a whole answer",
    [thought("rs_1", { reasoningEncryptedContent: "e" }), said("So.")],
    [thought("rs_1", { reasoningEncryptedContent: "e" }), said("So.")],
  ],
  ["reasoning alone", [step, thought("rs_1")], []],
  [
    "a file of reasoning alone",
    [step, { type: "reasoning-file", mediaType: "image/png", url: "data:," }],
    [],
  ],
  ["reasoning behind the text", [step, said("So."), thought("rs_1")], [step, said("So.")]],
  [
    "an empty text that the provider knows",
    [thought("rs_1"), said("", "msg_1")],
    [thought("rs_1"), said("", "msg_1")],
  ],
  ["a blank text", [said(" \n"), done], [done]],
  [
    "a call that never got a result, beside one that did",
    [step, thought("rs_1"), call("c0", "input-available"), done],
    [step, withoutId(done)],
  ],
  [
    "the same, of a provider that signs",
    [step, signed, call("c0", "input-available"), done],
    [step, signed, withoutId(done)],
  ],
  [
    "a preliminary output",
    [step, thought("rs_1"), call("c1", "output-available", { preliminary: true })],
    [],
  ],
  ["an approval of which nothing came", [call("c1", "approval-responded")], []],
  [
    "a call of the provider's own",
    [step, thought("rs_1"), web, said("So.", "msg_1")],
    [step, thought("rs_1"), web, said("So.", "msg_1")],
  ],
  [
    "a text that another program left open",
    [thought("rs_1"), { ...said("So", "msg_1"), state: "streaming" }],
    [{ ...unnamed, text: "So", state: "streaming" }],
  ],
  ["a note of the provider's", [step, { type: "custom", kind: "anthropic.message_start" }], []],
  [
    "a note that the provider knows",
    [{ type: "custom", kind: "openai.compaction", providerMetadata: openai("cmp_1") }],
    [{ type: "custom", kind: "openai.compaction", providerMetadata: openai("cmp_1") }],
  ],
  ["sources alone", [{ type: "source-url", sourceId: "s", url: "https://example.com" }], []],
  [
    "data alone, which the application may convert",
    [{ type: "data-chart", data: 1 }],
    [{ type: "data-chart", data: 1 }],
  ],
  [
    "metadata that is none",
    [{ ...said("So."), providerMetadata: "x" }],
    [{ ...said("So."), providerMetadata: "x" }],
  ],
])("of a whole answer: %s", (_, parts, expected) => {
  expect(sent(parts)).toEqual(expected);
});

test.each<[string, Part[], Part[]]>([
  ["a text", whole, [step, unnamed]],
  ["encrypted reasoning", [thought("rs_1", { reasoningEncryptedContent: "e" }), said("So.")], [said("So.")]],
  ["signed reasoning before a text", [signed, said("So.")], [signed, said("So.")]],
  ["a finished call", [step, thought("rs_1"), done], [step, withoutId(done)]],
  ["a call of the provider's own", [step, web, said("So.", "msg_1")], [step, unnamed]],
  [
    "a note of the provider's",
    [{ type: "custom", kind: "openai.compaction", providerMetadata: openai("cmp_1") }],
    [],
  ],
  [
    "an earlier step, which completed",
    [...whole, step, thought("rs_2"), said("And", "msg_2")],
    [...whole, step, { ...unnamed, text: "And" }],
  ],
  ["a step that has not begun", [...whole, step], [...whole, step]],
  ["data alone", [{ type: "data-chart", data: 1 }, step], []],
  ["the empty beginning of a text", [step, thought("rs_1"), said("", "msg_1")], []],
])("of an answer that was interrupted: %s", (_, parts, expected) => {
  expect(sent(parts, interrupted)).toEqual(expected);
});

test("of an answer that goes on, what was decided is sent, of its last step alone", () => {
  const decided = call("c1", "approval-responded");
  expect(sent([step, decided, step, decided], {}, true)).toEqual([step, step, decided]);
});

test("of AI SDK 4, data are not sent", () => {
  expect(sent([{ type: "data-custom", data: 1 }], { aiSdk4: { role: "data" } })).toEqual([]);
});

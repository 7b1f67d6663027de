/** A page that resumes a continued message makes the stored parts of these chunks. */
import { describe, expect, test } from "vitest";
import { partChunks } from "../../src/ai-sdk/part-chunks.js";
import type { JourneyMessage } from "../../src/index.js";
import { uiMessages } from "../support/messages.js";
import { SDK_VERSIONS } from "./support/ai-chat.js";
import { asJson, messageIn } from "./support/streams.js";

// biome-ignore lint/suspicious/noExplicitAny: parts of any kind
type Any = any;

const meta = { p: { itemId: "i1" } };
const call = { toolCallId: "c1", input: { city: "Lyon" } };
/** Parts as the AI SDK stores them, of a message that is complete so far. */
const PARTS: Record<string, Any> = {
  "step-start": { type: "step-start" },
  text: { type: "text", text: "So\n\ndata: x", state: "done" },
  "an empty text": { type: "text", text: "", state: "done" },
  "text of a provider": { type: "text", text: "So", providerMetadata: meta, state: "done" },
  reasoning: { type: "reasoning", id: "r", text: "Hm", providerMetadata: meta, state: "done" },
  "a tool's output": { type: "tool-weather", ...call, state: "output-available", output: { fair: true } },
  "an output of null": { type: "tool-weather", ...call, state: "output-available", output: null },
  "a tool's error": { type: "tool-weather", ...call, state: "output-error", errorText: "none" },
  "a call that waits": { type: "tool-weather", ...call, state: "input-available" },
  "a call of the provider's": {
    type: "tool-search",
    ...call,
    state: "output-available",
    output: [1],
    providerExecuted: true,
    callProviderMetadata: meta,
  },
  "a dynamic tool": {
    type: "dynamic-tool",
    toolName: "other-tool",
    ...call,
    state: "output-available",
    output: "x",
  },
  "a dynamic tool's error": {
    type: "dynamic-tool",
    toolName: "other",
    ...call,
    state: "output-error",
    errorText: "x",
  },
  "a source": {
    type: "source-url",
    sourceId: "s",
    url: "https://example.org/",
    title: "A",
    providerMetadata: meta,
  },
  "a document": {
    type: "source-document",
    sourceId: "s",
    mediaType: "text/plain",
    title: "A",
    filename: "a.txt",
  },
  "a file": { type: "file", mediaType: "text/plain", url: "data:text/plain;base64,aGk=" },
  data: { type: "data-note", data: ["a", null] },
  "data with an id": { type: "data-note", id: "d1", data: 1 },
};

describe.each(SDK_VERSIONS)("%s", (version) => {
  const rebuilt = async (parts: JourneyMessage["parts"]) => {
    const chunks = [{ type: "start", messageId: "a1" }, ...parts.flatMap((part, n) => partChunks(part, n))];
    const message = await messageIn(
      version,
      chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(""),
    );
    return asJson(message?.parts);
  };

  test.each(Object.entries(PARTS))("%s", async (_, part) => {
    // Beside others, so that none takes its place.
    const parts = [PARTS.text, part, PARTS.reasoning];
    expect(await rebuilt(parts)).toEqual(parts);
  });

  test("all of them, and a second text", async () => {
    const parts = Object.entries(PARTS)
      .filter(([name]) => !name.startsWith("a call that waits"))
      .map(([, part], n) => (part.toolCallId ? { ...part, toolCallId: `c${n}` } : part));
    expect(await rebuilt(parts)).toEqual(parts);
  });

  test("those of the fixture, apart from what is no chunk", async () => {
    for (const { role, parts } of uiMessages) {
      if (role !== "assistant") continue;
      const kept = await rebuilt(parts);
      const texts = (some: Any[]) => some.flatMap(({ type, text }) => (type === "text" ? [text] : []));
      expect(texts(kept as Any[])).toEqual(texts(parts));
    }
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAiSdk4 } from "../../src/ai-sdk/from-ai-sdk-4.js";
import { fromAiSdk4 } from "../../src/ai-sdk.js";
import { isMessage } from "../../src/messages.js";
import { anyElement, contentAlone, older, olderElement, withParts } from "../support/ai-sdk-4.js";
import { oddMessages, uiMessages } from "../support/messages.js";
import { SDK_VERSIONS } from "./support/ai-chat.js";
import { sentToModel } from "./support/sent-to-model.js";

const convert = (stored: unknown) => fromAiSdk4<unknown>(stored) as Record<string, unknown>;
const [question, answer, attached, called, data] = contentAlone;

describe("a message by content alone", () => {
  test("has its text as a part, and its time in the metadata", () => {
    expect(convert(question)).toEqual({
      id: "a1",
      role: "user",
      parts: [{ type: "text", text: question.content }],
    });
    expect(convert(answer)).toEqual({
      id: "a2",
      role: "assistant",
      metadata: { createdAt: answer.createdAt },
      parts: [{ type: "text", text: answer.content }],
    });
  });

  test("has its attachments as files, behind the text", () => {
    const file = {
      type: "file",
      mediaType: "image/png",
      filename: "chart.png",
      url: "data:image/png;base64,iVBORw0KGgo=",
    };
    expect(convert(attached)).toEqual({ id: "a3", role: "user", parts: [file] });
    expect(convert({ ...attached, content: "This?" }).parts).toEqual([{ type: "text", text: "This?" }, file]);
  });

  test("takes an attachment's type from its data where it names none, and leaves the ones that no version can read", () => {
    const attachments = [
      { url: "data:text/csv;base64,YQ==" },
      { url: "https://example.com/a", size: 3 },
      { url: "blob:https://example.com/1" },
      { url: "gs://bucket/a.png", contentType: "image/png" },
      { url: "data:image/png" },
      { name: "gone.png" },
      { url: "/uploads/a.png" },
      { url: "data:text/plain,hello!" },
      { url: "data:image/png;base64,iVBOR" },
      { url: "data:image/png;base64,iVBO=" },
      null,
    ];
    expect(convert({ ...question, experimental_attachments: attachments })).toEqual({
      id: "a1",
      role: "user",
      metadata: { aiSdk4: { experimental_attachments: attachments.slice(2) } },
      parts: [
        { type: "text", text: question.content },
        { type: "file", mediaType: "text/csv", url: "data:text/csv;base64,YQ==" },
        {
          type: "file",
          mediaType: "application/octet-stream",
          url: "https://example.com/a",
          aiSdk4: { size: 3 },
        },
      ],
    });
  });

  test("has its reasoning, its calls and its text in this order, in the steps that the calls name", () => {
    const call = (step: number | undefined, toolCallId: string, more: object) => ({
      ...{ step, toolCallId, toolName: "tides", args: { port: "Brest" } },
      ...more,
    });
    const stored = {
      ...{ id: "m1", role: "assistant", content: "At 21:40.", reasoning: "Look it up." },
      toolInvocations: [
        call(0, "c1", { state: "result", result: 1 }),
        call(0, "c2", { state: "result" }),
        call(1, "c3", { state: "call" }),
        call(2, "c4", { state: "partial-call", args: undefined }),
      ],
    };
    const tool = (toolCallId: string, more: object) => ({ type: "tool-tides", toolCallId, ...more });
    const input = { port: "Brest" };
    expect(convert(stored).parts).toEqual([
      { type: "reasoning", text: "Look it up." },
      tool("c1", { state: "output-available", input, output: 1, aiSdk4: { step: 0 } }),
      tool("c2", { state: "output-available", input, output: null, aiSdk4: { step: 0 } }),
      { type: "step-start" },
      tool("c3", { state: "input-available", input, aiSdk4: { step: 1 } }),
      { type: "step-start" },
      tool("c4", { state: "input-streaming", aiSdk4: { step: 2 } }),
      { type: "step-start" },
      { type: "text", text: "At 21:40." },
    ]);
    expect(convert(called).parts).toEqual([
      tool("call_1", { state: "output-available", input, output: { high: "21:40" }, aiSdk4: { step: 0 } }),
    ]);
  });

  test("a call that has a result is answered, whatever its state says", () => {
    const invocation = { state: "call", toolCallId: "c1", toolName: "invocation", result: null };
    expect(convert({ id: "m1", role: "assistant", toolInvocations: [invocation] })).toEqual({
      id: "m1",
      role: "assistant",
      parts: [
        {
          type: "tool-invocation",
          toolCallId: "c1",
          state: "output-available",
          input: {},
          output: null,
          aiSdk4: { state: "call" },
        },
      ],
    });
  });

  test("of the role data becomes a data part of the assistant, with its content where it has no data", () => {
    expect(convert(data)).toEqual({
      id: "a5",
      role: "assistant",
      metadata: { aiSdk4: { role: "data" } },
      parts: [{ type: "data-custom", data: { seen: true } }],
    });
    expect(convert({ id: "m1", role: "data", content: "seen", data: null }).parts).toEqual([
      { type: "data-custom", data: "seen" },
    ]);
    expect(convert({ id: "m1", role: "data", content: "seen", data: 0 })).toMatchObject({
      metadata: { aiSdk4: { role: "data", content: "seen" } },
      parts: [{ type: "data-custom", data: 0 }],
    });
    expect(convert({ id: "m1", role: "function", name: "tides", content: "21:40" })).toEqual({
      id: "m1",
      role: "assistant",
      metadata: { aiSdk4: { role: "function", name: "tides" } },
      parts: [{ type: "data-custom", data: "21:40" }],
    });
  });

  test("that says nothing keeps its place, with an empty text", () => {
    expect(convert({ id: "m1", role: "assistant", content: "" }).parts).toEqual([{ type: "text", text: "" }]);
  });

  test("whose content is a list has its texts as parts, and the list in the metadata where it holds more", () => {
    const texts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    expect(convert({ id: "m1", role: "user", content: texts })).toEqual({
      id: "m1",
      role: "user",
      parts: texts,
    });
    for (const content of [
      [...texts, { type: "image", image: "iVBORw0KGgo=" }],
      [...texts.slice(0, 1), { type: "text", text: "b", cached: true }],
    ]) {
      expect(convert({ id: "m1", role: "user", content })).toEqual({
        id: "m1",
        role: "user",
        metadata: { aiSdk4: { content } },
        parts: texts.slice(0, content.filter(({ type }) => type === "text").length),
      });
    }
  });
});

describe("a message with parts", () => {
  test("has each of version 4 converted in its place, and what they repeat is not kept twice", () => {
    const stored = {
      ...withParts[1],
      reasoning: "Look it up first.",
      toolInvocations: [withParts[1].parts[2].toolInvocation, withParts[1].parts[3].toolInvocation],
    };
    const converted = {
      id: "b2",
      role: "assistant",
      metadata: { createdAt: "2025-03-01T08:00:00.000Z" },
      parts: [
        { type: "step-start" },
        {
          type: "reasoning",
          text: "Look it up first.",
          providerMetadata: { anthropic: { signature: "sig1" } },
        },
        {
          type: "tool-tides",
          toolCallId: "call_2",
          state: "output-available",
          input: { port: "Brest" },
          output: { high: "22:15" },
          aiSdk4: { step: 0 },
        },
        { type: "tool-wind", toolCallId: "call_3", state: "input-available", input: {}, aiSdk4: { step: 1 } },
        { type: "source-url", sourceId: "s1", url: "https://example.com/tides", title: "Tides" },
        { type: "file", mediaType: "image/png", url: "data:image/png;base64,iVBORw0KGgo=" },
        { type: "text", text: "At 22:15." },
      ],
    };
    expect(convert(stored)).toEqual(converted);
    expect(convert(withParts[1])).toEqual(converted);
  });

  test("whose part and call have a key of one name keeps both", () => {
    const toolInvocation = {
      state: "call",
      toolCallId: "c1",
      toolName: "t",
      args: {},
      step: 1,
      note: "call",
    };
    const [part] = convert({
      id: "m1",
      role: "assistant",
      parts: [{ type: "tool-invocation", toolInvocation, note: "part" }],
    }).parts as unknown[];
    expect(part).toMatchObject({ aiSdk4: { note: "part", toolInvocation: { step: 1, note: "call" } } });
  });

  test("of which later versions read all is the same object, its content beside the parts too", () => {
    expect(fromAiSdk4(withParts[0])).toBe(withParts[0]);
  });

  test("keeps parts of later versions, and what they do not repeat of the fields beside them", () => {
    const text = { type: "text", text: "Hello" };
    const tool = { type: "tool-tides", toolCallId: "c1", state: "output-available", input: {}, output: 1 };
    const stored = {
      ...{
        id: "m1",
        role: "assistant",
        content: "Good morning",
        reasoning: "Greet.",
        annotations: [{ a: 1 }],
      },
      metadata: { model: "m", createdAt: 7 },
      createdAt: "2025-03-01T08:00:00.000Z",
      toolInvocations: [
        { state: "result", toolCallId: "c1", toolName: "tides", args: {}, result: 1 },
        { state: "result", toolCallId: "c1", toolName: "tides", args: {}, result: 2 },
      ],
      experimental_attachments: [{ url: "https://example.com/a", contentType: "text/plain" }],
      ui: { loading: true },
      parts: [text, tool, { type: "source", source: { url: 7 } }, null],
    };
    expect(convert(stored)).toEqual({
      id: "m1",
      role: "assistant",
      metadata: {
        model: "m",
        createdAt: 7,
        annotations: [{ a: 1 }],
        aiSdk4: {
          createdAt: "2025-03-01T08:00:00.000Z",
          content: "Good morning",
          reasoning: "Greet.",
          toolInvocations: [stored.toolInvocations[1]],
          ui: { loading: true },
          parts: stored.parts.slice(2),
        },
      },
      parts: [text, tool, { type: "file", mediaType: "text/plain", url: "https://example.com/a" }],
    });
  });

  test("none of which can be converted has its content instead", () => {
    const parts = [{ type: "tool-invocation", toolInvocation: { toolName: "t" } }];
    expect(convert({ id: "m1", role: "assistant", content: "Hello", parts })).toEqual({
      id: "m1",
      role: "assistant",
      metadata: { aiSdk4: { parts } },
      parts: [{ type: "text", text: "Hello" }],
    });
  });

  test("has a part of reasoning for each detail that was signed or redacted", () => {
    const reasoning = (fields: object) =>
      convert({ id: "m1", role: "assistant", parts: [{ type: "reasoning", ...fields }] });
    const details = [
      { type: "text", text: "One. ", signature: "s1" },
      { type: "redacted", data: "xyz" },
      { type: "text", text: "Two." },
      { type: "image" },
    ];
    expect(reasoning({ reasoning: "One. Two.", details }).parts).toEqual([
      {
        type: "reasoning",
        text: "One. ",
        providerMetadata: { anthropic: { signature: "s1" } },
        aiSdk4: { details: [{ type: "image" }] },
      },
      { type: "reasoning", text: "", providerMetadata: { anthropic: { redactedData: "xyz" } } },
      { type: "reasoning", text: "Two." },
    ]);
    expect(reasoning({ reasoning: "Other", details }).parts).toMatchObject([
      { text: "One. ", aiSdk4: { reasoning: "Other" } },
      {},
      {},
    ]);
    expect(
      reasoning({ note: 1, reasoning: "One.", details: [{ type: "text", text: "One.", note: 2, more: 3 }] })
        .parts,
    ).toEqual([{ type: "reasoning", text: "One.", aiSdk4: { note: 1, detail: { note: 2, more: 3 } } }]);
    const named = {
      note: 1,
      detail: 2,
      reasoning: "One.",
      details: [{ type: "text", text: "One.", note: 3 }],
    };
    expect(reasoning(named).parts).toMatchObject([{ aiSdk4: { note: 1, detail: 2, detail_: { note: 3 } } }]);
    expect(reasoning({ reasoning: "Alone" }).parts).toEqual([{ type: "reasoning", text: "Alone" }]);
    expect(
      reasoning({ reasoning: "Seen", details: [{ type: "redacted", data: "xyz" }] }).parts,
    ).toMatchObject([
      { text: "Seen" },
      { text: "", providerMetadata: { anthropic: { redactedData: "xyz" } } },
    ]);
  });

  test("without any mark of a step has them where version 4 began one", () => {
    const call = (toolCallId: string, step?: number) => ({
      type: "tool-invocation",
      toolInvocation: { state: "result", toolCallId, toolName: "t", step, args: {}, result: 1 },
    });
    const text = { type: "text", text: "x" };
    const types = (role: string, ...parts: object[]) =>
      (convert({ id: "m1", role, parts }).parts as { type: string }[]).map(({ type }) => type);
    expect(types("assistant", text, call("c1"), call("c2", 0), call("c3", 1), text, text)).toEqual([
      ...["text", "tool-t", "tool-t", "step-start", "tool-t", "step-start", "text", "text"],
    ]);
    expect(types("assistant", call("c1"), { type: "step-start" }, text)).toEqual([
      "tool-t",
      "step-start",
      "text",
    ]);
  });

  test("a file's data may be a URL, and a file without data is kept beside the parts", () => {
    const file = (fields: object) => ({ type: "file", ...fields });
    const parts = [
      file({ mimeType: "image/png", data: "https://example.com/a.png" }),
      file({ mimeType: "text/plain", data: "data:text/plain;base64,YQ==", filename: "a.txt", pages: 2 }),
      file({ mimeType: "image/png" }),
    ];
    expect(convert({ id: "m1", role: "user", parts })).toEqual({
      id: "m1",
      role: "user",
      metadata: { aiSdk4: { parts: [parts[2]] } },
      parts: [
        file({ mediaType: "image/png", url: "https://example.com/a.png" }),
        file({
          mediaType: "text/plain",
          filename: "a.txt",
          url: "data:text/plain;base64,YQ==",
          aiSdk4: { pages: 2 },
        }),
      ],
    });
  });
});

describe("the id", () => {
  test("is made of the content where there is none that can be used, the same each time, and the old one is kept", () => {
    const ids = [undefined, null, 7, "", "x".repeat(257), "a\0"].map((id) => {
      const converted = convert({ id, role: "user", content: "Hello" });
      expect(converted.id).toMatch(/^ai-sdk-4-[0-9a-f]{16}$/);
      expect(convert({ content: "Hello", role: "user", id }).id).toBe(converted.id);
      const kept = (converted.metadata as { aiSdk4?: { id?: unknown } } | undefined)?.aiSdk4?.id;
      expect(kept ?? undefined).toBe(id ?? undefined);
      return converted.id;
    });
    expect(new Set(ids).size).toBe(ids.length);
    expect(convert({ role: "user", content: "Bye" }).id).not.toBe(
      convert({ role: "user", content: "Hi" }).id,
    );
  });
});

describe("what is no message of version 4", () => {
  test.each([
    null,
    7,
    "text",
    [],
    [{ role: "data", content: "x" }],
    {},
    { id: "old" },
    { content: "Hello" },
    { role: "robot", content: "Hello" },
    { id: "m1", role: "user", parts: [] },
    { id: "m1", role: "user", content: 7 },
    { role: "data" },
    {
      id: "m1",
      role: "user",
      parts: [{ type: "tool-invocation", toolCallId: "c1", state: "input-available" }],
    },
  ])("is returned as it is: %j", (stored) => {
    expect(fromAiSdk4(stored)).toBe(stored);
  });

  test("is each message of later versions", () => {
    for (const message of uiMessages) expect(fromAiSdk4(message)).toBe(message);
    const converted = oddMessages.filter(({ message }) => fromAiSdk4(message) !== message);
    expect(converted.map(({ why }) => why)).toEqual([
      "AI SDK 4 message: content, no parts",
      "AI SDK 4 file part",
    ]);
  });
});

/** All texts of a value, apart from the words of the format. */
function said(value: unknown, key = ""): (string | number)[] {
  if (typeof value === "number") return [value];
  if (typeof value === "string") return ["type", "state", "sourceType", "role"].includes(key) ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => said(item, Array.isArray(value) ? key : name));
}

const within = (text: string | number) => JSON.stringify(text).replace(/^"|"$/g, "");

describe("of any JSON", () => {
  test("nothing is thrown, nothing given is changed, and converting twice is converting once", () => {
    fc.assert(
      fc.property(anyElement, (stored) => {
        const before = JSON.stringify(stored);
        const converted = fromAiSdk4(stored);
        expect(JSON.stringify(stored)).toBe(before);
        expect(fromAiSdk4(converted)).toBe(converted);
        expect(isAiSdk4(stored)).toBe(converted !== stored);
        if (converted !== stored) expect(isMessage(converted)).toBe(true);
      }),
      { numRuns: 4000 },
    );
  });

  test("nothing that was said is dropped", () => {
    fc.assert(
      fc.property(olderElement, (stored) => {
        const converted = JSON.stringify(fromAiSdk4<unknown>(stored));
        for (const one of said(stored)) expect(converted).toContain(within(one));
      }),
      { numRuns: 4000 },
    );
  });

  test("depth is no matter", () => {
    let deep: unknown = [];
    for (let n = 0; n < 100_000; n++) deep = [deep];
    const stored = {
      ...{ role: "assistant", content: "x" },
      toolInvocations: [{ state: "result", toolCallId: "c", toolName: "t", args: deep, result: deep }],
    };
    expect(convert(stored).parts).toHaveLength(3);
    const parts = [{ type: "tool-invocation", toolInvocation: stored.toolInvocations[0] }];
    expect(convert({ ...stored, parts })).not.toHaveProperty("metadata.aiSdk4.toolInvocations");
  });

  test("a key that means something to JavaScript stays a key", () => {
    const stored = JSON.parse('{"role":"user","content":"x","id":"m1","__proto__":{"a":1},"constructor":2}');
    const { aiSdk4 } = convert(stored).metadata as { aiSdk4: object };
    expect(JSON.stringify(aiSdk4)).toBe('{"__proto__":{"a":1},"constructor":2}');
  });
});

describe.each(SDK_VERSIONS)("with %s", (version) => {
  test("a converted conversation is sent to the model, with all that it said", async () => {
    const sent = await sentToModel(version, [...contentAlone, ...withParts].map(convert));
    const told = JSON.stringify(sent);
    for (const one of [
      question.content,
      answer.content,
      "call_1",
      "21:40",
      "call_2",
      "22:15",
      "At 22:15.",
      "sig1",
    ])
      expect(told).toContain(one);
    expect(sent.flatMap(({ content }) => content).filter(({ type }) => type === "file")).toHaveLength(2);
  });

  test("and would be refused as it was stored", async () => {
    for (const message of older) await expect(sentToModel(version, [message])).rejects.toThrow();
  });

  test("the results of a step come before what was said after it", async () => {
    const stored = {
      ...called,
      content: "At 21:40.",
      toolInvocations: [
        ...called.toolInvocations,
        { state: "result", step: 1, toolCallId: "c2", toolName: "tides", args: {}, result: 1 },
      ],
    };
    const sent = await sentToModel(version, [question, stored].map(convert));
    expect(sent.map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "tool",
      "assistant",
    ]);
  });

  test("any message of version 4 is accepted once it is converted, whole or damaged", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(olderElement, async (stored) => {
        fc.pre(isAiSdk4(stored));
        await sentToModel(version, [
          { id: "m0", role: "user", parts: [{ type: "text", text: "x" }] },
          convert(stored),
        ]);
      }),
      { numRuns: 400 },
    );
  });
});

import { describe, expect, test } from "vitest";
import * as z from "zod";
import { interruption } from "../../src/ai-sdk.js";
import { defineJourney, type JourneyMessage } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { openApplication, SDK_VERSIONS, wordsOf } from "./support/ai-chat.js";

const db = openPostgresJs(await migratedDatabase());

/** An array in an array, and so on. */
const nested = (levels: number): unknown => {
  let value: unknown = "core";
  for (let level = 0; level < levels; level++) value = [value];
  return value;
};

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}
const cycle: { self?: unknown } = {};
cycle.self = cycle;

/** Values that JSON changes. The page receives the JSON. */
const CHANGED: [string, unknown][] = [
  ["NaN", { average: 0 / 0 }],
  ["Infinity", { most: Number.POSITIVE_INFINITY }],
  ["a Map", new Map([["a", 1]])],
  ["a Set in an object", { seen: new Set([1]) }],
  ["an instance of a class", new Point(1, 2)],
  ["an Error", { reason: new Error("none") }],
  ["a Uint8Array", new Uint8Array([1, 2])],
  ["a RegExp", { pattern: /a/ }],
  ["a function", { run: () => 1, kept: 1 }],
  ["a symbol", { mark: Symbol("m"), [Symbol("key")]: 1, kept: 1 }],
  ["undefined in an array", [1, undefined]],
  ["a Date that is none", { at: new Date(Number.NaN) }],
  ["what toJSON makes", { toJSON: () => ({ made: true }) }],
  ["600 levels", nested(600)],
  ["text that jsonb cannot hold", { text: "a\0b\ud800" }],
];

/** Values that JSON cannot express: they break the stream. */
const BREAKING: [string, unknown][] = [
  ["a BigInt", { large: 1n }],
  ["a cycle", cycle],
  [
    "a toJSON that throws",
    {
      toJSON() {
        throw new Error("unreadable");
      },
    },
  ],
];

const storable = (json: string) => JSON.parse(json.replace(/\\u0000|\\ud800/g, "\ufffd"));

describe.each(SDK_VERSIONS)("with %s", (version) => {
  const toolThatGives = (value: unknown) => ({
    weather: { inputSchema: z.object({ city: z.string() }), execute: async () => value },
  });

  /** The second turn. */
  async function goOn(
    chat: ReturnType<typeof openApplication>,
    page: { sendMessage(message: object): Promise<void> },
  ) {
    const asked = chat.prompts.length;
    const sent = page.sendMessage({ text: "two" });
    (await chat.reply(asked)).says("second");
    await sent;
    await chat.stored(1);
  }

  test.each(CHANGED)("an answer with a tool's output is stored as its page got it: %s", async (_, value) => {
    const chat = openApplication(db, version, { tools: toolThatGives(value) });
    const page = await chat.openPage();
    const sent = page.sendMessage({ text: "one" });
    (await chat.reply(0)).call("weather");
    (await chat.reply(1)).says("done");
    await sent;
    expect(await chat.stored(0)).toMatchObject({ messageCount: 2 });
    const [, answer] = await chat.storedMessages();
    expect(answer?.parts).toEqual(storable(JSON.stringify(page.messages[1].parts)));
    expect(interruption(answer as JourneyMessage)).toBeUndefined();
    await goOn(chat, page);
    expect(await chat.conversation()).toEqual(["one", "done", "two", "second"]);
  });

  test.each(BREAKING)(
    "of one that breaks the stream, what arrived before is stored and marked: %s",
    async (_, value) => {
      const chat = openApplication(db, version, { tools: toolThatGives(value) });
      const page = await chat.openPage();
      const sent = page.sendMessage({ text: "one" });
      const reply = await chat.reply(0);
      reply.part("before");
      reply.call("weather");
      await sent;
      await chat.stored(0);
      const [, answer] = await chat.storedMessages();
      expect(wordsOf(answer as JourneyMessage)).toBe("before");
      expect(interruption(answer as JourneyMessage)).toBe("failed");
      expect(answer?.parts.find(({ type }) => type === "tool-weather")).toMatchObject({
        state: "input-available",
      });
      await goOn(chat, page);
      expect(await chat.conversation()).toEqual(["one", "before", "two", "second"]);
    },
  );

  test.each(CHANGED)("so is metadata of a message: %s", async (_, value) => {
    const chat = openApplication(db, version, {
      respond: (_ai, result, response) =>
        result.toUIMessageStreamResponse({
          ...response,
          messageMetadata: ({ part }: { part: { type: string } }) =>
            part.type === "finish" ? { value } : undefined,
        }),
    });
    const page = await chat.openPage();
    await chat.answered(0, page.sendMessage({ text: "one" }), "first");
    const [, answer] = await chat.storedMessages();
    expect(answer?.metadata).toEqual(storable(JSON.stringify(page.messages[1].metadata)));
    expect(wordsOf(answer as JourneyMessage)).toBe("first");
  });

  test("metadata that breaks the stream at its end costs nothing else", async () => {
    const chat = openApplication(db, version, {
      respond: (_ai, result, response) =>
        result.toUIMessageStreamResponse({
          ...response,
          messageMetadata: ({ part }: { part: { type: string } }) =>
            part.type === "finish" ? { large: 1n, model: "m" } : undefined,
        }),
    });
    const page = await chat.openPage();
    await chat.answered(0, page.sendMessage({ text: "one" }), "first");
    const [, answer] = await chat.storedMessages();
    expect(wordsOf(answer as JourneyMessage)).toBe("first");
    expect(answer?.metadata).toMatchObject({ model: "m" });
  });

  test.each(CHANGED)("and so are data parts: %s", async (_, value) => {
    const chat = openApplication(db, version, {
      respond: (ai, result, response) =>
        ai.createUIMessageStreamResponse({
          stream: ai.createUIMessageStream({
            ...response,
            generateId: response.generateMessageId,
            execute: ({
              writer,
            }: {
              writer: { write(part: object): void; merge(stream: unknown): void };
            }) => {
              writer.write({ type: "data-chart", data: value });
              writer.merge(result.toUIMessageStream({ sendStart: false }));
            },
          }),
          consumeSseStream: response.consumeSseStream,
        }),
    });
    const page = await chat.openPage();
    await chat.answered(0, page.sendMessage({ text: "one" }), "first");
    const [, answer] = await chat.storedMessages();
    expect(answer?.parts).toEqual(storable(JSON.stringify(page.messages[1].parts)));
    expect(answer?.parts[0]).toMatchObject({ type: "data-chart" });
  });

  test("an answer that the application's schema refuses is kept as far as it does not, marked, and told of", async () => {
    const message = z.looseObject({ id: z.string(), role: z.string(), parts: z.array(z.any()).max(4) });
    const journey = defineJourney({ message: message as unknown as z.ZodType<unknown, JourneyMessage> });
    const chat = openApplication(db, version, { sessions: (user) => journey.forUser(db, user) });
    const page = await chat.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await chat.reply(0);
    for (const n of [1, 2, 3, 4, 5, 6, 7]) reply.part(`${n}`);
    reply.says("8");
    await sent;
    await expect(chat.stored(0)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(
        /^Part of the answer is stored, marked as failed\. messages\[0\]\.parts: /,
      ),
    });
    expect(page.status).toBe("error");
    const [, answer] = await chat.storedMessages();
    expect(interruption(answer as JourneyMessage)).toBe("failed");
    expect("12345678".startsWith(wordsOf(answer as JourneyMessage))).toBe(true);
    expect(wordsOf(answer as JourneyMessage).length).toBeGreaterThan(0);
    await chat.answered(1, page.turns.retry(), "first");
    expect(await chat.conversation()).toEqual(["one", "first"]);
  });

  test("so is one that exceeds the limit: of a text, of many parts, of a large output", async () => {
    const journey = defineJourney({ maxSessionBytes: 20_000 });
    for (const kind of ["a text", "many parts", "an output"]) {
      const chat = openApplication(db, version, {
        sessions: (user) => journey.forUser(db, user),
        tools: toolThatGives("x".repeat(30_000)),
      });
      const page = await chat.openPage();
      const sent = page.sendMessage({ text: "one" });
      const reply = await chat.reply(0);
      if (kind === "a text") reply.says("word ".repeat(6_000));
      if (kind === "many parts") {
        for (let n = 0; n < 60; n++) reply.part("word ".repeat(100));
        reply.says("last");
      }
      if (kind === "an output") {
        reply.call("weather");
        (await chat.reply(1)).says("last");
      }
      await sent;
      await expect(chat.stored(0)).rejects.toMatchObject({ code: "too_large" });
      const [, answer] = await chat.storedMessages();
      expect([kind, interruption(answer as JourneyMessage)]).toEqual([kind, "failed"]);
      const words = wordsOf(page.messages[1]);
      expect(words.startsWith(wordsOf(answer as JourneyMessage))).toBe(true);
    }
  });
});

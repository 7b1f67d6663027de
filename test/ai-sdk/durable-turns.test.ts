/** Replies that survive a reload, a second tab and Stop, in each version of the AI SDK. */
import { describe, expect, test, vi } from "vitest";
import { interruption, resumeTurn, stopTurn, watchResponse } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { durableDatabase, newUser, openConnected, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { durableFor } from "../support/replies.js";
import { requestOf } from "../support/turn.js";
import { openApplication, SDK_VERSIONS, wordsOf } from "./support/ai-chat.js";
import { asJson, chunksIn, messageIn, reader, requestFor } from "./support/streams.js";

// biome-ignore lint/suspicious/noExplicitAny: as in ai-chat.ts
type Any = any;

const url = await durableDatabase();
const db = await openConnected(url);
const client = rawClient(url);
const durable = (version: string, own: object = {}) =>
  openApplication(db, version, { durable: true, ...own });
type Chat = ReturnType<typeof durable>;

/** What is left in the tables of a session's reply. */
const leftOf = async (id: string) => {
  const [row] = await client`
    select (select count(*)::int from journey_replies where session_id = ${id}) as replies,
      (select count(*)::int from journey_reply_chunks where session_id = ${id}) as chunks`;
  return row;
};

/** Until the reply has this many batches. */
const batches = (chat: Chat, count: number) =>
  vi.waitUntil(async () => ((await chat.sessions().replies.read(chat.id))?.batches ?? 0) >= count, {
    timeout: 30_000,
    interval: 10,
  });

/** Until everything that the model has said is written. */
const written = (chat: Chat, words: string) =>
  vi.waitUntil(async () => (await chat.sessions().replies.read(chat.id))?.chunks.includes(words), {
    timeout: 30_000,
    interval: 10,
  });

/** A page that has asked, and what it shows is of no interest: the stream is what counts. */
async function asked(chat: Chat, words = "Hello") {
  const page = await chat.openPage();
  const sent = page.sendMessage({ text: words });
  return { page, sent, reply: await chat.reply(0) };
}

describe.each(SDK_VERSIONS)("%s", (version) => {
  test("a resumed stream is the first one's, from its beginning, at any moment, for any number of readers", async () => {
    const chat = durable(version);
    const { sessions, id } = chat;
    const first = await chat.handle(await questionOf(chat));
    const live = reader(first);
    const reply = await chat.reply(0);
    reply.begin();
    const readers = [];
    for (const word of ["Once ", "upon ", "a ", "time 😀\n\n"]) {
      reply.words(word);
      await written(chat, JSON.stringify(word).slice(1, -1));
      readers.push(reader(await chat.resume()));
      // One that reads no more, and one that is gone.
      await chat.resume();
      await reader(await resumeTurn(sessions(), id, requestFor())).cancel();
    }
    const [one] = readers;
    await one?.until("upon ");
    reply.end();
    const whole = await live.rest();
    expect(whole).toMatch(/data: \[DONE\]\n\n$/);
    for (const each of readers) expect(await each.rest()).toBe(whole);
    await chat.stored(0);
    expect(await chat.conversation()).toEqual(["Hello", "Once upon a time 😀\n\n"]);
    expect((await chat.resume()).status).toBe(204);
  });

  test("a page that was reloaded shows the reply once, under its id, and goes on to its end", async () => {
    const chat = durable(version);
    const { page, sent, reply } = await asked(chat);
    reply.begin();
    reply.words("Once ");
    await written(chat, "Once ");
    const other = await chat.openPage();
    const resuming = other.resumeStream();
    await vi.waitUntil(() => wordsOf(other.messages[1] ?? { parts: [] }) === "Once ", { timeout: 30_000 });
    reply.words("upon");
    await vi.waitUntil(() => wordsOf(other.messages[1]) === "Once upon", { timeout: 30_000 });
    reply.end();
    await Promise.all([sent, resuming]);
    await chat.stored(0);
    const stored = await chat.storedMessages();
    expect(stored).toHaveLength(2);
    for (const shown of [page.messages, other.messages]) {
      expect(shown.map(({ id }: JourneyMessage) => id)).toEqual(stored.map(({ id }) => id));
      expect(shown.map(wordsOf)).toEqual(["Hello", "Once upon"]);
    }
    // With nothing to resume, nothing changes.
    await other.resumeStream();
    expect(other.status).toBe("ready");
    // The other page sends the next message, without a reload.
    const next = other.sendMessage({ text: "More" });
    await chat.answered(1, next, "Of course.");
    expect(await chat.conversation()).toEqual(["Hello", "Once upon", "More", "Of course."]);
  });

  test("the browser that leaves does not end the reply", async () => {
    const chat = durable(version);
    const { page, sent, reply } = await asked(chat);
    reply.begin();
    reply.words("Once ");
    await page.stop();
    await sent;
    reply.words("upon");
    reply.end();
    await chat.stored(0);
    const [, answer] = await chat.storedMessages();
    expect(wordsOf(answer as JourneyMessage)).toBe("Once upon");
    expect(interruption(answer as JourneyMessage)).toBeUndefined();
  });

  describe("the message that a page makes of a resumed stream is the stored one", () => {
    /** What an application may write into a stream: parts of every kind. */
    const ALL: Any[] = [
      { type: "start-step" },
      { type: "reasoning-start", id: "r", providerMetadata: { p: { itemId: "rs_1" } } },
      { type: "reasoning-delta", id: "r", delta: "Hm" },
      { type: "reasoning-delta", id: "r", delta: "…" },
      { type: "reasoning-end", id: "r", providerMetadata: { p: { itemId: "rs_1", more: 1 } } },
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "So\n\ndata: [DONE]" },
      { type: "text-delta", id: "t", delta: " it is" },
      { type: "text-end", id: "t", providerMetadata: { p: { itemId: "msg_1" } } },
      { type: "tool-input-start", toolCallId: "c1", toolName: "weather" },
      { type: "tool-input-delta", toolCallId: "c1", inputTextDelta: '{"city":' },
      { type: "tool-input-delta", toolCallId: "c1", inputTextDelta: '"Lyon"}' },
      {
        type: "tool-input-available",
        toolCallId: "c1",
        toolName: "weather",
        input: { city: "Lyon" },
        providerMetadata: { p: { itemId: "fc_1" } },
      },
      { type: "tool-output-available", toolCallId: "c1", output: { fair: true } },
      { type: "tool-input-available", toolCallId: "c2", toolName: "other", input: {}, dynamic: true },
      { type: "tool-output-error", toolCallId: "c2", errorText: "none", dynamic: true },
      {
        type: "tool-input-available",
        toolCallId: "c3",
        toolName: "search",
        input: { q: 1 },
        providerExecuted: true,
      },
      { type: "tool-output-available", toolCallId: "c3", output: [1], providerExecuted: true },
      { type: "finish-step" },
      { type: "start-step" },
      { type: "source-url", sourceId: "s1", url: "https://example.org/", title: "A title" },
      {
        type: "source-document",
        sourceId: "s2",
        mediaType: "application/pdf",
        title: "Document",
        filename: "a.pdf",
      },
      { type: "file", url: "data:text/plain;base64,aGk=", mediaType: "text/plain" },
      { type: "data-progress", id: "d1", data: { done: 1 } },
      { type: "data-progress", id: "d1", data: { done: 2 } },
      { type: "data-note", data: ["a", null] },
      { type: "data-passing", data: 1, transient: true },
      { type: "text-start", id: "t2" },
      { type: "text-delta", id: "t2", delta: "At last." },
      { type: "text-end", id: "t2" },
      { type: "finish-step" },
      { type: "message-metadata", messageMetadata: { tokens: 7 } },
    ];

    /** Responds with these chunks; `hold` keeps those from `at` back until it is released. */
    function writing(chunks: Any[], at = chunks.length) {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const respond = (ai: Any, _result: Any, response: Any) => {
        const stream = ai.createUIMessageStream({
          originalMessages: response.originalMessages,
          generateId: response.generateMessageId,
          onFinish: response.onFinish,
          execute: async ({ writer }: Any) => {
            writer.write({ type: "start", messageId: response.generateMessageId() });
            for (const chunk of chunks.slice(0, at)) writer.write(chunk);
            await held;
            for (const chunk of chunks.slice(at)) writer.write(chunk);
            writer.write({ type: "finish", finishReason: "stop" });
          },
        });
        return ai.createUIMessageStreamResponse({ stream, consumeSseStream: response.consumeSseStream });
      };
      if (at === chunks.length) release();
      return { respond, release: () => release() };
    }

    test("of parts of every kind", async () => {
      const script = writing(ALL, 12);
      const chat = durable(version, { respond: script.respond });
      const live = reader(await chat.handle(await questionOf(chat)));
      const early = reader(await chat.resume());
      await early.until('"city\\":');
      script.release();
      const whole = await live.rest();
      expect(await early.rest()).toBe(whole);
      await chat.stored(0);
      const [, answer] = asJson(await chat.storedMessages()) as JourneyMessage[];
      const message = asJson(await messageIn(version, whole)) as JourneyMessage;
      expect({ ...message, id: answer?.id }).toEqual(answer);
      expect(answer?.parts.length).toBeGreaterThan(10);
      expect(JSON.stringify(answer)).toContain("At last.");
    });

    test("wherever it is resumed: what a page has by then is the beginning of it", async () => {
      for (const at of [1, 3, 5, 7, 11, 13, 17, 22, 24, 27]) {
        const script = writing(ALL, at);
        const chat = durable(version, { respond: script.respond });
        const live = reader(await chat.handle(await questionOf(chat)));
        await batches(chat, 1);
        const resumed = reader(await chat.resume());
        script.release();
        expect(await resumed.rest()).toBe(await live.rest());
        await chat.stored(0);
      }
    });
  });

  test("a tool that runs in the page: the reply that continues is resumed with the earlier parts", async () => {
    const chat = durable(version);
    const { page, sent, reply } = await asked(chat, "Where am I?");
    reply.part("Let me see. ");
    reply.call("locate");
    await sent;
    await chat.stored(0);
    await page.addToolOutput({ tool: "locate", toolCallId: "locate-0", output: "Lyon" });
    const second = await chat.reply(1);
    second.begin();
    second.words("You are ");
    await written(chat, "You are ");
    const other = await chat.openPage();
    const resumed = reader(await chat.resume());
    const resuming = other.resumeStream();
    await vi.waitUntil(() => wordsOf(other.messages[1]).endsWith("You are "), { timeout: 30_000 });
    const begun = await messageIn(version, await resumed.until("You are "));
    expect(wordsOf(begun as JourneyMessage)).toBe("Let me see. You are ");
    second.words("in Lyon.");
    second.end();
    await resuming;
    await chat.stored(1);
    const stored = asJson(await chat.storedMessages()) as JourneyMessage[];
    expect(stored).toHaveLength(2);
    const rebuilt = asJson(await messageIn(version, await resumed.rest())) as JourneyMessage;
    expect(rebuilt.id).toBe(stored[1]?.id);
    expect(rebuilt.parts).toEqual(stored[1]?.parts);
    expect(asJson(other.messages[1].parts)).toEqual(stored[1]?.parts);
    expect(other.messages).toHaveLength(2);
  });

  test("a reply that waits for a tool has ended: there is nothing to resume, and the page shows what is stored", async () => {
    const chat = durable(version);
    const { sent, reply } = await asked(chat);
    reply.part("Let me see. ");
    reply.call("locate");
    await sent;
    await chat.stored(0);
    expect((await chat.resume()).status).toBe(204);
    const other = await chat.openPage();
    await other.resumeStream();
    await other.addToolOutput({ tool: "locate", toolCallId: "locate-0", output: "Lyon" });
    (await chat.reply(1)).says("In Lyon.");
    await chat.stored(1);
    await vi.waitUntil(() => other.status === "ready", { timeout: 30_000 });
    expect(asJson(other.messages)).toEqual(asJson(await chat.storedMessages()));
  });

  describe("stop", () => {
    test("from anywhere: what had arrived is stored, marked, and all readers see the end", async () => {
      const chat = durable(version);
      const { page, sent, reply } = await asked(chat);
      reply.begin();
      reply.words("Once ");
      await written(chat, "Once ");
      const other = await chat.openPage();
      const resuming = other.resumeStream();
      const resumed = reader(await chat.resume());
      await resumed.until("Once ");
      expect(await stopTurn(chat.sessions(), chat.id)).toBe(true);
      expect(await chat.stop()).toBe(true);
      const whole = await resumed.rest();
      expect(whole).toMatch(/data: \[DONE\]\n\n$/);
      expect(chunksIn(whole)).toContainEqual(expect.objectContaining({ type: "abort" }));
      await Promise.all([sent, resuming, chat.stored(0)]);
      const [, answer] = (await chat.storedMessages()) as [JourneyMessage, JourneyMessage];
      expect([wordsOf(answer), interruption(answer)]).toEqual(["Once ", "stopped"]);
      expect(interruption(other.messages[1])).toBe("stopped");
      expect(wordsOf(other.messages[1])).toBe("Once ");
      // The page that began it shows that, too.
      expect(page.messages.map(wordsOf)).toEqual(["Hello", "Once "]);
      expect(interruption(page.messages[1])).toBe("stopped");
      expect(await chat.stop()).toBe(false);
      const next = other.sendMessage({ text: "Go on" });
      await chat.answered(1, next, "upon a time");
      expect(await chat.conversation()).toEqual(["Hello", "Once ", "Go on", "upon a time"]);
    });

    test("before anything was said: nothing is stored, and the next turn works", async () => {
      const chat = durable(version);
      const { page, sent } = await asked(chat);
      await vi.waitUntil(async () => (await chat.sessions().replies.read(chat.id)) !== null, {
        timeout: 30_000,
      });
      expect(await chat.stop()).toBe(true);
      await sent;
      expect(await chat.stored(0)).toBeNull();
      expect(await chat.conversation()).toEqual(["Hello"]);
      const next = page.sendMessage({ text: "Again" });
      await chat.answered(1, next, "Yes.");
      expect(await chat.conversation()).toEqual(["Hello", "Again", "Yes."]);
    });

    test("in a tool call ends it; the call is kept, and the next turn works", async () => {
      const chat = durable(version);
      const release = chat.holdTools();
      const { sent, reply } = await asked(chat);
      reply.part("Let me see.");
      reply.call("weather");
      await written(chat, "weather");
      expect(await chat.stop()).toBe(true);
      release();
      await sent;
      await chat.stored(0);
      const [, answer] = (await chat.storedMessages()) as [JourneyMessage, JourneyMessage];
      expect(interruption(answer)).toBe("stopped");
      const page = await chat.openPage();
      const begun = chat.prompts.length;
      const next = page.sendMessage({ text: "And?" });
      (await chat.reply(begun)).says("Fair.");
      await next;
      await chat.stored(1);
      expect((await chat.conversation()).at(-1)).toBe("Fair.");
    });

    test("of a session without a reply, after the end and of another user is false", async () => {
      const chat = durable(version);
      const stranger = durableFor(db, newUser());
      expect(await chat.stop()).toBe(false);
      const { sent, reply } = await asked(chat);
      reply.begin();
      reply.words("Once");
      await written(chat, "Once");
      expect(await stopTurn(stranger, chat.id)).toBe(false);
      expect((await resumeTurn(stranger, chat.id, requestFor())).status).toBe(204);
      const { signal } = new AbortController();
      expect((await watchResponse(stranger, chat.id, { signal })).status).toBe(204);
      reply.end();
      await sent;
      await chat.stored(0);
      expect(await chat.stop()).toBe(false);
      expect(interruption((await chat.storedMessages())[1] as JourneyMessage)).toBeUndefined();
    });
  });

  // v5 has no approvals.
  if (version !== "ai v5")
    test("a tool that waits for approval: the reply that continues is resumed with the earlier parts", async () => {
      const chat = durable(version);
      const { page, sent, reply } = await asked(chat);
      reply.part("May I? ");
      reply.call("book");
      await sent;
      await chat.stored(0);
      const shown = await chat.openPage();
      await shown.resumeStream();
      expect(shown.messages[1].parts.at(-1).state).toBe("approval-requested");
      const { id } = page.messages[1].parts.at(-1).approval;
      await page.addToolApprovalResponse({ id, approved: true });
      const second = await chat.reply(1);
      second.begin();
      second.words("Booked ");
      await written(chat, "Booked ");
      const resumed = reader(await chat.resume());
      const other = await chat.openPage();
      const resuming = other.resumeStream();
      const begun = (await messageIn(version, await resumed.until("Booked "))) as JourneyMessage;
      expect(begun.parts.map(({ type }) => type)).toContain("tool-book");
      second.words("it.");
      second.end();
      await resuming;
      await chat.stored(1);
      const stored = asJson(await chat.storedMessages()) as JourneyMessage[];
      expect(chat.booked).toEqual(["Lyon"]);
      const rebuilt = asJson(await messageIn(version, await resumed.rest())) as JourneyMessage;
      // An approval is no chunk: of the call that had one, a page that resumes gets the rest.
      const withoutApproval = (parts: Any[]) => parts.map(({ approval: _, ...part }) => part);
      expect(withoutApproval(rebuilt.parts)).toEqual(withoutApproval(stored[1]?.parts ?? []));
      expect(withoutApproval(asJson(other.messages[1].parts) as Any[])).toEqual(
        withoutApproval(stored[1]?.parts ?? []),
      );
      expect(other.messages).toHaveLength(2);
    });

  test("a second turn while one runs is a conflict, and leaves nothing; one right after the end begins", async () => {
    const chat = durable(version);
    const { page, sent, reply } = await asked(chat);
    reply.begin();
    reply.words("Once");
    await written(chat, "Once");
    const other = await chat.openPage();
    const failed = other.sendMessage({ text: "And me?" });
    await failed;
    expect(other.status).toBe("error");
    expect(chat.statuses).toEqual([200, 409]);
    expect(await chat.conversation()).toEqual(["Hello"]);
    reply.end();
    await sent;
    // As soon as the page has read [DONE].
    const next = page.sendMessage({ text: "More" });
    await chat.answered(1, next, "Yes.");
    expect(chat.statuses).toEqual([200, 409, 200]);
    expect(await chat.conversation()).toEqual(["Hello", "Once", "More", "Yes."]);
  });

  test("of two turns that begin at once one is refused", async () => {
    const chat = durable(version);
    await chat.sessions().create({ id: chat.id, messages: [text("m0"), text("a0", "a", "assistant")] });
    const pages = await Promise.all([chat.openPage(), chat.openPage()]);
    const sending = pages.map((page, n) => page.sendMessage({ text: `${n}` }));
    const reply = await chat.reply(0);
    await vi.waitUntil(() => chat.statuses.length === 2, { timeout: 30_000 });
    expect(chat.statuses.toSorted()).toEqual([200, 409]);
    reply.says("Only one.");
    await Promise.all(sending);
    await chat.stored(0);
    expect(await chat.storedMessages()).toHaveLength(4);
  });

  test.each<[string, (chat: Chat) => Promise<unknown>]>([
    ["deleted", (chat) => chat.sessions().delete(chat.id)],
    ["erased with all of its user's", (chat) => chat.sessions().deleteAll()],
  ])("a session that is %s in the middle ends the stream for all, and stays gone", async (_, remove) => {
    const chat = durable(version);
    const { sent, reply } = await asked(chat);
    reply.begin();
    reply.words("Once ");
    await written(chat, "Once ");
    const readers = [reader(await chat.resume()), reader(await chat.resume())];
    await remove(chat);
    for (const one of readers) {
      const whole = await one.rest();
      expect(chunksIn(whole).at(-1)).toMatchObject({ type: "error" });
      expect(whole).toMatch(/data: \[DONE\]\n\n$/);
    }
    // The producer learns it with its next batch, and ends by itself.
    await sent;
    expect(await chat.stored(0)).toBeNull();
    expect(await chat.sessions().get(chat.id)).toBeNull();
    expect(await leftOf(chat.id)).toEqual({ replies: 0, chunks: 0 });
  });

  test("the model that fails: the answer is marked, and readers see the error", async () => {
    const chat = durable(version);
    const { sent, reply } = await asked(chat);
    reply.begin();
    reply.words("Once ");
    await written(chat, "Once ");
    const resumed = reader(await chat.resume());
    reply.fail();
    const whole = await resumed.rest();
    expect(chunksIn(whole).map(({ type }) => type)).toContain("error");
    await sent;
    await chat.stored(0);
    const [, answer] = (await chat.storedMessages()) as [JourneyMessage, JourneyMessage];
    expect([wordsOf(answer), interruption(answer)]).toEqual(["Once ", "failed"]);
    expect(interruption((await messageIn(version, whole)) as JourneyMessage)).toBe("failed");
  });
});

/** The request of a page's first message. */
async function questionOf(chat: Chat, words = "Hello"): Promise<Request> {
  const page = await chat.openPage();
  const { turnRequest } = await import("../../src/ai-sdk.js");
  const message = { id: crypto.randomUUID(), role: "user", parts: [{ type: "text", text: words }] };
  const { body } = turnRequest({
    id: chat.id,
    messages: [...page.messages, message],
    trigger: "submit-message",
    body: {},
    messageId: undefined,
  } as Any);
  return requestOf(body);
}

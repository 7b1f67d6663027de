/** What a route with durable replies promises beside the stream itself. */
import { drizzle } from "drizzle-orm/postgres-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { transfer } from "../../src/admin.js";
import { errorCode, resumeTurn, startTurn, stopTurn, turnRequest, watchResponse } from "../../src/ai-sdk.js";
import { forUser, type JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { CANARY } from "../support/canary.js";
import {
  durableDatabase,
  migratedDatabase,
  newUser,
  openConnected,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { text } from "../support/messages.js";
import { durableFor, durably, makeLost, type Sessions } from "../support/replies.js";
import { requestOf } from "../support/turn.js";
import { openApplication, wordsOf } from "./support/ai-chat.js";
import { chunksIn, messageIn, reader, requestFor } from "./support/streams.js";

// biome-ignore lint/suspicious/noExplicitAny: as in ai-chat.ts
type Any = any;

const url = await durableDatabase();
const db = await openConnected(url);
const client = rawClient(url);
const open = (own: object = {}) => openApplication(db, "ai v6", { durable: true, ...own });
type Chat = ReturnType<typeof open>;

/** The request of a page that shows what is stored, with one question more. */
async function ask(sessions: Pick<Sessions, "get">, id: string, words = "Hello"): Promise<Request> {
  const { messages = [] } = (await sessions.get(id)) ?? {};
  const question = text(crypto.randomUUID(), words);
  return requestOf(turnRequest({ messages: [...messages, question], body: {} }).body);
}

const written = (chat: Chat, words: string) =>
  vi.waitUntil(async () => (await chat.sessions().replies.read(chat.id))?.chunks.includes(words), {
    timeout: 30_000,
    interval: 10,
  });

const left = async (id: string) => {
  const [row] = await client`
    select (select count(*)::int from journey_replies where session_id = ${id}) as replies,
      (select count(*)::int from journey_reply_chunks where session_id = ${id}) as chunks`;
  return row;
};

async function asked(chat: Chat) {
  const page = await chat.openPage();
  const sent = page.sendMessage({ text: "Hello" });
  return { page, sent, reply: await chat.reply(0) };
}

describe("without the option", () => {
  test("the statements of a turn are those of a handle without durable replies, and the tables stay empty", async () => {
    const sentBy = async (durable: boolean) => {
      const own = durable ? await durableDatabase() : await migratedDatabase();
      const sent: string[] = [];
      const logger = { logQuery: (query: string) => void sent.push(query) };
      const logged = drizzle({ client: rawClient(own, { max: 1 }), logger });
      const sessions = (user: string) => (durable ? durableFor : forUser)(logged, user);
      const chat = openApplication(logged, "ai v6", { sessions });
      const page = await chat.openPage();
      for (const n of [0, 1]) {
        const asking = page.sendMessage({ text: "Hello" });
        await chat.answered(n, asking, "Yes.");
      }
      if (durable) {
        const [row] = await rawClient(own)`select count(*)::int from journey_replies`;
        expect(row?.count).toBe(0);
      }
      return sent;
    };
    const plain = await sentBy(false);
    expect(await sentBy(true)).toEqual(plain);
    expect(plain.join()).not.toContain("journey_repl");
  });

  test("the request's own signal is the turn's, and a Node.js request's is never aborted", async () => {
    const { sessions, id } = open();
    const abort = new AbortController();
    const request = new Request(await ask(sessions(), id), { signal: abort.signal });
    const { signal, response } = await startTurn(sessions(), id, request);
    expect(response).not.toHaveProperty("messageMetadata");
    expect(signal.aborted).toBe(false);
    abort.abort();
    expect(signal.aborted).toBe(true);
  });
});

test("a handle without durable replies is told so, before anything is stored", async () => {
  const own = openPostgresJs(await migratedDatabase());
  const sessions = forUser(own, newUser());
  const { id } = await sessions.create();
  const configuration = { code: "configuration" };
  const request = await ask(sessions as never, id);
  await expect(startTurn(sessions, id, request, { durable: true })).rejects.toMatchObject(configuration);
  await expect(resumeTurn(sessions, id, requestFor())).rejects.toMatchObject(configuration);
  await expect(stopTurn(sessions, id)).rejects.toMatchObject(configuration);
  expect((await sessions.get(id))?.messages).toEqual([]);
});

test("a route that fails after startTurn does not block the next turn for long", async () => {
  const { sessions, id } = open();
  await startTurn(sessions(), id, await ask(sessions(), id), { durable: true });
  // The route throws here. The question is stored.
  const next = () =>
    ask(sessions(), id, "Again").then((request) => startTurn(sessions(), id, request, { durable: true }));
  await expect(next()).rejects.toMatchObject({ code: "conflict" });
  const turn = await vi.waitUntil(() => next().catch(() => undefined), { timeout: 30_000, interval: 100 });
  expect(turn.messages.map(wordsOf)).toEqual(["Hello", "Again"]);
  expect((await sessions().get(id))?.messages).toHaveLength(2);
});

test("a question that is refused leaves no reply that anybody sees", async () => {
  const chat = open();
  const { sessions, id } = chat;
  await sessions().create({ id, messages: [text("m1"), text("a1", "Yes.", "assistant")] });
  const stale = requestOf({ message: text("m2"), after: "m1" });
  await expect(startTurn(sessions(), id, stale, { durable: true })).rejects.toMatchObject({
    code: "conflict",
  });
  expect(await sessions().replies?.read(id)).toMatchObject({ state: "ended", messageId: null, batches: 0 });
  expect((await resumeTurn(sessions(), id, requestFor())).status).toBe(204);
  await expect(
    startTurn(durableFor(db, newUser()), id, requestOf({ message: text("m2"), after: "a1" }), {
      durable: true,
    }),
  ).rejects.toMatchObject({ code: "not_found" });
});

test("titles, limits and what a page is refused are as without it", async () => {
  const { sessions, id } = open();
  const title = () => "A title";
  const first = await startTurn(sessions(), id, await ask(sessions(), id), { durable: true, title });
  await first.response.onFinish({
    responseMessage: text(first.response.generateMessageId(), "Yes.", "assistant"),
    isAborted: false,
    finishReason: "stop",
  });
  expect((await sessions().get(id))?.metadata).toEqual({ title: "A title" });
  const { replyId } = (await sessions().replies.read(id)) ?? expect.fail();
  await sessions().replies.delete(id, replyId);
  const second = await startTurn(sessions(), id, await ask(sessions(), id, "More"), {
    durable: true,
    limit: 1,
  });
  expect(second.messages.map(wordsOf)).toEqual(["More"]);
  const large = startTurn(sessions(), id, await ask(sessions(), id, "x".repeat(999)), {
    durable: true,
    maxBodyBytes: 500,
  });
  await expect(large).rejects.toMatchObject({ code: "too_large" });
  await expect(
    startTurn(sessions(), id, await ask(sessions(), id), { durable: 1 } as Any),
  ).rejects.toMatchObject({
    code: "invalid_input",
  });
});

test("a session that is given to another user in the middle ends the stream for the first one's readers", async () => {
  const errors: JourneyDbError[] = [];
  const chat = open({ options: { onError: (error: JourneyDbError) => void errors.push(error) } });
  const { sent, reply } = await asked(chat);
  reply.begin();
  reply.words("Once ");
  await written(chat, "Once ");
  const resumed = reader(await chat.resume());
  await resumed.until("Once ");
  const other = newUser();
  expect(await transfer(db, { from: chat.user, to: other })).toMatchObject({ sessions: 1 });
  expect(chunksIn(await resumed.rest()).at(-1)).toMatchObject({ type: "error" });
  await sent;
  await expect(chat.stored(0)).rejects.toMatchObject({ code: "not_found" });
  expect(errors.map(({ code }) => code)).toEqual(["not_found"]);
  // The reply followed its session: its new owner closes it, as one whose producer is lost.
  const theirs = durableFor(db, other);
  await makeLost(db, chat.id);
  expect(await stopTurn(theirs, chat.id)).toBe(true);
  expect((await theirs.get(chat.id))?.messages.map(wordsOf)).toEqual(["Hello", "Once "]);
});

describe("the first stream never waits for the tables", () => {
  /** A handle whose batches are written when it is told to. */
  function slow(options = {}) {
    let release = () => {};
    const may = new Promise<void>((resolve) => {
      release = resolve;
    });
    const sessions = (user: string) => {
      const own = durably(undefined, options)(db, user);
      const write: Any = async (...args: Parameters<typeof own.replies.write>) => {
        await may;
        return own.replies.write(...args);
      };
      return { ...own, replies: { ...own.replies, write } };
    };
    return { sessions, release };
  }

  test("its words arrive, and the reply is whole for others once the database has caught up", async () => {
    const { sessions, release } = slow();
    const chat = open({ sessions });
    const live = reader(await chat.handle(await ask(chat.sessions(), chat.id)));
    const reply = await chat.reply(0);
    reply.begin();
    for (const word of ["Once ", "upon ", "a time"]) {
      reply.words(word);
      await live.until(word);
    }
    const resumed = reader(await chat.resume());
    release();
    reply.end();
    expect(await resumed.rest()).toBe(await live.rest());
  });

  test("more than it keeps back: the reply can no longer be resumed, and is stored at its end all the same", async () => {
    const { sessions, release } = slow({ maxSessionBytes: 2 ** 27 });
    const errors: JourneyDbError[] = [];
    const chat = open({ sessions, options: { onError: (error: JourneyDbError) => void errors.push(error) } });
    const live = reader(await chat.handle(await ask(chat.sessions(), chat.id)));
    const reply = await chat.reply(0);
    reply.begin();
    const many = "many words ".repeat(2 ** 17);
    for (let length = 0; length <= 2 ** 25; length += many.length) reply.words(many);
    await vi.waitUntil(() => errors.length > 0, { timeout: 30_000 });
    expect(errors[0]).toMatchObject({ code: "unavailable" });
    release();
    await vi.waitUntil(async () => (await chat.resume()).status === 204, { timeout: 30_000 });
    reply.words("The end.");
    reply.end();
    expect(await live.rest()).toMatch(/data: \[DONE\]\n\n$/);
    await chat.stored(0);
    expect(wordsOf((await chat.storedMessages())[1] as JourneyMessage)).toMatch(/The end\.$/);
  });
});

test("nothing that was said is in a log, whatever goes wrong", async () => {
  const logged: string[] = [];
  for (const name of ["error", "warn", "log"] as const) {
    const spy = vi.spyOn(console, name).mockImplementation((...all) => void logged.push(all.join(" ")));
    onTestFinished(() => spy.mockRestore());
  }
  const own = await durableDatabase();
  const strict = rawClient(own);
  const chat = openApplication(await openConnected(own), "ai v6", { durable: true });
  const { sent, reply } = await asked(chat);
  reply.begin();
  await strict`alter table journey_reply_chunks add constraint short check (length(chunks) < 5) not valid`;
  reply.words(CANARY);
  await new Promise((resolve) => setTimeout(resolve, 600));
  await strict`drop table journey_reply_chunks, journey_replies cascade`;
  reply.end();
  await sent;
  await chat.stored(0).catch(() => {});
  expect(logged.join("\n")).not.toContain(CANARY);
  expect((await chat.storedMessages()).map(wordsOf)).toEqual(["Hello", CANARY]);
});

test("an answer that could not be stored is marked in what readers see, and does not block the session", async () => {
  const errors: JourneyDbError[] = [];
  const chat = open({ options: { onError: (error: JourneyDbError) => void errors.push(error) } });
  const { sent, reply } = await asked(chat);
  reply.begin();
  reply.words("Once ");
  await written(chat, "Once ");
  // Its question is gone: the answer has no place.
  const [question] = await chat.storedMessages();
  await chat.sessions().truncate(chat.id, { from: question?.id as string });
  reply.end();
  await sent;
  expect(await chat.stored(0)).toBeNull();
  expect(await chat.storedMessages()).toEqual([]);
  const next = await startTurn(chat.sessions(), chat.id, await ask(chat.sessions(), chat.id), {
    durable: true,
  });
  expect(next.messages).toHaveLength(1);
});

test("a page that names what it shows gets a reply that has just ended, unless it shows it", async () => {
  const chat = open();
  const { sent, reply } = await asked(chat);
  const [question] = await chat.storedMessages();
  reply.says("Yes.");
  await sent;
  await chat.stored(0);
  const [, answer] = await chat.storedMessages();
  const resume = (after?: string) => resumeTurn(chat.sessions(), chat.id, requestFor(after));
  expect((await resume()).status).toBe(204);
  expect((await resume(answer?.id)).status).toBe(204);
  const late = await resume(question?.id);
  expect(late.status).toBe(200);
  expect(late.headers.get("content-type")).toBe("text/event-stream");
  expect(late.headers.get("x-vercel-ai-ui-message-stream")).toBe("v1");
  expect(wordsOf((await messageIn("ai v6", await reader(late).rest())) as JourneyMessage)).toBe("Yes.");
  // Node.js gives a path.
  expect((await resumeTurn(chat.sessions(), chat.id, { url: `/x?after=${question?.id}` })).status).toBe(200);
});

test("what was written is removed a while after the end", { timeout: 60_000 }, async () => {
  const chat = open();
  const { sent, reply } = await asked(chat);
  reply.says("Yes.");
  await sent;
  await chat.stored(0);
  expect(await left(chat.id)).toMatchObject({ replies: 1 });
  await expect
    .poll(() => left(chat.id), { timeout: 20_000, interval: 100 })
    .toEqual({ replies: 0, chunks: 0 });
});

describe("watchResponse", () => {
  const events = (text: string) =>
    [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string));

  test("tells of each change, of a reply, and of the end of the session", async () => {
    const chat = open();
    const sessions = chat.sessions();
    const { id } = chat;
    const { signal } = new AbortController();
    expect((await watchResponse(sessions, id, { signal })).status).toBe(204);
    const { revision } = await sessions.create({ id });
    const response = await watchResponse(sessions, id, { signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const stream = reader(response);
    expect(events(await stream.until(revision))).toEqual([{ revision, replyId: null }]);
    const changed = await sessions.setPhase(id, "review");
    await stream.until(changed.revision);
    await sessions.replies.start(id, "r1", { messageId: "a1" });
    expect(events(await stream.until("r1")).at(-1)).toEqual({ revision: changed.revision, replyId: "r1" });
    await sessions.delete(id);
    expect(events(await stream.rest()).at(-1)).toBeNull();
  });

  test("a page that leaves gives its place back, with or without the request's signal", async () => {
    const sessions = durableFor(db, newUser());
    const { id } = await sessions.create();
    for (let n = 0; n < 250; n++) {
      const abort = new AbortController();
      const stream = reader(await watchResponse(sessions, id, { signal: abort.signal }));
      await stream.until("revision");
      if (n % 2) abort.abort();
      await stream.cancel();
    }
    const { signal } = new AbortController();
    const stream = reader(await watchResponse(sessions, id, { signal }));
    const { revision } = await sessions.setPhase(id, "review");
    await stream.until(revision);
    await stream.cancel();
  });

  test("does not tell a page that its session is gone because the server is closed", async () => {
    const { connect } = await import("../../src/connection/connect.js");
    const { db: own, close } = await connect({ url });
    const sessions = durableFor(own, newUser());
    const { id } = await sessions.create();
    const { signal } = new AbortController();
    const stream = reader(await watchResponse(sessions, id, { signal }));
    const begun = await stream.until("revision");
    await close();
    const error = await stream.rest().catch((error: unknown) => error);
    expect(errorCode(error)).toBe("unavailable");
    expect(begun).not.toContain("null\n\n");
  });
});

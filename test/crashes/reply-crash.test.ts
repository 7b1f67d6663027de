/** Replies of processes that are killed or frozen, and of a database that is away for a while. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { convertToModelMessages } from "ai";
import { describe, expect, it, vi } from "vitest";
import { interruption, resumeTurn, startTurn, stopTurn, turnRequest } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { openApplication, wordsOf } from "../ai-sdk/support/ai-chat.js";
import { chunksIn, messageIn, reader, requestFor } from "../ai-sdk/support/streams.js";
import { durableDatabase, newUser, openConnected, openPostgresJs, rawClient } from "../support/database.js";
import { OPTIONAL } from "../support/layout.js";
import { LOSSES, lossyProxy } from "../support/lossy-proxy.js";
import { startOwnServer } from "../support/own-server.js";
import { runScript } from "../support/program.js";
import { durableFor, makeLost } from "../support/replies.js";
import { requestOf } from "../support/turn.js";

const LONG = process.env.LONG === "1";
const KILLS = LONG ? 50 : 3;
const READERS = 10;
vi.setConfig({ testTimeout: LONG ? 3_600_000 : 120_000 });

const url = await durableDatabase();
const db = await openConnected(url);
const client = rawClient(url);

type Hold = "never" | "words" | "tool" | "store" | "stored" | "end";

/** A program that produces a reply, and what it has printed. */
function produce(owner: string, id: string, question: string, hold: Hold, to = url) {
  const args = [to, owner, id, question, hold];
  const program = runScript("test/support/reply-program.ts", args, tmpdir());
  const seen = { words: 0, written: 0 };
  createInterface({ input: program.child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const [word, count] = line.split(" ");
    if (word === "word") seen.words = Number(count);
    if (word === "written") seen.written = Number(count);
  });
  const kill = async () => {
    program.child.kill("SIGKILL");
    await program.ended;
  };
  return { ...program, seen, kill };
}

const open = () => {
  const owner = newUser();
  return { owner, id: randomUUID(), sessions: durableFor(db, owner) };
};
type Sessions = ReturnType<typeof open>["sessions"];

/** The number of the last word of an answer, all of whose words are there, in order and once. */
function lastWord(answer: JourneyMessage | undefined): number {
  const words = wordsOf(answer ?? expect.fail("no answer is stored")).trim();
  const numbers = words === "" ? [] : words.split(" ").map(Number);
  expect(numbers).toEqual(numbers.map((_, n) => n + 1));
  return numbers.length;
}

/** The next turn, without a model: what it would be sent. The reply is given up. */
async function nextTurn(sessions: Sessions, id: string) {
  const messages = (await sessions.get(id))?.messages ?? [];
  const message = { id: randomUUID(), role: "user", parts: [{ type: "text", text: "next" }] } as const;
  const shown = [...messages, message] as JourneyMessage[];
  const { body } = turnRequest({ messages: shown, body: {} });
  const turn = await startTurn(sessions, id, requestOf(body), { durable: true });
  const sent = await convertToModelMessages(turn.messages as never, { ignoreIncompleteToolCalls: true });
  // biome-ignore lint/suspicious/noExplicitAny: any content
  const parts = sent.flatMap(({ content }) => (typeof content === "string" ? [] : (content as any[])));
  const results = new Set(
    parts.flatMap(({ type, toolCallId }) => (type === "tool-result" ? [toolCallId] : [])),
  );
  // A provider refuses a call without its result, and an empty text.
  for (const part of parts) {
    if (part.type === "tool-call") expect(results).toContain(part.toolCallId);
    if (part.type === "text") expect(part.text.trim()).not.toBe("");
  }
  const { replyId } = (await sessions.replies.read(id)) ?? expect.fail();
  await sessions.replies.delete(id, replyId);
  await sessions.truncate(id, { from: message.id });
}

/** Ten readers look at once, in ways of their own. */
async function lookAll(owner: string, id: string): Promise<string[]> {
  const streams = await Promise.all(
    Array.from({ length: READERS }, () => resumeTurn(durableFor(db, owner), id, requestFor())),
  );
  return Promise.all(streams.map(async (stream) => (stream.status === 204 ? "" : reader(stream).rest())));
}

describe("a server that is killed", () => {
  it.each<[string, Hold, (program: ReturnType<typeof produce>) => Promise<unknown>]>([
    [
      "in the middle of a text",
      "words",
      ({ seen }) => vi.waitUntil(() => seen.written > 60, { timeout: 60_000 }),
    ],
    ["in a tool call, during heartbeats", "tool", ({ printed }) => printed("held")],
    ["between the last chunk and the store", "store", ({ printed }) => printed("held")],
    ["between the store and the end", "stored", ({ printed }) => printed("held")],
    ["before the end is written", "end", ({ printed }) => printed("held")],
  ])(
    "%s: what was written is the answer, once, whoever looks, and the next turn works",
    async (_, hold, until) => {
      const { owner, id, sessions } = open();
      const program = produce(owner, id, "q1", hold);
      await until(program);
      // Until what it has said is written, where it says no more.
      if (hold !== "words")
        await vi.waitUntil(() => program.seen.written === program.seen.words, { timeout: 30_000 });
      await program.kill();
      const before = await resumeTurn(sessions, id, requestFor());
      await makeLost(db, id);
      const streams = await lookAll(owner, id);
      const first = await reader(before).rest();
      const { messages } = (await sessions.get(id)) ?? expect.fail();
      expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
      const [, answer] = messages as [JourneyMessage, JourneyMessage];
      const last = lastWord(answer);
      expect(last).toBeGreaterThanOrEqual(program.seen.written);
      expect(last).toBeLessThanOrEqual(program.seen.words);
      const isWhole = hold === "stored" || hold === "end";
      if (hold === "store") expect(last).toBe(program.seen.words);
      expect(interruption(answer)).toBe(isWhole || hold === "store" ? undefined : "failed");
      for (const stream of [first, ...streams].filter(Boolean)) {
        expect(stream).toMatch(/data: \[DONE\]\n\n$/);
        expect(lastWord(await messageIn("ai v6", stream))).toBe(last);
      }
      // Nobody looks at it again, and the session takes the next turn.
      expect((await resumeTurn(sessions, id, requestFor())).status).toBe(204);
      expect(await stopTurn(sessions, id)).toBe(false);
      await nextTurn(sessions, id);
      expect((await sessions.get(id))?.messages).toEqual(messages);
    },
  );

  it("before its first batch: nothing is stored, and the next turn begins", async () => {
    const { owner, id, sessions } = open();
    await sessions.create({
      id,
      messages: [{ id: "q1", role: "user", parts: [{ type: "text", text: "q" }] }],
    });
    await sessions.replies.start(id, "r1");
    await makeLost(db, id);
    await client`update journey_replies set started_at = now() - interval '11 seconds' where session_id = ${id}`;
    await lookAll(owner, id);
    expect((await sessions.get(id))?.messages).toHaveLength(1);
    await nextTurn(sessions, id);
  });

  it("and nobody looks but the next turn, or a stop: it closes the reply itself", async () => {
    for (const how of ["turn", "stop"]) {
      const { owner, id, sessions } = open();
      const program = produce(owner, id, "q1", "words");
      await vi.waitUntil(() => program.seen.written > 0, { timeout: 60_000 });
      await program.kill();
      await makeLost(db, id);
      if (how === "stop") expect(await stopTurn(sessions, id)).toBe(true);
      const messages = (await sessions.get(id))?.messages ?? [];
      if (how === "turn") {
        const message = { id: "q2", role: "user", parts: [{ type: "text", text: "next" }] } as const;
        const { body } = turnRequest({ messages: [...messages, message] as JourneyMessage[], body: {} });
        const refused = startTurn(sessions, id, requestOf(body), { durable: true });
        // The page has not seen the answer that was stored by then: as with any other, it reads the session again.
        await refused.catch((error) => expect(error).toMatchObject({ code: "conflict" }));
      }
      const answer = (await sessions.get(id))?.messages[1];
      expect(lastWord(answer)).toBeGreaterThanOrEqual(program.seen.written);
      expect(interruption(answer as JourneyMessage)).toBe(how === "stop" ? "stopped" : "failed");
      const { replyId } = (await sessions.replies.read(id)) ?? expect.fail();
      await sessions.replies.delete(id, replyId);
      await nextTurn(sessions, id);
    }
  });

  it(`${KILLS} times, at any moment: no reply is lost beyond one batch, none is there twice, no session is blocked`, async () => {
    const { owner, id, sessions } = open();
    const HOLDS: Hold[] = ["words", "tool", "never", "store", "stored", "end"];
    let batches = 0;
    for (let n = 0; n < KILLS; n++) {
      const hold = HOLDS[n % HOLDS.length] as Hold;
      const program = produce(owner, id, `q${n}`, hold);
      await vi.waitUntil(() => program.seen.words > 0, { timeout: 60_000 });
      const moment = Math.random() * 1_500;
      await Promise.race([program.ended, new Promise((resolve) => setTimeout(resolve, moment))]);
      await program.kill();
      await makeLost(db, id);
      await lookAll(owner, id);
      const { messages } = (await sessions.get(id)) ?? expect.fail();
      const mine = messages.slice(messages.findIndex((one) => one.id === `q${n}`));
      expect(new Set(messages.map((one) => one.id)).size).toBe(messages.length);
      // A server that is killed before its first batch leaves no answer.
      expect(mine.length).toBeLessThanOrEqual(2);
      if (program.seen.written > 0 || mine.length === 2) {
        const last = lastWord(mine[1]);
        expect(last).toBeGreaterThanOrEqual(program.seen.written);
        expect(last).toBeLessThanOrEqual(program.seen.words);
        batches++;
      }
      await nextTurn(sessions, id);
    }
    console.log(`kill -9 of the producer, ${KILLS} times: ${batches} answers stored`);
  });
});

describe("a server that is frozen for longer than a lost one may be", () => {
  async function frozen() {
    const { owner, id, sessions } = open();
    const program = produce(owner, id, "q1", "never");
    await vi.waitUntil(() => program.seen.written > 0, { timeout: 60_000 });
    program.child.kill("SIGSTOP");
    await makeLost(db, id);
    await lookAll(owner, id);
    const failed = (await sessions.get(id))?.messages ?? [];
    expect(interruption(failed[1] as JourneyMessage)).toBe("failed");
    return { owner, id, sessions, program, failed };
  }

  it("goes on: what it stores takes the place of its own failed answer, never beside it", async () => {
    const { id, sessions, program, failed } = await frozen();
    program.child.kill("SIGCONT");
    await program.printed("done");
    const { messages } = (await sessions.get(id)) ?? expect.fail();
    expect(messages.map((one) => one.id)).toEqual(failed.map((one) => one.id));
    expect(lastWord(messages[1])).toBeGreaterThanOrEqual(lastWord(failed[1]));
    await nextTurn(sessions, id);
  });

  it("and does not touch what followed meanwhile", async () => {
    const { id, sessions, program } = await frozen();
    const message = { id: "q2", role: "user", parts: [{ type: "text", text: "next" }] } as const;
    await sessions.append(id, message as unknown as JourneyMessage);
    const was = await sessions.get(id);
    program.child.kill("SIGCONT");
    await program.printed("done");
    expect(await sessions.get(id)).toEqual(was);
  });
});

it("a reader's process that is killed holds nobody up, and leaves nothing", async () => {
  const { owner, id, sessions } = open();
  const program = produce(owner, id, "q1", "never");
  await vi.waitUntil(() => program.seen.written > 0, { timeout: 60_000 });
  const other = await openConnected(url);
  const stream = reader(await resumeTurn(durableFor(other, owner), id, requestFor()));
  await stream.until('" 1"');
  const [{ pid } = { pid: 0 }] = await client`
    select pid from pg_stat_activity where query like 'listen%' and datname = current_database() order by backend_start desc limit 1`;
  await client`select pg_terminate_backend(${pid})`;
  await stream.cancel();
  await program.printed("done");
  expect(lastWord((await sessions.get(id))?.messages[1])).toBe(120);
});

describe("the database", () => {
  /** A reply in the middle, with somebody who reads it. */
  async function middleOf(to: string) {
    const own = await openConnected(to);
    const chat = openApplication(own, "ai v6", { durable: true });
    const page = await chat.openPage();
    const sent = page.sendMessage({ text: "Hello" });
    const reply = await chat.reply(0);
    reply.begin();
    reply.words(" 1");
    await vi.waitUntil(async () => (await chat.sessions().replies.read(chat.id))?.chunks.includes('" 1"'), {
      timeout: 30_000,
    });
    const resumed = reader(await chat.resume());
    return { chat, page, sent, reply, resumed };
  }

  it.each(["stop", "crash"] as const)(
    "that is started again after a %s: the reply goes on, for all",
    async (how) => {
      const server = await startOwnServer();
      await migrate(openPostgresJs(server.url), { with: [...OPTIONAL, "durable-replies"] });
      const { chat, page, sent, reply, resumed } = await middleOf(server.url);
      await server[how]();
      reply.words(" 2");
      await server.start();
      reply.words(" 3");
      reply.end();
      await sent;
      await chat.stored(0);
      expect(lastWord((await chat.storedMessages())[1])).toBe(3);
      expect(lastWord(page.messages[1])).toBe(3);
      const whole = await resumed.rest();
      expect(whole).toMatch(/data: \[DONE\]\n\n$/);
      expect(lastWord(await messageIn("ai v6", whole))).toBe(3);
    },
  );

  it("whose connections are terminated again and again: every chunk is written, once", async () => {
    const own = await durableDatabase();
    const { chat, sent, reply, resumed } = await middleOf(own);
    for (let n = 2; n <= 30; n++) {
      reply.words(` ${n}`);
      await client`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${new URL(own).pathname.slice(1)}`;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    reply.end();
    await sent;
    await chat.stored(0);
    expect(lastWord((await chat.storedMessages())[1])).toBe(30);
    expect(lastWord(await messageIn("ai v6", await resumed.rest()))).toBe(30);
  });

  it.each(LOSSES)(
    "whose connection is cut so that %s of a batch is lost: it is written once",
    async (loss) => {
      const proxy = await lossyProxy(await durableDatabase());
      const { chat, sent, reply, resumed } = await middleOf(proxy.url);
      for (let n = 2; n <= 6; n++) {
        proxy.lose(loss);
        const { cuts } = proxy;
        reply.words(` ${n}`);
        await vi.waitUntil(() => proxy.cuts > cuts, { timeout: 30_000 });
      }
      reply.end();
      await sent;
      await chat.stored(0);
      expect(lastWord((await chat.storedMessages())[1])).toBe(6);
      const whole = await resumed.rest();
      expect(lastWord(await messageIn("ai v6", whole))).toBe(6);
      expect(chunksIn(whole).filter(({ type }) => type === "finish")).toHaveLength(1);
    },
  );
});

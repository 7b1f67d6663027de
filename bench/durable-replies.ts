/**
 * What durable replies cost: batches by interval and by size, the delay of each tab, many replies at once, idle watchers,
 * notifications, and what is left afterwards. `node scripts/run.js bench/durable-replies.ts`, on servers of its own; with
 * names of parts (`intervals sizes tabs many watchers notify left`), only these.
 */
import "../scripts/closed-output.js";
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { createUIMessageStream, createUIMessageStreamResponse } from "ai";
import postgres from "postgres";
import { resumeTurn, startTurn, turnRequest } from "../src/ai-sdk.js";
import { connect } from "../src/connection/connect.js";
import { replyTables } from "../src/durable-replies.js";
import { defineJourney, type JourneyMessage } from "../src/index.js";
import { messagesTable } from "../src/message-rows.js";
import { migrate } from "../src/migrate.js";
import { journeySessions } from "../src/schema.js";
import { startServer } from "../test/support/child-server.js";
import { orderOf, summary } from "./measure.js";

/** Milliseconds between two tokens: 50 per second. */
const TOKEN = 20;
const INTERVALS = [100, 250, 500, 1000];
const KILOBYTES = [4, 16, 64, 256, 1024];
const REPLIES = 100;
const READERS = 3;
const WATCHERS = 1_000;
/** Of one user, fewer than may wait at once. */
const PER_USER = 50;
const WRITERS = 32;

const SETTINGS = ["shared_buffers=512MB", "max_wal_size=4GB", "autovacuum=off"];
const server = await startServer(...SETTINGS);
const sql = postgres(server.url, { max: 1, onnotice: () => {} });
const direct = await connect({ url: server.url, max: 40 });
/** As behind a transaction pooler: nothing is prepared, and nobody listens. */
const pooled = await connect({ url: server.url, max: 40, pooled: true });
await migrate(direct.db, { with: ["message-rows", "durable-replies"] });
const { replies } = replyTables(journeySessions);
const journey = defineJourney({ replies, messages: messagesTable(journeySessions) });
const READ_BY = { NOTIFY: direct.db, polling: pooled.db };
type Way = keyof typeof READ_BY;
const WAYS: Way[] = ["NOTIFY", "polling"];

const show = (what: string, figures: string) => console.log(`${what.padEnd(48)}${figures}`);
const ms = (samples: readonly number[]) => {
  const { median, p95 } = summary(samples);
  return `median ${median.toFixed(median < 10 ? 2 : 0)} ms, p95 ${p95.toFixed(p95 < 10 ? 2 : 0)} ms`;
};
const medianOf = (samples: readonly number[]) => summary(samples).median;

async function walPosition(): Promise<number> {
  const [row] = await sql<{ at: number }[]>`select (pg_current_wal_insert_lsn() - '0/0')::float8 as at`;
  return row?.at ?? Number.NaN;
}

/** The server's own process and its children. */
const [{ pid: backend } = { pid: 0 }] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
const statOf = (pid: number | string) =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ").map(Number) ?? [];
const postmaster = statOf(backend)[1];

const ticksOf = (stat: readonly number[], ...places: number[]) =>
  places.reduce((sum, place) => sum + (stat[place] ?? 0), 0);

/** CPU milliseconds so far, of this process and of the server's, ended ones included. */
function cpu(): { node: number; server: number } {
  const { user, system } = process.cpuUsage();
  let ticks = ticksOf(statOf(postmaster ?? 0), 11, 12, 13, 14);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = statOf(pid);
      if (stat[1] === postmaster) ticks += ticksOf(stat, 11, 12);
    } catch {
      // It has ended.
    }
  }
  return { node: (user + system) / 1000, server: ticks * 10 };
}

/** A token says when it was produced. */
const token = () => performance.now().toFixed(3);
const event = (delta: string) => `data: {"type":"text-delta","id":"t","delta":"${delta}"}\n\n`;
const delaysOf = (text: string) =>
  [...text.matchAll(/"delta":"([\d.]+)"/g)].map(([, at]) => performance.now() - Number(at));

type Sessions = ReturnType<typeof journey.forUser>;

const repliesOf = ({ replies }: Sessions) => replies as NonNullable<typeof replies>;

/** Reads a reply as `resumeTurn` does. Returns the delays of its tokens. */
async function follow(sessions: Sessions, id: string, replyId: string): Promise<number[]> {
  const delays: number[] = [];
  for (let after = 0; ; ) {
    const read = await repliesOf(sessions).read(id, { replyId, after, waitMs: 5_000 });
    delays.push(...delaysOf(read?.chunks ?? ""));
    if (!read || (read.state === "ended" && read.after >= read.batches)) return delays;
    after = read.after;
  }
}

interface Written {
  statements: number;
  wal: number;
  delays: number[];
}

/** One reply of five seconds, with a batch each `interval`, and one reader. */
async function oneReply(interval: number, way: Way): Promise<Written> {
  const SECONDS = 5;
  const userId = randomUUID();
  const sessions = journey.forUser(direct.db, userId);
  const { id } = await sessions.create();
  await repliesOf(sessions).start(id, "r");
  const reading = follow(journey.forUser(READ_BY[way], userId), id, "r");
  await delay(100);
  const before = await walPosition();
  let pending = "";
  let n = 0;
  const tokens = setInterval(() => (pending += event(token())), TOKEN);
  const end = performance.now() + SECONDS * 1000;
  for (let since = performance.now(); since < end; ) {
    await delay(Math.max(0, interval - (performance.now() - since)));
    since = performance.now();
    const chunks = pending;
    pending = "";
    await repliesOf(sessions).write(id, "r", { n: ++n, chunks });
  }
  clearInterval(tokens);
  const wal = (await walPosition()) - before;
  await repliesOf(sessions).write(id, "r", { n, chunks: "", state: "ended" });
  return { statements: n / SECONDS, wal: wal / SECONDS, delays: await reading };
}

async function intervals(): Promise<void> {
  const runs = new Map<string, Written[]>();
  for (let round = 0; round < 3; round++)
    for (const way of orderOf(WAYS, round))
      for (const interval of orderOf(INTERVALS, round)) {
        const key = `${interval} ms, read by ${way}`;
        runs.set(key, [...(runs.get(key) ?? []), await oneReply(interval, way)]);
      }
  for (const [key, written] of runs) {
    const statements = medianOf(written.map((one) => one.statements)).toFixed(1);
    const wal = (medianOf(written.map((one) => one.wal)) / 1000).toFixed(1);
    show(
      `a batch each ${key}`,
      `${statements} statements/s, ${wal} kB of WAL/s, ${ms(written.flatMap((one) => one.delays))}`,
    );
  }
  const sessions = journey.forUser(direct.db, randomUUID());
  const { id } = await sessions.create();
  await repliesOf(sessions).start(id, "r");
  const before = await walPosition();
  for (let n = 0; n < 100; n++) await repliesOf(sessions).write(id, "r", { n: 0, chunks: "" });
  show("a heartbeat", `${(((await walPosition()) - before) / 100).toFixed(0)} B of WAL`);
}

/** 8 MB as fast as they can be written. */
async function sizes(): Promise<void> {
  const TOTAL = 8 * 1024;
  const text = Array.from({ length: 20_000 }, () => event(randomUUID())).join("");
  const runs = new Map<number, { ms: number; wal: number }[]>();
  for (let round = 0; round < 5; round++)
    for (const size of orderOf(KILOBYTES, round)) {
      const sessions = journey.forUser(direct.db, randomUUID());
      const { id } = await sessions.create();
      await repliesOf(sessions).start(id, "r");
      const chunks = text.slice(0, size * 1024);
      const before = await walPosition();
      const begun = performance.now();
      for (let n = 1; n <= TOTAL / size; n++) await repliesOf(sessions).write(id, "r", { n, chunks });
      const run = { ms: performance.now() - begun, wal: (await walPosition()) - before };
      runs.set(size, [...(runs.get(size) ?? []), run]);
      await sessions.delete(id);
    }
  for (const [size, all] of runs) {
    const each = medianOf(all.map((one) => one.ms)) / (TOTAL / size);
    const rate = TOTAL / 1.024 / medianOf(all.map((one) => one.ms));
    const wal = medianOf(all.map((one) => one.wal)) / TOTAL / 1024;
    show(
      `batches of ${size} KiB`,
      `${each.toFixed(2)} ms each, ${rate.toFixed(0)} MB/s, ${wal.toFixed(2)} B of WAL per byte`,
    );
  }
}

/** A route with a model that produces 50 tokens per second. */
async function respond(sessions: Sessions, id: string, durable: boolean, seconds: number) {
  const message: JourneyMessage = {
    id: randomUUID(),
    role: "user",
    parts: [{ type: "text", text: "Hello" }],
  };
  const { body } = await turnRequest({
    id,
    messages: [message as never],
    trigger: "submit-message",
  } as never);
  const headers = { "content-type": "application/json" };
  const request = new Request("http://localhost", { method: "POST", headers, body: JSON.stringify(body) });
  const begun = performance.now();
  const turn = await startTurn(sessions, id, request, { durable });
  const started = performance.now() - begun;
  const stream = createUIMessageStream({
    ...(turn.response as object),
    generateId: turn.response.generateMessageId,
    async execute({ writer }) {
      writer.write({ type: "text-start", id: "t" });
      const since = performance.now();
      for (let n = 1; n <= (seconds * 1000) / TOKEN; n++) {
        writer.write({ type: "text-delta", id: "t", delta: token() });
        await delay(Math.max(0, since + n * TOKEN - performance.now()));
      }
      writer.write({ type: "text-end", id: "t" });
    },
  });
  const { consumeSseStream } = turn.response;
  return { response: createUIMessageStreamResponse({ stream, consumeSseStream }), turn, started };
}

/** The delays of the tokens that a page receives, but not of those that it catches up on. */
async function page(response: Response): Promise<number[]> {
  const delays: number[] = [];
  const since = performance.now();
  const decoder = new TextDecoder();
  for await (const bytes of response.body as ReadableStream<Uint8Array>)
    delays.push(...delaysOf(decoder.decode(bytes)).filter((one) => performance.now() - one > since));
  return delays;
}

async function tabs(): Promise<void> {
  const first = new Map<string, { started: number[]; delays: number[] }>();
  const resumed = new Map<string, number[]>();
  for (let round = 0; round < 4; round++)
    for (const [what, durable] of orderOf(
      [["durable", true] as const, ["not durable", false] as const],
      round,
    )) {
      const userId = randomUUID();
      const { response, started } = await respond(
        journey.forUser(direct.db, userId),
        randomUUID(),
        durable,
        3,
      );
      const of = first.get(what) ?? { started: [], delays: [] };
      first.set(what, {
        started: [...of.started, started],
        delays: [...of.delays, ...(await page(response))],
      });
    }
  for (const [what, { delays }] of first) show(`the first tab, ${what}`, ms(delays));
  const starts = new Map<string, number[]>();
  for (let round = 0; round < 60; round++)
    for (const [what, durable] of orderOf(
      [["durable", true] as const, ["not durable", false] as const],
      round,
    )) {
      const sessions = journey.forUser(direct.db, randomUUID());
      const { response, started } = await respond(sessions, randomUUID(), durable, 0);
      await response.text();
      starts.set(what, [...(starts.get(what) ?? []), started]);
    }
  for (const [what, times] of starts) show(`startTurn, ${what}`, ms(times));
  for (let round = 0; round < 8; round++)
    for (const way of orderOf(WAYS, round)) {
      const userId = randomUUID();
      const id = randomUUID();
      const { response } = await respond(journey.forUser(direct.db, userId), id, true, 3);
      const reading = response.text();
      // At any time between two looks.
      await delay(500 + 500 * Math.random());
      const again = await resumeTurn(journey.forUser(READ_BY[way], userId), id, {});
      resumed.set(way, [...(resumed.get(way) ?? []), ...(await page(again))]);
      await reading;
    }
  for (const [way, delays] of resumed) show(`a resumed tab, ${way}`, ms(delays));
}

async function many(): Promise<void> {
  const SECONDS = 10;
  const run = async (way: Way | undefined) => {
    const delays: number[] = [];
    const firstDelays: number[] = [];
    const before = { cpu: cpu(), wal: await walPosition(), at: performance.now() };
    const loop = monitorEventLoopDelay({ resolution: 10 });
    loop.enable();
    await Promise.all(
      Array.from({ length: REPLIES }, async (_, n) => {
        await delay(n * 10);
        const userId = randomUUID();
        const id = randomUUID();
        const { response, turn } = await respond(
          journey.forUser(direct.db, userId),
          id,
          way !== undefined,
          SECONDS,
        );
        const first = page(response);
        const readers = Array.from({ length: way ? READERS : 0 }, async () =>
          page(await resumeTurn(journey.forUser(READ_BY[way as Way], userId), id, {})),
        );
        firstDelays.push(...(await first));
        for (const reader of await Promise.all(readers)) delays.push(...reader);
        await turn.stored;
      }),
    );
    const seconds = (performance.now() - before.at) / 1000;
    const after = cpu();
    const wal = ((await walPosition()) - before.wal) / seconds / 1000;
    const used = (of: "node" | "server") => `${((after[of] - before.cpu[of]) / seconds / 10).toFixed(0)} %`;
    show(
      way ? `${REPLIES} replies, ${READERS} readers each, ${way}` : `${REPLIES} replies, not durable`,
      `${((firstDelays.length + delays.length) / seconds).toFixed(0)} tokens/s read in ${seconds.toFixed(1)} s, ` +
        `of one core: node ${used("node")}, server ${used("server")}; ${wal.toFixed(0)} kB of WAL/s`,
    );
    // Much more than the resolution says that other programs had the processors.
    show("  the event loop's delay", `p95 ${(loop.percentile(95) / 1e6).toFixed(0)} ms`);
    show("  the first tabs", ms(firstDelays));
    if (way) show("  the readers", ms(delays));
  };
  for (const way of [undefined, ...WAYS]) await run(way);
}

async function watchers(): Promise<void> {
  const SECONDS = 60;
  const commits = async () => {
    const [row] = await sql<{ n: number }[]>`
      select xact_commit::float8 as n from pg_stat_database where datname = current_database()`;
    return row?.n ?? 0;
  };
  const connections = async () => {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity where application_name = 'journey-db'`;
    return row?.n ?? 0;
  };
  const memory = () => {
    globalThis.gc?.();
    return process.memoryUsage();
  };
  for (const way of WAYS) {
    const { db, close } = await connect({ url: server.url, max: 5, pooled: way === "polling" });
    const others = await connections();
    const ids = await Promise.all(
      Array.from({ length: WATCHERS }, async (_, n) => {
        const sessions = journey.forUser(db, `${way}_${Math.floor(n / PER_USER)}`);
        return { sessions, id: (await sessions.create()).id };
      }),
    );
    const heap = memory().heapUsed;
    const abort = new AbortController();
    setMaxListeners(0, abort.signal);
    let seen = 0;
    const watching = ids.map(async ({ sessions, id }) => {
      for await (const _ of sessions.watch(id, { signal: abort.signal })) seen++;
    });
    while (seen < WATCHERS) await delay(50);
    await delay(2_000);
    const before = { commits: await commits(), cpu: cpu(), at: performance.now() };
    await delay(SECONDS * 1000);
    const seconds = (performance.now() - before.at) / 1000;
    const after = cpu();
    const used = (of: "node" | "server") => `${((after[of] - before.cpu[of]) / seconds / 10).toFixed(1)} %`;
    const statements = ((await commits()) - before.commits) / seconds;
    const open = (await connections()) - others;
    const each = (memory().heapUsed - heap) / WATCHERS / 1000;
    show(
      `${WATCHERS} idle watchers, ${way}`,
      `${statements.toFixed(1)} statements/s, ${open} connections, ${each.toFixed(1)} kB of heap each; ` +
        `of one core: node ${used("node")}, server ${used("server")}`,
    );
    abort.abort();
    await Promise.all(watching);
    await close();
  }
}

/** Appends with and without the trigger on the sessions, and with somebody who listens. */
async function notify(): Promise<void> {
  for (const fsync of ["off", "on"]) {
    const own = await startServer(...SETTINGS, `fsync=${fsync}`);
    const admin = postgres(own.url, { max: 1, onnotice: () => {} });
    const { db, close } = await connect({ url: own.url, max: WRITERS });
    await migrate(db, { with: ["message-rows", "durable-replies"] });
    const ids = await Promise.all(
      Array.from({ length: WRITERS }, async (_, n) => {
        const sessions = journey.forUser(db, `user_${n}`);
        return { sessions, id: (await sessions.create()).id };
      }),
    );
    /** Appends per second. */
    const appends = async (writers: number, milliseconds: number) => {
      const begun = performance.now();
      let count = 0;
      await Promise.all(
        ids.slice(0, writers).map(async ({ sessions, id }) => {
          while (performance.now() - begun < milliseconds) {
            const message: JourneyMessage = {
              id: randomUUID(),
              role: "user",
              parts: [{ type: "text", text: "Hello" }],
            };
            await sessions.append(id, message);
            count++;
          }
        }),
      );
      return (1000 * count) / (performance.now() - begun);
    };
    await appends(WRITERS, 1_000);
    const MODES = ["without the trigger", "with it", "with it and a listener"] as const;
    const runs = new Map<string, number[]>();
    for (let round = 0; round < 15; round++)
      for (const mode of orderOf(MODES, round)) {
        const how = mode === MODES[0] ? "disable" : "enable";
        await admin.unsafe(`alter table journey_sessions ${how} trigger journey_sessions_notify`);
        const listening = mode === MODES[2] ? await admin.listen("journey_db", () => {}) : undefined;
        for (const writers of [1, WRITERS]) {
          const key = `fsync ${fsync}, ${writers} writer${writers > 1 ? "s" : ""}, ${mode}`;
          runs.set(key, [...(runs.get(key) ?? []), await appends(writers, 400)]);
        }
        await listening?.unlisten();
      }
    for (const [key, rates] of runs)
      show(
        key,
        `${medianOf(rates).toFixed(0)} appends/s (${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)})`,
      );
    await admin.end();
    await close();
    await own.stop();
  }
}

async function left(): Promise<void> {
  await sql`vacuum journey_replies, journey_reply_chunks`;
  const look = async () => {
    const [row] = await sql<{ replies: number; chunks: number; bytes: number }[]>`
      select (select count(*)::int from journey_replies) as replies, (select count(*)::int from journey_reply_chunks) as chunks,
        (pg_total_relation_size('journey_replies') + pg_total_relation_size('journey_reply_chunks'))::float8 as bytes`;
    return `${row?.replies} replies, ${row?.chunks} batches, ${((row?.bytes ?? 0) / 1000).toFixed(0)} kB on disk`;
  };
  await sql`truncate journey_replies cascade`;
  await Promise.all(
    Array.from({ length: REPLIES }, async () => {
      const { response, turn } = await respond(
        journey.forUser(direct.db, randomUUID()),
        randomUUID(),
        true,
        5,
      );
      await response.text();
      await turn.stored;
    }),
  );
  show(`after ${REPLIES} replies, at once`, await look());
  await delay(12_000);
  show("12 s later", await look());
  await sql`vacuum journey_replies, journey_reply_chunks`;
  show("after vacuum", await look());
}

const PARTS = { intervals, sizes, tabs, many, watchers, notify, left };
const [, , ...chosen] = process.argv;
try {
  for (const [name, measure] of Object.entries(PARTS))
    if (chosen.length === 0 || chosen.includes(name)) await measure();
} finally {
  await sql.end();
  await direct.close();
  await pooled.close();
  await server.stop();
}

/**
 * What sessions take on the disk, in the write-ahead log and of vacuum, in both layouts; whether calls cost more the more
 * sessions there are; and what follows for a number of daily users. `node scripts/run.js bench/scale.ts`, on a server of
 * its own, for which TEST_POSTGRES_BIN may name another PostgreSQL; with names of parts (`life growth replies partitions`),
 * only these. It needs 20 GB of disk, and 20 minutes.
 */
import "../scripts/closed-output.js";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createGzip } from "node:zlib";
import postgres, { type Sql } from "postgres";
import { prune } from "../src/admin.js";
import { connect } from "../src/connection/connect.js";
import { replyTables } from "../src/durable-replies.js";
import { defineJourney, forUser, type JourneyMessage } from "../src/index.js";
import { messagesTable } from "../src/message-rows.js";
import { migrate } from "../src/migrate.js";
import { journeySessions } from "../src/schema.js";
import { startServer } from "../test/support/child-server.js";
import { elapsedMs, orderOf, summary } from "./measure.js";
import { readPassages } from "./passages.js";

/** Of a user who sends 20 messages a day: 20 turns of a question and its answer, in two sessions. */
const TURNS_A_DAY = 20;
/** Messages of a session, and bytes of the text of each. */
const LIFE = { messages: 20, bytes: 1000, sessions: 50_000 };
/** Sessions that are written side by side, from their first message to the last. */
const ACTIVE = 1000;
const GROWTH = { messages: 4, bytes: 500, sessions: [10_000, 100_000, 1_000_000] };
const SESSIONS_A_USER = 20;
/** Users whose sessions the calls use, spread over the table. */
const USERS = 500;
const CLIENTS = 8;
const CALLS = 4000;
const ROUNDS = 6;
const DUMPED = 5000;
/** A tenth of the day's messages in the busiest hour. */
const PEAK = 0.1;
const DAILY_USERS = [10_000, 100_000, 1_000_000];

const SETTINGS = [
  ...["shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=1d", "autovacuum=off"],
  "shared_preload_libraries=pg_stat_statements",
];
const LAYOUTS = {
  column: { with: [], forUser, tables: ["journey_sessions"] },
  rows: {
    with: ["message-rows"],
    forUser: defineJourney({ messages: messagesTable(journeySessions) }).forUser,
    tables: ["journey_sessions", "journey_messages"],
  },
} as const;
type Layout = keyof typeof LAYOUTS;
const NAMES = Object.keys(LAYOUTS) as Layout[];

type Database = Awaited<ReturnType<typeof connect>>["db"];

const server = await startServer(...SETTINGS);
const admin = postgres(server.url, { max: 1, onnotice: () => {} });
const passages = readPassages(1);

const show = (what: string, figures: string) => console.log(`${what.padEnd(72)}${figures}`);
const kilo = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;

/** A migrated database of its own, dropped afterwards. */
async function inDatabase<T>(
  also: readonly ("message-rows" | "durable-replies")[],
  work: (sql: Sql, db: Database, url: string) => Promise<T>,
): Promise<T> {
  const { sql, db, url, end } = await makeDatabase(also);
  try {
    return await work(sql, db, url);
  } finally {
    await end();
  }
}

async function makeDatabase(also: readonly ("message-rows" | "durable-replies")[]) {
  const name = `scale_${randomUUID().replaceAll("-", "")}`;
  await admin`create database ${admin(name)}`;
  const { href: url } = new URL(`/${name}`, server.url);
  const { db, close } = await connect({ url, max: CLIENTS, statementTimeoutMs: 600_000 });
  await migrate(db, { with: [...also] });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`create extension pg_stat_statements`;
  return {
    sql,
    db,
    url,
    async end() {
      await sql.end();
      await close();
      await admin`drop database ${admin(name)} with (force)`;
    },
  };
}

/** The one row of a statement. */
async function row<T extends Record<string, number>>(rows: Promise<T[]>): Promise<T> {
  const [first] = await rows;
  if (!first) throw new Error("a statement returned no row");
  return first;
}

const position = () =>
  row(
    admin<{ wal: number; xid: number }[]>`
      select (pg_current_wal_insert_lsn() - '0/0')::float8 as wal,
        pg_snapshot_xmax(pg_current_snapshot())::text::float8 as xid`,
  );

/** Milliseconds of the processor so far, of each connection's process. */
async function processor(): Promise<Map<number, number>> {
  const backends = await admin<{ pid: number }[]>`
    select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`;
  return new Map(
    backends.map(({ pid }) => [
      pid,
      Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6,
    ]),
  );
}

interface Spent {
  ms: number;
  /** Milliseconds of the server's processor. */
  cpu: number;
  /** Bytes of the write-ahead log. */
  wal: number;
  /** Transactions that wrote. */
  xids: number;
}

async function spent(work: () => Promise<unknown>): Promise<Spent> {
  const before = await position();
  const used = await processor();
  const start = process.hrtime.bigint();
  await work();
  const ms = elapsedMs(start);
  let cpu = 0;
  for (const [pid, now] of await processor()) cpu += now - (used.get(pid) ?? 0);
  const after = await position();
  return { ms, cpu, wal: after.wal - before.wal, xids: after.xid - before.xid };
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const client = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

let written = 0;
const message = (role: "user" | "assistant", bytes: number): JourneyMessage => ({
  id: createHash("md5").update(`${++written}`).digest("hex").slice(0, 16),
  role,
  parts: [{ type: "text", text: (passages[written % passages.length] ?? "").slice(0, bytes).toWellFormed() }],
});

/** Sessions of many users, the first half inactive for half a year. What several users write alternates in the tables. */
async function fill(sql: Sql, layout: Layout, sessions: number, messages: number, bytes: number) {
  const texts = passages.slice(0, 1000).map((text) => text.slice(0, bytes).toWellFormed());
  await sql`create temp table texts as select n::int - 1 as n, t from unnest(${texts}::text[]) with ordinality as x (t, n)`;
  await sql`create index on texts (n)`;
  await sql`analyze texts`;
  const stored = (session: string, n: string) => `
    select json_build_object('id', left(md5(${session}::text || ${n}), 16),
      'role', case ${n} % 2 when 1 then 'user' else 'assistant' end,
      'parts', json_build_array(json_build_object('type', 'text', 'text', t))) as message
    from texts where texts.n = (hashint8(${session}::int8) + ${n} * 7919::int8 + 2147483648) % ${texts.length}`;
  const begun = `now() - interval '1 day' - case when s <= ${sessions} / 2 then interval '180 days' else '0' end + s * interval '1 ms'`;
  const value =
    layout === "column"
      ? `(select jsonb_agg(m.message) from generate_series(1, ${messages}) as i, lateral (${stored("s", "i")}) as m)`
      : `jsonb_build_object('rows', ${messages}, 'last', left(md5(s::text || ${messages}), 16))`;
  await sql`set session_replication_role = replica`;
  await sql.unsafe(`
    insert into journey_sessions (user_id, messages, metadata, created_at, updated_at)
    select 'user_' || s % ${sessions / SESSIONS_A_USER}, ${value}, '{"title": "A title of some words"}', ${begun},
      ${begun} + interval '${messages} seconds'
    from generate_series(1, ${sessions}) as s`);
  if (layout === "rows") {
    await sql.unsafe(`
      create temp table numbered as select row_number() over (order by created_at) as s, user_id, id, created_at
      from journey_sessions`);
    for (let i = 1; i <= messages; i++)
      await sql.unsafe(`
        insert into journey_messages (user_id, session_id, id, appended_at, n, message)
        select user_id, numbered.id, m.message ->> 'id', created_at + interval '${i} seconds', 1, m.message
        from numbered, lateral (${stored("s", `${i}`)}) as m`);
    await sql`drop table numbered`;
  }
  await sql`drop table texts`;
  await sql`set session_replication_role = origin`;
  await sql.unsafe(`vacuum (freeze, analyze) ${LAYOUTS[layout].tables.join(", ")}`);
  await sql`checkpoint`;
}

/** Heap, TOAST and each index. */
const sizesOf = (sql: Sql, tables: readonly string[]) => sql<{ name: string; bytes: number }[]>`
  select t.relname || coalesce(': ' || i.name, '') as name, i.bytes from pg_class t, lateral (
    select 'rows' as name, pg_relation_size(t.oid)::float8 as bytes, 0 as place
    union all select 'long values (TOAST)', pg_total_relation_size(t.reltoastrelid)::float8, 1
    union all select indexrelid::regclass::text, pg_relation_size(indexrelid)::float8, 2 from pg_index where indrelid = t.oid
  ) as i where t.oid = any (${tables as string[]}::regclass[]) order by t.relname desc, place, i.name`;

async function set(setting: string): Promise<void> {
  await admin.unsafe(`alter system set ${setting}`);
  await admin`select pg_reload_conf()`;
  // The checkpointer, which tells the others of full_page_writes, first reads the settings again.
  await admin`checkpoint`;
}

/** Sessions from their first message to the last, all of them side by side. */
async function live(layout: Layout, db: Database, isFirst: boolean) {
  const { forUser } = LAYOUTS[layout];
  const sessions = Array.from({ length: ACTIVE }, () => ({
    userId: `user_${randomUUID()}`,
    id: randomUUID(),
  }));
  const sum = { ms: 0, cpu: 0, wal: 0, xids: 0 };
  for (let turn = 0; turn < LIFE.messages / 2; turn++) {
    if (isFirst) await admin`checkpoint`;
    const one = await spent(() =>
      each(sessions, async ({ userId, id }) => {
        await forUser(db, userId).append(id, message("user", LIFE.bytes), { create: turn === 0 });
        await forUser(db, userId).append(id, message("assistant", LIFE.bytes));
      }),
    );
    for (const key of Object.keys(sum) as (keyof Spent)[]) sum[key] += one[key];
  }
  return sum;
}

/** Bytes. */
interface Sizes {
  /** Of the write-ahead log per turn, if its pages were written since the last checkpoint. */
  again: number;
  /** If they were not, and of vacuum. */
  first: number;
  /** Of a session on the disk. */
  session: number;
}

async function life(): Promise<void> {
  const turns = (ACTIVE * LIFE.messages) / 2;
  const measured: [Layout, Sizes][] = [];
  for (const layout of NAMES) {
    const { tables, with: also } = LAYOUTS[layout];
    console.log(`\n${layout}: ${LIFE.sessions} sessions of ${LIFE.messages} messages of ${LIFE.bytes} bytes`);
    await inDatabase(also, async (sql, db, url) => {
      await fill(sql, layout, LIFE.sessions, LIFE.messages, LIFE.bytes);
      const sizes = await sizesOf(sql, tables);
      for (const { name, bytes } of sizes) {
        const session = bytes / LIFE.sessions;
        show(
          name,
          `${session.toFixed(0)} B per session, ${(session / LIFE.messages).toFixed(1)} B per message`,
        );
      }
      const session = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / LIFE.sessions;
      show(
        "all",
        `${session.toFixed(0)} B per session, ${(session / LIFE.messages).toFixed(1)} B per message`,
      );

      await dump(url, tables);

      const counts = () =>
        row(
          sql<{ updated: number; hot: number; dead: number; chunks: number }[]>`
            select n_tup_upd::float8 as updated, n_tup_hot_upd::float8 as hot, n_dead_tup::float8 as dead,
              pg_stat_get_dead_tuples(reltoastrelid)::float8 as chunks
            from pg_stat_user_tables join pg_class on oid = relid where relid = 'journey_sessions'::regclass`,
        );
      const before = await counts();
      await set("full_page_writes = off");
      const again = await live(layout, db, false);
      // Backends report their counts up to some seconds later.
      const updates = ACTIVE * (LIFE.messages - 1);
      let after = await counts();
      while (after.updated - before.updated < updates) after = await counts();
      const hot = (100 * (after.hot - before.hot)) / (after.updated - before.updated);
      show(
        "updates of sessions",
        `${hot.toFixed(1)} % HOT; ${(after.dead / turns).toFixed(2)} dead rows and ${(after.chunks / turns).toFixed(1)} dead chunks per turn`,
      );
      const vacuum = `vacuum ${tables.join(", ")}`;
      await sql.unsafe(vacuum);
      await set("full_page_writes = on");
      const first = await live(layout, db, true);
      await admin`checkpoint`;
      const cleaned = await spent(() => sql.unsafe(vacuum));
      await set("wal_compression = pglz");
      const compressed = await live(layout, db, true);
      await set("wal_compression = off");
      show("WAL per turn, pages written since the checkpoint", kilo(again.wal / turns));
      show("WAL per turn, each the first after a checkpoint", kilo(first.wal / turns));
      show("  with wal_compression", kilo(compressed.wal / turns));
      show(
        `vacuum after ${turns} turns`,
        `${(cleaned.ms / 1000).toFixed(1)} s, ${kilo(cleaned.wal / turns)} of WAL per turn`,
      );
      show(
        "a turn",
        `${(again.cpu / turns).toFixed(2)} ms of the server's processor, ${(again.xids / turns).toFixed(2)} transactions`,
      );
      measured.push([
        layout,
        { again: again.wal / turns, first: (first.wal + cleaned.wal) / turns, session },
      ]);

      await sql.unsafe(vacuum);
      await admin`checkpoint`;
      const pruned = await spent(() => prune(db, { inactiveFor: "90d" }));
      const sessions = LIFE.sessions / 2;
      show(
        `prune of ${sessions} sessions`,
        `${(pruned.ms / 1000).toFixed(1)} s, ${((1000 * sessions) / pruned.ms).toFixed(0)} sessions/s, ${kilo(pruned.wal / sessions)} of WAL each`,
      );
      const vacuumed = await spent(() => sql.unsafe(vacuum));
      show(
        "vacuum after it",
        `${(vacuumed.ms / 1000).toFixed(1)} s, ${kilo(vacuumed.wal / sessions)} of WAL per session`,
      );
      const dropped = await spent(() => sql.unsafe(`drop table ${tables.join(", ")}`));
      show("drop of the tables", `${dropped.ms.toFixed(0)} ms, ${kilo(dropped.wal)} of WAL`);
    });
  }
  for (const users of DAILY_USERS) day(users, measured);
}

/** What follows for a number of daily users. */
function day(users: number, measured: readonly [Layout, Sizes][]): void {
  const turns = users * TURNS_A_DAY;
  const sessions = (turns * 2) / LIFE.messages;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  console.log(`\n${users} daily users: ${turns * 2} messages in ${sessions} new sessions`);
  show(
    "messages stored per second",
    `${((turns * 2) / 86_400).toFixed(1)} on average, ${((turns * 2 * PEAK) / 3600).toFixed(0)} in the busiest hour`,
  );
  for (const [layout, { again, first, session }] of measured)
    show(
      layout,
      `${gigabytes(turns * again)} to ${gigabytes(turns * first)} of WAL a day, ` +
        `${((PEAK * turns * first) / 3600 / 1e6).toFixed(2)} MB/s in the busiest hour, ${gigabytes(sessions * session * 365)} of disk a year`,
    );
}

/** What pg_dump copies, plain and as `--format=custom` compresses it. */
async function dump(url: string, tables: readonly string[]): Promise<void> {
  const sum = { plain: 0, gzip: 0, ms: 0 };
  const some = `(select id from journey_sessions order by created_at desc limit ${DUMPED})`;
  for (const table of tables) {
    const key = table === "journey_sessions" ? "id" : "session_id";
    // A client of its own: postgres.js may leave its socket paused after the last chunk.
    const sql = postgres(url, { max: 1 });
    const text = await sql
      .unsafe(`copy (select * from ${table} where ${key} in ${some}) to stdout`)
      .readable();
    const parts: Buffer[] = [];
    const start = process.hrtime.bigint();
    for await (const part of text) parts.push(part);
    sum.ms += elapsedMs(start);
    await sql.end({ timeout: 0 });
    const gzip = createGzip({ level: 6 });
    const compressed = (async () => {
      for await (const part of gzip) sum.gzip += part.length;
    })();
    for (const part of parts) {
      sum.plain += part.length;
      if (!gzip.write(part)) await new Promise((resolve) => gzip.once("drain", resolve));
    }
    gzip.end();
    await compressed;
  }
  show(
    "a dump",
    `${kilo(sum.plain / DUMPED)} per session, gzip ${kilo(sum.gzip / DUMPED)}, ${(sum.plain / 1000 / sum.ms).toFixed(0)} MB/s`,
  );
}

/** The same calls on the same number of sessions, of more and more. */
async function growth(): Promise<void> {
  const stages = [];
  for (const layout of NAMES)
    for (const sessions of GROWTH.sessions) {
      const { sql, db, end } = await makeDatabase(LAYOUTS[layout].with);
      await fill(sql, layout, sessions, GROWTH.messages, GROWTH.bytes);
      const owners = sessions / SESSIONS_A_USER;
      const users = Array.from({ length: USERS }, (_, n) => `user_${(n * owners) / USERS}`);
      const found = await sql<{ id: string; userId: string }[]>`
        select id, user_id as "userId" from journey_sessions where user_id = any (${users}) order by id`;
      const sizes = await sizesOf(sql, LAYOUTS[layout].tables);
      const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
      show(`${layout}, ${sessions} sessions`, `${(total / 1e9).toFixed(2)} GB`);
      stages.push({ layout, sessions, sql, db, end, found, used: 0 });
    }
  type Stage = (typeof stages)[number];
  const CALL: Record<string, (stage: Stage, one: { id: string; userId: string }) => Promise<unknown>> = {
    list: ({ layout, db }, { userId }) => LAYOUTS[layout].forUser(db, userId).list({ limit: 20 }),
    "messages({ limit: 50 })": ({ layout, db }, { userId, id }) =>
      LAYOUTS[layout].forUser(db, userId).messages(id, { limit: 50 }),
    get: ({ layout, db }, { userId, id }) => LAYOUTS[layout].forUser(db, userId).get(id),
    append: ({ layout, db }, { userId, id }) =>
      LAYOUTS[layout].forUser(db, userId).append(id, message("user", GROWTH.bytes)),
    create: ({ layout, db }, { userId }) =>
      LAYOUTS[layout].forUser(db, userId).create({ messages: [message("user", GROWTH.bytes)] }),
  };
  await set("full_page_writes = off");
  const runs = new Map<string, Spent[]>();
  const costs = new Map<string, { buffers: number; wal: number }>();
  for (const [name, call] of Object.entries(CALL)) {
    for (let round = 0; round < ROUNDS; round++)
      for (const stage of orderOf(stages, round)) {
        const chosen = Array.from(
          { length: CALLS },
          (_, n) => stage.found[(stage.used + n) % stage.found.length] as { id: string; userId: string },
        );
        stage.used += CALLS;
        await stage.sql`select pg_stat_statements_reset()`;
        const run = await spent(() => each(chosen, (one) => call(stage, one)));
        const key = `${stage.layout}, ${name}, ${stage.sessions} sessions`;
        // The first round also plans the statements, and reads what is not in memory.
        if (round > 0) runs.set(key, [...(runs.get(key) ?? []), run]);
        if (round !== 1) continue;
        const { buffers, wal } = await row(
          stage.sql<{ buffers: number; wal: number }[]>`
            select sum(shared_blks_hit + shared_blks_read)::float8 as buffers, sum(wal_bytes)::float8 as wal
            from pg_stat_statements where query ~ 'journey_' and query !~ 'pg_stat'`,
        );
        costs.set(key, { buffers: buffers / CALLS, wal: wal / CALLS });
      }
  }
  for (const layout of NAMES)
    for (const name of Object.keys(CALL))
      for (const sessions of GROWTH.sessions) {
        const key = `${layout}, ${name}, ${sessions} sessions`;
        const of = runs.get(key) ?? [];
        const rate = summary(of.map(({ ms }) => (1000 * CALLS) / ms));
        const cpu = summary(of.map((one) => (1000 * one.cpu) / CALLS)).median;
        const { buffers, wal } = costs.get(key) ?? { buffers: Number.NaN, wal: Number.NaN };
        show(
          key,
          `${rate.median.toFixed(0)} per second (${rate.p5.toFixed(0)} to ${rate.p95.toFixed(0)}), ` +
            `${cpu.toFixed(0)} µs of the server's processor, ${buffers.toFixed(1)} buffers, ${wal.toFixed(0)} B of WAL`,
        );
      }
  // What reads all of the table.
  for (const { layout, sessions, sql, db } of stages) {
    const vacuumed = await spent(() => sql`vacuum (index_cleanup on) journey_sessions`);
    const walked = await spent(() => prune(db, { inactiveFor: "10y" }));
    show(
      `${layout}, ${sessions} sessions`,
      `vacuum of the sessions ${vacuumed.ms.toFixed(0)} ms, prune of none of them ${walked.ms.toFixed(0)} ms`,
    );
  }
  await set("full_page_writes = on");
  for (const { end } of stages) await end();
}

/** What a durable reply of ten seconds adds to a turn: 50 tokens per second, in a batch every 250 ms. */
async function replies(): Promise<void> {
  const REPLIES = 200;
  const BATCHES = 40;
  const chunks = Array.from(
    { length: 12 },
    (_, n) => `data: {"type":"text-delta","id":"t","delta":" word${n}"}\n\n`,
  );
  const journey = defineJourney({ replies: replyTables(journeySessions).replies });
  await inDatabase(["durable-replies"], async (_, db) => {
    await set("full_page_writes = off");
    const { wal, xids } = await spent(() =>
      each(Array.from({ length: REPLIES }), async () => {
        const sessions = journey.forUser(db, randomUUID());
        const { id } = await sessions.create();
        if (!sessions.replies) throw new Error("a handle with replies has none");
        await sessions.replies.start(id, "r");
        for (let n = 1; n <= BATCHES; n++)
          await sessions.replies.write(id, "r", { n, chunks: chunks.join("") });
        await sessions.replies.write(id, "r", { n: BATCHES, chunks: "", state: "ended" });
        await sessions.replies.delete(id, "r");
      }),
    );
    await set("full_page_writes = on");
    show(
      "a durable reply of 10 s",
      `${kilo(wal / REPLIES)} of WAL, ${(xids / REPLIES).toFixed(0)} transactions`,
    );
  });
}

/** What a lookup by id reads, in one table and in one that has a partition per month. */
async function partitions(): Promise<void> {
  const SESSIONS = 100_000;
  const MONTHS = 24;
  await inDatabase([], async (sql) => {
    await sql.unsafe(`
      insert into journey_sessions (user_id, created_at)
      select 'user_' || s % 5000, timestamptz '2024-01-01' + s * interval '${MONTHS} months' / ${SESSIONS + 1}
      from generate_series(1, ${SESSIONS}) as s;
      create table by_month (like journey_sessions including defaults, primary key (id, created_at))
        partition by range (created_at)`);
    for (let month = 0; month < MONTHS; month++)
      await sql.unsafe(`
        create table by_month_${month} partition of by_month
        for values from (timestamptz '2024-01-01' + interval '${month} months') to (timestamptz '2024-01-01' + interval '${month + 1} months')`);
    await sql`insert into by_month select * from journey_sessions`;
    await sql`vacuum (analyze) journey_sessions, by_month`;
    const { id } = (await sql`select id from journey_sessions offset ${SESSIONS / 2} limit 1`)[0] ?? {};
    await sql`set plan_cache_mode = force_generic_plan`;
    for (const table of ["journey_sessions", "by_month"]) {
      await sql.unsafe(`prepare ${table}_by_id as select * from ${table} where id = $1`);
      const explained = () =>
        sql.unsafe(`explain (analyze, buffers, format json) execute ${table}_by_id('${id}')`);
      // The first also plans it.
      await explained();
      const [found] = await explained();
      const { Plan: plan } = found?.["QUERY PLAN"][0] ?? {};
      show(`a lookup by id in ${table}`, `${plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]} buffers`);
    }
  });
}

const PARTS = { life, growth, replies, partitions };
const [, , ...chosen] = process.argv;
try {
  for (const [name, measure] of Object.entries(PARTS))
    if (chosen.length === 0 || chosen.includes(name)) await measure();
} finally {
  await admin.end();
  await server.stop();
}

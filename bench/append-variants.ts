/**
 * What the server spends on an append by way of other statements and triggers: milliseconds of its
 * processor, medians. `tsx bench/append-variants.ts`, on a server of its own, or on DATABASE_URL where
 * that is on this machine and may create databases. Linux only.
 */
import "../scripts/closed-output.js";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import postgres from "postgres";
import { connect } from "../src/connect.js";
import { defineJourney } from "../src/index.js";
import { migrate } from "../src/maintain.js";
import { startServer } from "../test/support/child-server.js";
import { summary } from "./measure.js";
import { makeTexts } from "./texts.js";

const SIZES = [10, 100, 1000, 5000];
const ROUNDS = [100, 60, 20, 10];
/** Servers choose the plan of a prepared statement at its sixth call. */
const WARM_UP = 6;
const STORAGES = {
  uncompressed: "set storage external",
  pglz: "set storage extended, alter messages set compression pglz",
  lz4: "set storage extended, alter messages set compression lz4",
};
const EVERY_UPDATE = `drop trigger journey_sessions_updated_at on journey_sessions;
  create trigger journey_sessions_updated_at before update on journey_sessions
  for each row execute function update_journey_sessions_updated_at()`;
const OWN_ROW = "user_id = $1 and id = $2";
/** The value is read once, under a lock, by a sub-select that the update joins. */
const LOCKED = `update journey_sessions s set messages = new.messages, updated_at = now()
  from (
    select case when jsonb_typeof(m) = 'array' then m || added end as messages
    from (select messages #> '{}' as m from journey_sessions where ${OWN_ROW} for no key update offset 0) as stored,
      (select $3::text::jsonb as added offset 0) as input offset 0
  ) as new
  where s.user_id = $1 and s.id = $2 and new.messages is not null returning s.id`;
const LEAST = (more = "") =>
  `update journey_sessions set messages = messages || $3::text::jsonb${more} where ${OWN_ROW} returning id`;

const VARIANTS: Record<string, { before?: string; text?: string }> = {
  "append, as it is": {},
  "append, trigger on every update": { before: EVERY_UPDATE },
  "messages || …, trigger on every update": { before: EVERY_UPDATE, text: LEAST() },
  "messages || …": { text: LEAST(", updated_at = now()") },
  "messages || …, read once under a lock": { text: LOCKED },
};

const server = process.env.DATABASE_URL
  ? { url: process.env.DATABASE_URL, stop: async () => {} }
  : await startServer("fsync=off", "shared_buffers=512MB", "max_wal_size=4GB");
const admin = postgres(server.url, { max: 1, onnotice: () => {} });
const processorOf = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
const texts = makeTexts(1);
const userId = "user_1";

for (const [storage, setting] of Object.entries(STORAGES)) {
  const [has] = await admin`select from pg_settings
    where name = 'default_toast_compression' and ('lz4' = any (enumvals) or ${storage} <> 'lz4')`;
  if (!has) continue;
  const opened = await Promise.all(
    Object.entries(VARIANTS).map(async ([name, { before, text }]) => {
      const database = `append_variants_${randomUUID().replaceAll("-", "")}`;
      await admin.unsafe(`create database ${database}`);
      const url = server.url.replace(/[^/]*$/, database);
      const { db, close } = await connect({ url, max: 1, statementTimeoutMs: 60_000 });
      await migrate(db);
      const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
      await sql.unsafe(`alter table journey_sessions alter messages ${setting}; ${before ?? ""}`);
      const sessions = defineJourney({ maxSessionBytes: 0x0fffffff, timeoutMs: 60_000 }).forUser(db, userId);
      return {
        name,
        sessions,
        async backend() {
          await sessions.count();
          const [found] = await admin<{ pid: number }[]>`
            select pid from pg_stat_activity
            where datname = ${database} and (application_name = 'journey-db') = ${!text}`;
          return found?.pid ?? 0;
        },
        append: (id: string, message: Parameters<typeof sessions.append>[1]) =>
          text
            ? sql.unsafe(text, [userId, id, JSON.stringify([message])], { prepare: true })
            : sessions.append(id, message),
        end: async () => {
          await close();
          await sql.end();
          await admin.unsafe(`drop database ${database} with (force)`);
        },
      };
    }),
  );
  for (const [n, messages] of SIZES.entries()) {
    const conversation = texts.conversation(messages, "prose");
    const id = randomUUID();
    for (const { sessions } of opened) await sessions.create({ id, messages: conversation });
    const spent = new Map<string, number[]>(opened.map(({ name }) => [name, []]));
    const backends = await Promise.all(opened.map(({ backend }) => backend()));
    for (let round = -WARM_UP; round < (ROUNDS[n] ?? 0); round++) {
      const [message] = texts.turn("prose");
      for (let place = 0; place < opened.length; place++) {
        const turn = (place + round + WARM_UP) % opened.length;
        const [variant, pid] = [opened[turn], backends[turn]];
        if (!variant || !pid) throw new Error("a variant has no connection");
        const before = processorOf(pid);
        await variant.append(id, message);
        if (round >= 0) spent.get(variant.name)?.push(processorOf(pid) - before);
      }
    }
    console.log(`${storage}, ${messages} messages`);
    for (const [name, samples] of spent) {
      console.log(`  ${name.padEnd(40)} ${summary(samples).median.toFixed(2).padStart(8)}`);
    }
  }
  for (const { end } of opened) await end();
}
await admin.end();
await server.stop();

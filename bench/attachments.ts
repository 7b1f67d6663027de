/**
 * What a file within a message costs, in both layouts: a conversation of 20 messages of 2 kB, one more with a data URL,
 * and then a short one. `node scripts/run.js bench/attachments.ts`, on a server of its own.
 */
import "../scripts/closed-output.js";
import { randomBytes } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import { connect } from "../src/connection/connect.js";
import { defineJourney, type JourneyMessage } from "../src/index.js";
import { messagesTable } from "../src/message-rows.js";
import { migrate } from "../src/migrate.js";
import { journeySessions } from "../src/schema.js";
import { startServer } from "../test/support/child-server.js";

const MEGABYTES = [0, 1, 5, 20];
const CALLS = 9;
const limits = { maxSessionBytes: 200_000_000, maxMessageBytes: 200_000_000, timeoutMs: 60_000 };

const server = await startServer("fsync=off", "max_wal_size=8GB", "autovacuum=off");
const { db, close } = await connect({ url: server.url, max: 1, statementTimeoutMs: 60_000 });
await migrate(db, { with: ["message-rows"] });
const handles = {
  column: defineJourney(limits).forUser(db, "user_1"),
  rows: defineJourney({ ...limits, messages: messagesTable(journeySessions) }).forUser(db, "user_2"),
};

/** Random bytes, as those of an image: nothing compresses them. */
const file = (megabytes: number): JourneyMessage => ({
  id: "file",
  role: "user",
  parts: [
    {
      type: "file",
      mediaType: "image/png",
      url:
        megabytes === 0
          ? "https://files.example/1.png"
          : `data:image/png;base64,${randomBytes((megabytes * 750_000) | 0).toString("base64")}`,
    },
  ],
});
const said = (id: string, text: string): JourneyMessage => ({
  id,
  role: "user",
  parts: [{ type: "text", text }],
});
const conversation = Array.from({ length: 20 }, (_, n) =>
  said(`m${n}`, randomBytes(1500).toString("base64")),
);
async function one<T>(query: SQL): Promise<T> {
  const [row] = (await db.execute(query)) as unknown as T[];
  return row as T;
}
const position = async () => (await one<{ at: string }>(sql`select pg_current_wal_insert_lsn() as at`)).at;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Milliseconds and WAL, of each kind of call. */
const figures = new Map<string, { ms: number[]; wal: number[] }>();
async function measured(name: string, call: () => Promise<unknown>): Promise<void> {
  const before = await position();
  const begun = performance.now();
  await call();
  const ms = performance.now() - begun;
  const { bytes } = await one<{ bytes: number }>(
    sql`select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), ${before}::pg_lsn)::float8 as bytes`,
  );
  const figure = figures.get(name) ?? { ms: [], wal: [] };
  figure.ms.push(ms);
  figure.wal.push(bytes);
  figures.set(name, figure);
}

for (const megabytes of MEGABYTES) {
  for (let n = 0; n < CALLS; n++) {
    for (const [layout, sessions] of Object.entries(handles)) {
      const { id } = await sessions.create({ messages: conversation });
      const name = `${String(megabytes).padStart(2)} MB, ${layout.padEnd(6)} `;
      const message = file(megabytes);
      await measured(`${name}append it`, () => sessions.append(id, message));
      await measured(`${name}append a short one after it`, () =>
        sessions.append(id, said("after", "Thank you")),
      );
      await measured(`${name}get`, () => sessions.get(id));
      await measured(`${name}messages, the last 20`, () => sessions.messages(id, { limit: 20 }));
      for (let more = 2; more <= 25; more++) await sessions.append(id, said(`after ${more}`, "Thank you"));
      await measured(`${name}messages, the last 20 without it`, () => sessions.messages(id, { limit: 20 }));
      await sessions.delete(id);
    }
  }
  for (const [name, { ms, wal }] of figures) {
    const times = `${Math.min(...ms)
      .toFixed(1)
      .padStart(8)} ms at least, ${median(ms).toFixed(1).padStart(8)} ms median`;
    console.log(`${name.padEnd(50)} ${times} ${(median(wal) / 1000).toFixed(1).padStart(9)} kB of WAL`);
  }
  figures.clear();
}
await close();
await server.stop();

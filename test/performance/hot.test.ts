import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import type { Database } from "../../src/model/database.js";
import { startServer } from "../support/child-server.js";
import { atEnd, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { countedDuring } from "../support/table-statistics.js";
import { CASES, type Case, unstored } from "../support/verbs.js";

// An update that changes no indexed column and finds room on the row's page makes no index entry
// (HOT), and what it leaves behind goes without vacuum.

const OWNERS = 300;
const SESSIONS = 1_500;

/** Bytes of the first message. From about 2,000 on a conversation is kept apart from its row. */
const KINDS = { "within the row": 300, "apart from the row": 4_000 };

// A transaction in any database of a server keeps rows that were updated since from going, so other
// tests would show here.
const server = await startServer();
atEnd(server.stop);
const admin = rawClient(server.url, { max: 1 });

interface Table {
  db: Database;
  stored: { id: string; userId: string }[];
}

/** A table with 300 owners' sessions in a database of its own. */
async function filled(bytes: number, fillfactor?: number): Promise<Table> {
  const name = `hot_${randomUUID().replaceAll("-", "")}`;
  await admin.unsafe(`create database ${name}`);
  const db = openPostgresJs(server.url.replace(/[^/]*$/, name), { max: 1 });
  await migrate(db);
  if (fillfactor) await db.execute(sql.raw(`alter table journey_sessions set (fillfactor = ${fillfactor})`));
  // Text that does not compress.
  await db.execute(sql`
    insert into journey_sessions (user_id, messages, metadata)
    select 'user_' || n % ${OWNERS}::int, jsonb_build_array(jsonb_build_object('id', 'm1', 'role', 'user', 'parts',
        jsonb_build_array(jsonb_build_object('type', 'text', 'text', (
          select string_agg(md5(n || '.' || line), '') from generate_series(1, ${Math.ceil(bytes / 32)}::int) line)))),
        ${JSON.stringify(text("m2"))}::text::jsonb),
      '{"a":1}'
    from generate_series(1, ${SESSIONS}::int) n`);
  const stored = await db
    .select({ id: sql<string>`id::text`, userId: sql<string>`user_id` })
    .from(sql`journey_sessions`)
    .orderBy(sql`id`);
  return { db, stored };
}

/** The share of HOT updates of so many calls, each on another session, in no order of place or owner. */
async function hotShare({ db, stored }: Table, calls: number, { call }: Case, from = 0): Promise<number> {
  const { updates, hotUpdates } = await countedDuring(db, async () => {
    for (let n = from; n < from + calls; n++) {
      const { id, userId } = stored[n] ?? expect.fail();
      const sessions = forUser(db, userId);
      const { revision } = await sessions.messages(id, { limit: 1 });
      await call(sessions, { ...unstored(), id, revision });
    }
  });
  expect(updates).toBe(calls);
  return hotUpdates / updates;
}

const UPDATES = CASES.filter(
  ({ verb, writes, onSession }) => writes && onSession && verb !== "fork" && verb !== "delete",
);

describe.each(Object.entries(KINDS))("updates of conversations %s are HOT", (_, bytes) => {
  it("all of them where pages have room", async () => {
    const table = await filled(bytes, 25);
    const shares: Record<string, number> = {};
    for (const [n, update] of UPDATES.entries())
      shares[update.name] = await hotShare(table, 50, update, n * 50);
    expect(shares).toEqual(Object.fromEntries(UPDATES.map(({ name }) => [name, 1])));
  });

  it("nearly all of them in the table as it is migrated", async () => {
    const table = await filled(bytes);
    for (const [name, calls] of Object.entries({ append: 1000, setPhase: 500, mergeMetadata: 500 })) {
      const update = UPDATES.find((one) => one.name === name) ?? expect.fail();
      expect(await hotShare(table, calls, update), name).toBeGreaterThanOrEqual(0.95);
    }
  });
});

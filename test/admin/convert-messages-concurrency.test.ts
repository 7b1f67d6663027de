import { sql } from "drizzle-orm";
import { beforeEach, expect, it } from "vitest";
import { convertMessages } from "../../src/admin.js";
import { fromAiSdk4 } from "../../src/ai-sdk.js";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { older } from "../support/ai-sdk-4.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";

const url = await migratedDatabase();
const raw = rawClient(url);
const writing = openPostgresJs(url, { max: 4 });
const converting = openPostgresJs(url, { max: 1 });
const owner = newUser();
const sessions = forUser(writing, owner);

// The call changes all sessions of the database, which is this file's own.
beforeEach(async () => {
  await writing.delete(journeySessions);
});

const store = (count: number) => raw<{ id: string }[]>`
  insert into journey_sessions (user_id, messages)
  select ${owner}, ${raw.json(older)} from generate_series(1, ${count}::int) returning id`;

const waiting = () =>
  raw`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;

const CONVERTED = older.map((message) => fromAiSdk4<unknown>(message));

it.each(["read committed", "repeatable read", "serializable"] as const)(
  "at %s, a session that is written to between reading and writing it is read again, and loses nothing",
  async (level) => {
    const [{ id } = { id: "" }] = await store(1);
    const converting = openPostgresJs(url, {
      max: 1,
      connection: { default_transaction_isolation: level },
    });
    let call: Promise<unknown> | undefined;
    await writing.transaction(async (tx: Database) => {
      await forUser(tx, owner).append(id, text("m1"));
      call = convertMessages(converting);
      // It has read the session without the message, and waits to write it.
      await expect.poll(waiting).toHaveLength(1);
    });
    expect(await call).toEqual({ sessions: 1, messages: older.length, skipped: 0 });
    expect((await sessions.get(id))?.messages).toEqual([...CONVERTED, text("m1")]);
  },
);

it("a session whose write came to nothing is converted as it was read", async () => {
  const [{ id } = { id: "" }] = await store(1);
  let call: Promise<unknown> | undefined;
  const rolledBack = new Error("rolled back");
  const transaction = writing.transaction(async (tx: Database) => {
    await forUser(tx, owner).append(id, text("m1"));
    call = convertMessages(converting);
    await expect.poll(waiting).toHaveLength(1);
    throw rolledBack;
  });
  await expect(transaction).rejects.toBe(rolledBack);
  expect(await call).toEqual({ sessions: 1, messages: older.length, skipped: 0 });
  expect((await sessions.get(id))?.messages).toEqual(CONVERTED);
});

it.each([
  ["deleted", (tx: Database, id: string) => forUser(tx, owner).delete(id)],
  ["emptied", (tx: Database, id: string) => forUser(tx, owner).replaceMessages(id, [])],
])("a session that is %s meanwhile is not brought back", async (_, change) => {
  const [{ id } = { id: "" }] = await store(1);
  let call: Promise<unknown> | undefined;
  await writing.transaction(async (tx: Database) => {
    await change(tx, id);
    call = convertMessages(converting);
    await expect.poll(waiting).toHaveLength(1);
  });
  expect(await call).toEqual({ sessions: 0, messages: 0, skipped: 0 });
  expect((await sessions.get(id))?.messages ?? []).toEqual([]);
});

it("a session that others change during each attempt is left unchanged, and counted", async () => {
  const [{ id } = { id: "" }] = await store(1);
  // It changes after each read, before the write.
  await raw.unsafe(`
    create schema restless;
    create function restless.revised(id uuid, at timestamptz) returns timestamptz volatile language sql as
      'select at + random() * interval ''1 hour''';
    create view restless.journey_sessions as
      select id, user_id, phase, messages, metadata, created_at, restless.revised(id, updated_at) as updated_at
      from public.journey_sessions;
    create function restless.put() returns trigger language plpgsql as
      'begin raise ''written''; end';
    create trigger put instead of update on restless.journey_sessions for each row execute function restless.put()`);
  const restless = openPostgresJs(url, { max: 1, connection: { search_path: "restless" } });
  const before = await sessions.get(id);
  expect(await convertMessages(restless)).toEqual({ sessions: 0, messages: 0, skipped: 1 });
  expect(await sessions.get(id)).toEqual(before);
});

it("of sessions that are converted and appended to at once, each is converted and has all that was appended", async () => {
  const SESSIONS = 60;
  const APPENDS = 8;
  const stored = await store(SESSIONS);
  const ids = stored.map(({ id }) => id).sort();
  const write = async (writer: number) => {
    // Two begin at the end of the walk, two at its beginning.
    const order = writer % 2 === 0 ? ids : ids.toReversed();
    for (let n = 0; n < APPENDS; n++)
      for (const id of order) await sessions.append(id, text(`w${writer}-${n}`));
  };
  const writers = [0, 1, 2, 3];
  const [converted] = await Promise.all([
    convertMessages(converting, { batchSize: 7 }),
    ...writers.map(write),
  ]);
  const left = await convertMessages(converting);
  expect(converted.sessions + left.sessions).toBe(SESSIONS);
  expect(converted.skipped).toBe(left.sessions);
  const appended = writers.flatMap((writer) => Array.from({ length: APPENDS }, (_, n) => `w${writer}-${n}`));
  for (const id of ids) {
    const messages = (await sessions.get(id))?.messages ?? [];
    expect(messages.slice(0, older.length)).toEqual(CONVERTED);
    expect(idsOf(messages.slice(older.length)).sort()).toEqual(appended.toSorted());
  }
});

it("two calls at once convert each session once", async () => {
  await store(60);
  const other = openPostgresJs(url, { max: 1 });
  const [one, two] = await Promise.all([convertMessages(converting), convertMessages(other)]);
  expect(one.sessions + two.sessions).toBe(60);
  const [row] = await writing
    .select({ same: sql<number>`count(distinct messages)::int` })
    .from(journeySessions);
  expect(row?.same).toBe(1);
});

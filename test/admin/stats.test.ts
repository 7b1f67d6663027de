import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { prune, stats } from "../../src/admin.js";
import { forUser as forUserOf } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema-zod.js";
import { defineJourney } from "../../src/sessions/define-journey.js";
import { agedSessions } from "../support/aged-sessions.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { text } from "../support/messages.js";
import { countedDuring } from "../support/table-statistics.js";

const { forUser: forRows } = defineJourney({ messages: messagesTable(journeySessions) });
const { forUser: forColumn } = defineJourney();

const MAX_DATE = new Date(8.64e15);
const MIN_DATE = new Date(-8.64e15);

onEveryDriver((database, { forUser }) => {
  // stats counts all sessions of the database, which is this file's own.
  beforeEach(async () => {
    await migrate(database(), { with: ["message-rows"] });
    await database().delete(journeySessions);
  });

  it("of no session", async () => {
    expect(await stats(database())).toEqual({
      sessions: 0,
      owners: 0,
      phases: [],
      bytes: expect.any(Number),
      largest: null,
      largeSessions: 0,
      appendBytes: null,
      messageRows: { sessions: 0, messages: 0, bytes: expect.any(Number) },
      replies: { running: 0, abandoned: 0, bytes: 0 },
      deadRows: expect.any(Number),
      oldestCreatedAt: null,
      oldestUpdatedAt: null,
      newestUpdatedAt: null,
    });
  });

  it("counts all sessions and owners, and the space that they take", async () => {
    const [one, two] = [newUser(), newUser()];
    await forUser(database(), one).create();
    const { id } = await forUser(database(), two).create({ messages: [text("m1")] });
    await forUser(database(), two).create({ metadata: { a: 1 } });
    const { sessions, owners, bytes, largest, deadRows } = await stats(database());
    expect({ sessions, owners }).toEqual({ sessions: 3, owners: 2 });
    const [stored] = await database()
      .select({
        table: sql<number>`pg_total_relation_size('journey_sessions')::float8`,
        largest: sql<number>`max(pg_column_size(messages) + pg_column_size(metadata))`,
      })
      .from(journeySessions);
    expect(bytes).toBe(stored?.table);
    expect(largest).toEqual({ id, bytes: stored?.largest });
    expect(deadRows).toBeTypeOf("number");
  });

  it("tells what an append rewrites in the column, and what is in rows", async () => {
    const large = text("m1", randomBytes(900_000).toString("base64"));
    await forColumn(database(), newUser()).create({ messages: [large] });
    await forColumn(database(), newUser()).create();
    const rows = forRows(database(), newUser());
    const { id } = await rows.create({ messages: [text("m2"), large] });
    await rows.append(id, text("m3"));
    await rows.create();
    const [stored] = await database()
      .select({
        largest: sql<number>`max(pg_column_size(messages))`,
        mean: sql<number>`round(avg(pg_column_size(messages)))::float8`,
      })
      .from(journeySessions)
      .where(sql`jsonb_typeof(messages) = 'array'`);
    const found = await stats(database());
    expect(found).toMatchObject({ largeSessions: 1, appendBytes: stored });
    expect(found.appendBytes?.largest).toBeGreaterThan(1_000_000);
    expect(found.messageRows).toEqual({ sessions: 2, messages: 3, bytes: expect.any(Number) });
    const [table] = await database()
      .select({ bytes: sql<number>`pg_total_relation_size('journey_messages')::float8` })
      .from(sql`(select) as nothing`);
    expect(found.messageRows.bytes).toBe(table?.bytes);
    expect(found.messageRows.bytes).toBeGreaterThan(900_000);
  });

  it("a marker that holds no number of messages counts for a session without messages", async () => {
    await forRows(database(), newUser()).create({ messages: [text("m1"), text("m2")] });
    await database().insert(journeySessions).values({ userId: newUser() });
    for (const rows of ["1e30", "5.5", "-3", "2147483648"])
      await database().execute(
        sql`insert into journey_sessions (user_id, messages) values (${newUser()}, jsonb_build_object('rows', ${rows}::text::jsonb, 'last', null))`,
      );
    expect((await stats(database())).messageRows).toMatchObject({ sessions: 5, messages: 2 });
  });

  it("the metadata counts for the largest, too", async () => {
    const sessions = forUser(database(), newUser());
    await sessions.create({ messages: [text("m1", "a".repeat(50))] });
    const { id } = await sessions.create({ metadata: { note: randomBytes(300).toString("base64") } });
    expect((await stats(database())).largest).toEqual({ id, bytes: expect.any(Number) });
  });

  it("tells the ages of the oldest, the longest inactive and the newest", async () => {
    const rows = [
      ["2020-01-01T00:00:00.001Z", "2024-06-01T12:00:00.000Z"],
      ["2021-01-01T00:00:00.000Z", "2023-06-01T12:00:00.123Z"],
      ["2022-01-01T00:00:00.000Z", "2025-06-01T12:00:00.456Z"],
    ].map(([created = "", updated = ""]) => ({
      userId: newUser(),
      createdAt: new Date(created),
      updatedAt: new Date(updated),
    }));
    await database().insert(journeySessions).values(rows);
    expect(await stats(database())).toMatchObject({
      oldestCreatedAt: rows[0]?.createdAt,
      oldestUpdatedAt: rows[1]?.updatedAt,
      newestUpdatedAt: rows[2]?.updatedAt,
    });
  });

  it("clamps what no Date can hold", async () => {
    await agedSessions(database(), { age: "infinity" }, { age: "-infinity" });
    await database().execute(sql`update journey_sessions set created_at = '-infinity'`);
    await agedSessions(database(), { age: "infinity" }, { age: "-infinity" });
    expect(await stats(database())).toMatchObject({
      oldestCreatedAt: MIN_DATE,
      oldestUpdatedAt: MIN_DATE,
      newestUpdatedAt: MAX_DATE,
    });
  });
});

describe("on a server", async () => {
  const url = await migratedDatabase();
  const raw = rawClient(url, { max: 1 });
  const db = openPostgresJs(url, { max: 1 });

  beforeAll(async () => {
    await raw`alter table journey_sessions set (autovacuum_enabled = false, toast.autovacuum_enabled = false)`;
  });

  it("conversations of a megabyte are not read, nor by prune", async () => {
    const sessions = forUserOf(db, newUser());
    const megabyte = text("m1", randomBytes(750_000).toString("base64"));
    const { id } = await sessions.create({ messages: [megabyte] });
    await sessions.create({ metadata: { note: randomBytes(300_000).toString("base64") } });
    expect((await countedDuring(db, () => sessions.get(id))).toastBlocks).toBeGreaterThan(100);
    expect((await countedDuring(db, () => stats(db))).toastBlocks).toBe(0);
    for (const dryRun of [true, false]) {
      const call = () => prune(db, { inactiveFor: "1h", dryRun });
      expect((await countedDuring(db, call)).toastBlocks).toBe(0);
    }
    const { largest, bytes } = await stats(db);
    expect(largest?.id).toBe(id);
    expect(largest?.bytes).toBeGreaterThan(750_000);
    // Nearly all of it is in the TOAST table.
    expect(bytes).toBeGreaterThan(1_050_000);
  });

  it("deleted rows are dead until they are vacuumed", async () => {
    const deadRows = async () => {
      // In PostgreSQL 14 a connection reports its statistics only when it is used again.
      await raw`select`;
      return (await stats(db)).deadRows;
    };
    const before = await deadRows();
    await raw`insert into journey_sessions (user_id) select ${newUser()} from generate_series(1, 500)`;
    await raw`delete from journey_sessions`;
    await expect.poll(deadRows, { timeout: 10_000 }).toBeGreaterThanOrEqual(before + 500);
    await raw`vacuum journey_sessions`;
    await expect.poll(deadRows, { timeout: 10_000 }).toBe(0);
  });

  it("the table is found by the search_path", async () => {
    await raw.unsafe(
      "create schema elsewhere; create table elsewhere.journey_sessions (like journey_sessions including all)",
    );
    // As large as the other is not.
    await raw`
      insert into elsewhere.journey_sessions (user_id, metadata)
      select ${newUser()}, jsonb_build_object('note', repeat('a', 1000)) from generate_series(1, 5000)`;
    const elsewhere = openPostgresJs(url, { max: 1, connection: { search_path: "elsewhere" } });
    const [size] = await raw`select pg_total_relation_size('elsewhere.journey_sessions')::float8 as bytes`;
    expect(await stats(elsewhere)).toMatchObject({ sessions: 5000, owners: 1, bytes: size?.bytes });
  });

  it.each([
    [{ timeoutMs: 0 }, "options.timeoutMs: expected at least 1"],
    [{ timeout: 1 }, 'options: has a key that is not expected here: "timeout"'],
    [null, "options: expected object"],
    [5, "options: expected object"],
  ])("%o is refused", async (options, message) => {
    expect(await errorOf(stats(db, options as never))).toMatchObject({ code: "invalid_input", message });
  });
});

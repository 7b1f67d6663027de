import { text as textColumn } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";
import { describe, expect, it } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney } from "../../src/index.js";
import { distribute } from "../../src/maintenance/distribute.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { clusterDatabase } from "../support/citus.js";
import { commandLine } from "../support/cli.js";
import { newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { createTables } from "../support/own-table.js";
import { durably } from "../support/replies.js";

const OPTIONAL = ["message-rows", "durable-replies"] as const;
const inColumn = durably();
const inRows = durably(defineJourney, { messages: messagesTable(journeySessions) });

/** Everything that is stored, and the definitions of all that belongs to the tables. */
async function stateOf(sql: Sql) {
  const tables = ["journey_sessions", "journey_messages", "journey_replies", "journey_reply_chunks"];
  const rows = await Promise.all(
    tables.map((table) => sql.unsafe(`select to_jsonb(t) as row from ${table} as t order by t::text`)),
  );
  const catalogue = await sql`
    select conrelid::regclass::text as of, conname as name, pg_get_constraintdef(oid) as is from pg_constraint where conrelid = any (${tables}::regclass[])
    union all select tablename, indexname, indexdef from pg_indexes where tablename = any (${tables})
    union all select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) from pg_trigger where tgrelid = any (${tables}::regclass[]) and not tgisinternal
    union all select c.relname, 'settings', concat(c.reloptions, t.reloptions, c.relrowsecurity, c.relacl) from pg_class c left join pg_class t on t.oid = c.reltoastrelid where c.oid = any (${tables}::regclass[])
    union all select attrelid::regclass::text, attname, concat(attstorage, attcompression, attnotnull) from pg_attribute where attrelid = any (${tables}::regclass[]) and attnum > 0
    union all select stxrelid::regclass::text, stxname, pg_get_statisticsobjdef(oid) from pg_statistic_ext
    order by 1, 2, 3`;
  return { rows, catalogue };
}

/** A database on the cluster that is migrated and not distributed, with sessions of two users in both layouts. */
async function filled() {
  const url = await clusterDatabase();
  const db = openPostgresJs(url);
  await migrate(db, { with: OPTIONAL });
  const users = [newUser(), newUser()];
  for (const user of users)
    for (const sessionsOf of [inColumn, inRows]) {
      const sessions = sessionsOf(db, user);
      const { id } = await sessions.create({ messages: [text("m1"), text("m2")], metadata: { a: 1 } });
      await sessions.replies.start(id, "r1", { messageId: "m3" });
      await sessions.replies.write(id, "r1", { n: 1, chunks: "chunk" });
    }
  return { url, db, sql: rawClient(url), users };
}

describe("a database with sessions of both layouts and running replies", () => {
  it("is distributed, read as before, and as it was once that is undone", async () => {
    const { db, sql, users } = await filled();
    const before = await stateOf(sql);
    const shown = () =>
      Promise.all(
        users.map(async (user) => {
          const sessions = inRows(db, user);
          const exported = [];
          for await (const one of sessions.export()) exported.push(one);
          return [exported, await Promise.all(exported.map(({ id }) => sessions.replies.read(id)))];
        }),
      );
    const read = await shown();
    const { statements } = await distribute(db);
    expect(statements.filter((one) => one.includes("create_distributed_table"))).toHaveLength(4);
    const spread = await sql`select logicalrelid::text as table, colocationid from pg_dist_partition`;
    expect(spread).toHaveLength(4);
    expect(new Set(spread.map(({ colocationid }) => colocationid)).size).toBe(1);
    expect((await stateOf(sql)).rows).toEqual(before.rows);
    expect(await shown()).toEqual(read);
    // The coordinator keeps no copies.
    const [kept] = await sql`select sum(pg_relation_size(logicalrelid))::int as bytes from pg_dist_partition`;
    expect(kept?.bytes).toBe(0);

    expect((await distribute(db)).statements).toEqual([]);
    await distribute(db, { undo: true });
    expect(await stateOf(sql)).toEqual(before);
    expect((await distribute(db, { undo: true })).statements).toEqual([]);
  });

  it("whose distribution was begun by hand, is distributed to the end", async () => {
    const { db, sql } = await filled();
    const { rows } = await stateOf(sql);
    const { statements } = await distribute(db, { dryRun: true });
    await sql.unsafe("set citus.enable_unsafe_triggers = on");
    const tables = statements.findIndex((one) => one.includes("create_distributed_table"));
    await sql.begin(async (tx) => {
      await tx.unsafe("set local citus.enable_unsafe_triggers = on");
      for (const statement of statements.slice(0, tables + 1)) await tx.unsafe(statement);
    });
    await distribute(db);
    expect(await sql`select from pg_dist_partition`).toHaveLength(4);
    expect((await stateOf(sql)).rows).toEqual(rows);
    expect((await distribute(db)).statements).toEqual([]);
  });

  it("says on the command line what it will do before it does it, and with --dry-run only that", async () => {
    const { url, sql } = await filled();
    const { run } = await commandLine(url);
    const dry = await run("distribute", "--dry-run");
    expect(dry.status).toBe(0);
    expect(await sql`select from pg_dist_partition`).toHaveLength(0);
    const real = await run("distribute");
    expect(real.stdout).toBe(`${dry.stdout}-- Done.\n`);
    expect(real.stdout).toMatch(/^-- Distributes the tables over \d+ servers? by user_id/);
    expect(await run("distribute")).toMatchObject({ status: 0, stdout: "Nothing to do.\n" });
    expect((await run("distribute", "--undo")).stdout).toContain("-- Done.");
    expect(await sql`select from pg_dist_partition`).toHaveLength(0);
  });
});

it("a table that references a reference table is distributed, and the rows keep what they reference", async () => {
  const { db, sql } = await filled();
  await sql.unsafe("create table plans (id int primary key); insert into plans values (1)").simple();
  await sql.unsafe("alter table journey_sessions add plan int references plans default 1").simple();
  await expect(distribute(db)).rejects.toMatchObject({
    message: expect.stringContaining("create_reference_table"),
  });
  await sql`select create_reference_table('plans')`;
  await distribute(db);
  expect(await sql`select from pg_dist_partition where partmethod = 'h'`).toHaveLength(4);
  expect(await sql`select from journey_sessions join plans on plans.id = plan`).toHaveLength(4);
});

describe("is refused, and changes nothing, where", () => {
  it.each([
    [
      "another table references the sessions",
      "create table notes (session_id uuid constraint of_session references journey_sessions)",
      /foreign key of_session of notes/,
    ],
    [
      "a table of ours has a unique constraint without user_id",
      "alter table journey_messages add x int unique",
      /unique index journey_messages_x_key/,
    ],
    [
      "a table of ours has a trigger",
      "create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger own after insert on journey_messages for each row execute function f()",
      /trigger own of journey_messages/,
    ],
    [
      "there is an identity column",
      "alter table journey_sessions add gid bigint generated always as identity",
      /identity column/,
    ],
    [
      "a constraint excludes rows",
      "alter table journey_sessions add exclude using btree (id with =)",
      /excludes rows/,
    ],
    ["a table inherits", "create table more () inherits (journey_sessions)", /inherits/],
    [
      "another table references a message",
      "create table stars (s uuid, m text, u text, constraint of_message foreign key (s, m, u) references journey_messages)",
      /foreign key of_message of stars/,
    ],
    [
      "the sessions reference a table of one server",
      "create table plans (id int primary key); alter table journey_sessions add plan int constraint of_plan references plans",
      /foreign key of_plan references plans.*create_reference_table/,
    ],
    [
      "a unique index has no user_id",
      "alter table journey_sessions add run_id text; create unique index one_run on journey_sessions (run_id)",
      /unique index one_run/,
    ],
    [
      "the application has a trigger",
      "create function f() returns trigger language plpgsql as 'begin return new; end'; create trigger own before insert on journey_sessions for each row execute function f()",
      /trigger own/,
    ],
    [
      "the primary key is another",
      "alter table journey_messages drop constraint journey_messages_session_id_fkey; alter table journey_replies drop constraint journey_replies_session_id_fkey; alter table journey_sessions drop constraint journey_sessions_pkey",
      /primary key/,
    ],
    [
      "a message has another owner than its session",
      "insert into journey_messages select 'another', id, 'm9', now(), 9, '{}' from journey_sessions limit 1",
      /SQLSTATE 23503/,
    ],
  ])("%s", async (_, statements, reason) => {
    const { db, sql } = await filled();
    await sql.unsafe(statements).simple();
    const before = await stateOf(sql);
    await expect(distribute(db)).rejects.toMatchObject({
      code: "migration",
      message: expect.stringMatching(reason),
    });
    expect(await stateOf(sql)).toEqual(before);
    expect(await sql`select from pg_dist_partition`).toHaveLength(0);
  });

  it("it is to be undone, and two users have an id", async () => {
    const { db, sql } = await filled();
    await distribute(db);
    const [id, ...others] = [crypto.randomUUID(), newUser(), newUser()] as const;
    for (const user of others) await inColumn(db, user).create({ id });
    await expect(distribute(db, { undo: true })).rejects.toMatchObject({
      code: "migration",
      message: expect.stringContaining("1 ids are those of sessions of several users"),
    });
    expect(await sql`select from pg_dist_partition`).toHaveLength(4);
    await inColumn(db, others[1]).delete(id);
    await distribute(db, { undo: true });
    expect(await sql`select from pg_dist_partition`).toHaveLength(0);
  });

  it("a table of messages is added to a distributed one: undo it first", async () => {
    const url = await clusterDatabase([]);
    const db = openPostgresJs(url);
    await expect(migrate(db, { with: ["message-rows"] })).rejects.toMatchObject({
      code: "migration",
      message: expect.stringContaining("distribute --undo"),
    });
    await distribute(db, { undo: true });
    await migrate(db, { with: ["message-rows"] });
    await distribute(db);
    expect(await rawClient(url)`select from pg_dist_partition`).toHaveLength(2);
  });
});

it("a table of the application's own, in another schema, is distributed, and every kind of call works", async () => {
  const chats = journeyTable({ name: "the chats", schema: "my app" }, { orgId: textColumn("org_id") });
  const url = await clusterDatabase();
  const db = openPostgresJs(url);
  const sql = rawClient(url);
  await sql`create schema "my app"`;
  await createTables(db, { chats, ...replyTables(chats) }, true);
  await distribute(db, { table: chats });
  expect(await sql`select from pg_dist_partition`).toHaveLength(4);
  const journey = defineJourney({ table: chats, messages: messagesTable(chats), distributed: true });
  const sessions = journey.forUser(db, newUser());
  const { id } = await sessions.create({ orgId: "org 1", messages: [text("m1")] });
  await sessions.append(id, text("m2"), { after: "m1" });
  await sessions.update(id, { orgId: "org 2", metadata: { a: 1 } });
  expect((await sessions.list({ where: { orgId: "org 2" } })).sessions).toMatchObject([{ id }]);
  expect(await sessions.delete(id)).toBe(true);
  expect(await sql`select from "my app"."the chats_messages"`).toHaveLength(0);
  await distribute(db, { table: chats, undo: true });
});

it("the option may be left out: the first insert is sent twice, and within a transaction it fails and says so", async () => {
  const db = openPostgresJs(await clusterDatabase(OPTIONAL));
  const [unaware, aware] = [defineJourney(), defineJourney({ distributed: true })];
  const called = db.transaction((tx) => unaware.forUser(tx, newUser()).create());
  await expect(called).rejects.toMatchObject({
    code: "configuration",
    message: expect.stringContaining("distributed"),
  });
  // It is known from then on.
  await db.transaction((tx) => unaware.forUser(tx, newUser()).create());
  expect(await defineJourney().forUser(db, newUser()).create()).toMatchObject({ messages: [] });
  await db.transaction((tx) => aware.forUser(tx, newUser()).create());
});

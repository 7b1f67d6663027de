import { integer, pgTable, timestamp, uuid } from "drizzle-orm/pg-core";
import { expect, it } from "vitest";
import { convertMessages, prune, repairJson, stats, transfer } from "../../src/admin.js";
import { type JourneyTable, journeyTable } from "../../src/schema.js";
import { older } from "../support/ai-sdk-4.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { chats, createChats, createTables } from "../support/own-table.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const raw = rawClient(url);
await createChats(db);

/** How often Drizzle's function was called, to tell a value per call from one per statement. */
let changes = 0;
const counted = journeyTable('it\'s a "table"', { change: integer("change").$onUpdateFn(() => ++changes) });
await raw`create table "it's a ""table""" (like journey_sessions including all, change int)`;

/** Sessions in the table, and one in the default table, as they are stored. */
async function stored(userId: string, messages: string, updatedAt = "now") {
  const values = [userId, messages, updatedAt];
  await raw.unsafe(
    `insert into app.chats (user_id, messages, updated_at, run_id) values ($1, $2::text::jsonb, $3::text::timestamptz, $1), ($1, '[]', now(), $1 || '2')`,
    values,
  );
  await raw.unsafe(
    "insert into journey_sessions (user_id, messages, updated_at) values ($1, $2::text::jsonb, $3::text::timestamptz)",
    values,
  );
}
const touched = async (userId: string) =>
  (await raw`select touched from app.chats where user_id = ${userId} order by run_id`).map(
    (row) => row.touched,
  );
const ofDefault = (userId: string) => raw`select * from journey_sessions where user_id = ${userId}`;

it("convertMessages changes the given table alone, and its columns with $onUpdate", async () => {
  const userId = newUser();
  await stored(userId, JSON.stringify(older));
  const before = await ofDefault(userId);
  expect(await convertMessages(db, { table: chats, dryRun: true })).toMatchObject({
    sessions: 1,
    skipped: 0,
  });
  expect(await touched(userId)).toEqual([null, null]);
  expect(await convertMessages(db, { table: chats })).toEqual({
    sessions: 1,
    messages: older.length,
    skipped: 0,
  });
  expect(await touched(userId)).toEqual([7, null]);
  expect(await convertMessages(db, { table: chats })).toMatchObject({ sessions: 0 });
  expect(await ofDefault(userId)).toEqual(before);
});

it("repairJson changes the given table alone, and its columns with $onUpdate", async () => {
  const userId = newUser();
  await raw`alter table app.chats drop constraint chats_messages_is_array`;
  await raw`insert into app.chats (user_id, run_id, messages) values (${userId}, ${userId}, to_jsonb('[]'::text))`;
  expect(await repairJson(db, { table: chats, dryRun: true })).toEqual({ sessions: 1, skipped: 0 });
  expect(await touched(userId)).toEqual([null]);
  expect(await repairJson(db, { table: chats })).toEqual({ sessions: 1, skipped: 0 });
  expect(await touched(userId)).toEqual([7]);
  await raw`alter table app.chats add constraint chats_messages_is_array check (jsonb_typeof(messages) = 'array')`;
});

it("prune deletes from the given table alone", async () => {
  const userId = newUser();
  await stored(userId, "[]", "2020-01-01");
  const before = await ofDefault(userId);
  expect(await prune(db, { table: chats, inactiveFor: "1y", dryRun: true })).toEqual({ sessions: 1 });
  expect(await prune(db, { table: chats, inactiveFor: "1y" })).toEqual({ sessions: 1 });
  expect(await touched(userId)).toEqual([null]);
  expect(await ofDefault(userId)).toEqual(before);
});

it("transfer moves the sessions of the given table alone, and changes its columns with $onUpdate", async () => {
  const [guest, user] = [newUser(), newUser()];
  await stored(guest, "[]");
  const before = await ofDefault(guest);
  expect(await transfer(db, { table: chats, from: guest, to: user })).toEqual({ sessions: 2 });
  expect(await touched(user)).toEqual([7, 7]);
  expect(await ofDefault(guest)).toEqual(before);
});

it("transfer is refused by a unique index over the user, and moves nothing", async () => {
  const [guest, user] = [newUser(), newUser()];
  await raw`insert into app.chats (user_id, run_id) values (${guest}, 'one'), (${guest}, 'two'), (${user}, 'two')`;
  expect(await errorOf(transfer(db, { table: chats, from: guest, to: user }))).toMatchObject({
    code: "conflict",
    retryable: false,
    sqlState: "23505",
    constraint: "chats_user_id_run_id",
  });
  expect(await raw`select from app.chats where user_id = ${guest}`).toHaveLength(2);
});

it("a value of $onUpdate is made for each call, and any name of a table is quoted", async () => {
  const [first, second] = [newUser(), newUser()];
  await raw`insert into "it's a ""table""" (user_id) values (${first})`;
  const change = async () => (await raw`select change from "it's a ""table"""`)[0]?.change;
  await transfer(db, { table: counted, from: first, to: second });
  const once = await change();
  await transfer(db, { table: counted, from: second, to: first });
  expect(await change()).toBeGreaterThan(once);
  const { bytes, sessions } = await stats(db, { table: counted });
  const [size] = await raw`select pg_total_relation_size('"it''s a ""table"""')::int as bytes`;
  expect({ bytes, sessions }).toEqual({ bytes: size?.bytes, sessions: 1 });
});

onOneDriver((database) => {
  it("stats are those of the given table", async () => {
    const userId = newUser();
    const own = journeyTable("of_stats", { note: timestamp("note") });
    await createTables(database(), { own });
    await database().insert(own).values({ userId, phase: "review" });
    expect(await stats(database(), { table: own })).toMatchObject({
      sessions: 1,
      owners: 1,
      phases: [{ phase: "review", sessions: 1 }],
    });
  });
});

const notSessions = pgTable("not_sessions", { id: uuid("id") });

it.each([
  ["prune", () => prune(db, { inactiveFor: "1y", table: notSessions } as never)],
  ["transfer", () => transfer(db, { from: "a", to: "b", table: notSessions } as never)],
  ["stats", () => stats(db, { table: null } as never)],
  ["convertMessages", () => convertMessages(db, { table: "chats" } as never)],
  ["repairJson", () => repairJson(db, { table: {} } as never)],
])("%s refuses what is no table of sessions", async (_, call) => {
  expect(await errorOf(call())).toMatchObject({
    code: "invalid_input",
    message: "options.table: expected a table that journeyTable has declared",
  });
});

it.each(["passed", "due", "deleted", "ahead", "moved", "owner", "phases", "counted", "pairs", "e", "c"])(
  "a table may be named %s, as a part of a statement is, or the name is refused",
  async (name) => {
    let table: JourneyTable;
    try {
      table = journeyTable(name);
    } catch (error) {
      expect(["passed", "due", "deleted", "counted"]).toContain(name);
      expect(error).toMatchObject({ code: "invalid_input" });
      return;
    }
    await raw`create table ${raw(name)} (like journey_sessions including all)`;
    const [first, second] = [newUser(), newUser()];
    await raw`insert into ${raw(name)} ${raw([
      { user_id: first, messages: older, updated_at: "2020-01-01" },
      { user_id: first, messages: [], updated_at: "2026-01-01" },
    ] as never)}`;
    expect(await prune(db, { table, inactiveFor: "3y", dryRun: true })).toEqual({ sessions: 1 });
    expect(await convertMessages(db, { table, batchSize: 1 })).toMatchObject({ sessions: 1 });
    expect(await repairJson(db, { table, batchSize: 1 })).toEqual({ sessions: 0, skipped: 0 });
    expect(await stats(db, { table })).toMatchObject({ sessions: 2, owners: 1 });
    expect(await transfer(db, { table, from: first, to: second })).toEqual({ sessions: 2 });
    await raw`update ${raw(name)} set updated_at = '2020-01-01'`;
    expect(await prune(db, { table, inactiveFor: "3y", batchSize: 1 })).toEqual({ sessions: 2 });
  },
);

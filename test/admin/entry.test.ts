import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin.js";
import * as index from "../../src/index.js";
import * as maintenance from "../../src/migrate.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { agedSessions } from "../support/aged-sessions.js";
import { older } from "../support/ai-sdk-4.js";
import { emptyDatabase, migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { createMessages } from "../support/message-rows.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const raw = rawClient(url);

await createMessages(db, journeySessions);

const [GUEST, USER] = [newUser(), newUser()];

type Timed = { timeoutMs?: number };
const calls: [string, (db: Database, options?: Timed) => Promise<unknown>][] = [
  ["prune", (database, options) => admin.prune(database, { inactiveFor: "90d", ...options })],
  [
    "a dry run of prune",
    (database, options) => admin.prune(database, { inactiveFor: "90d", dryRun: true, ...options }),
  ],
  ["convertMessages", (database, options) => admin.convertMessages(database, options)],
  [
    "a dry run of convertMessages",
    (database, options) => admin.convertMessages(database, { dryRun: true, ...options }),
  ],
  ["convertLayout", (database, options) => admin.convertLayout(database, { to: "rows", ...options })],
  [
    "a dry run of convertLayout",
    (database, options) => admin.convertLayout(database, { to: "column", dryRun: true, ...options }),
  ],
  ["repairJson", (database, options) => admin.repairJson(database, options)],
  ["stats", (database, options) => admin.stats(database, options)],
  ["transfer", (database, options) => admin.transfer(database, { from: GUEST, to: USER, ...options })],
];

it("these are all the calls without an owner, and no other entry point has one", () => {
  expect(Object.keys(admin).sort()).toEqual([
    "convertLayout",
    "convertMessages",
    "prune",
    "repairJson",
    "stats",
    "transfer",
  ]);
  for (const name of Object.keys(admin)) {
    expect(Object.keys(index)).not.toContain(name);
    expect(Object.keys(maintenance)).not.toContain(name);
  }
});

it.each([new Map([["timeoutMs", 1]]), Promise.resolve({ timeoutMs: 1 })])(
  "options that are no plain object, such as %o, are refused, not taken for empty",
  async (options) => {
    expect(await errorOf(admin.stats(db, options as never))).toMatchObject({
      code: "invalid_input",
      message: "options: expected object",
    });
  },
);

describe.each(calls)("%s", (_, call) => {
  it.each([undefined, null, {}, "postgres://", () => db])("refuses %o as a database", async (given) => {
    expect(await errorOf(call(given as never))).toMatchObject({
      code: "invalid_input",
      message: "db: expected a Drizzle PostgreSQL database or transaction",
    });
  });

  it("without the table is told to migrate", async () => {
    const empty = openPostgresJs(await emptyDatabase(), { max: 1 });
    expect(await errorOf(call(empty))).toMatchObject({ code: "migration", sqlState: "42P01" });
  });

  it("on a server that is not there is unavailable", async () => {
    const nowhere = openPostgresJs("postgres://127.0.0.1:1/none", { max: 1 });
    expect(await errorOf(call(nowhere))).toMatchObject({ code: "unavailable", retryable: true });
  });

  it("ends for the caller after timeoutMs, and may be repeated", async () => {
    await raw.begin(async (tx) => {
      await tx`lock table journey_sessions in access exclusive mode`;
      expect(await errorOf(call(db, { timeoutMs: 50 }))).toMatchObject({
        code: "timeout",
        message: "No answer within 50 ms; whether the call takes effect is unknown.",
        retryable: true,
      });
    });
  });

  it("prepares nothing on the server, so that any pooler will do", async () => {
    const one = openPostgresJs(url, { max: 1 });
    for (const _ of [1, 2]) await call(one);
    const [row] = await one
      .select({ n: sql<number>`count(*)::int` })
      .from(sql`pg_prepared_statements`)
      .where(sql`statement like '%journey_sessions%'`);
    expect(row?.n).toBe(0);
  });

  it("works in a transaction, and is undone with it", async () => {
    await agedSessions(db, { userId: GUEST, age: "1 year" });
    await raw`insert into journey_sessions (user_id, messages) values (${GUEST}, ${raw.json(older)})`;
    const before = await db.select().from(journeySessions);
    const rolledBack = new Error("rolled back");
    const transaction = db.transaction(async (tx: Database) => {
      await call(tx);
      throw rolledBack;
    });
    await expect(transaction).rejects.toBe(rolledBack);
    expect(await db.select().from(journeySessions)).toEqual(before);
  });
});

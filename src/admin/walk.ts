import { and, gte, inArray, lte, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Database } from "../model/database.js";
import { given, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";

/** How far one statement of a walk along the primary key went. */
export interface Step {
  /** Sessions passed. */
  examined: number;
  /** The id to continue from; null at the end. */
  next: string | null;
}

/** Where a walk begins. */
export const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const { id, updatedAt } = journeySessions;

const lastPassed = sql`(select passed.id from passed order by passed.id desc limit 1)`;

/** Over a CTE named `passed`. */
const step = {
  examined: sql<number>`count(*)::int`,
  next: sql<
    string | null
  >`(select ${id} from ${journeySessions} where ${id} > ${lastPassed} order by ${id} limit 1)`,
};

/**
 * Looks at the next `batchSize` sessions on the server, which sends no conversation.
 *
 * @param found JSON about a session, null where it is not wanted; `found` of the answer is the array of them
 */
export const findSessions = (name: string, found: SQL): AdminStatement<Step & { found: string }> =>
  statement(name, (db) => {
    const passed = db.$with("passed").as(
      db
        .select({ id, found: sql`${found}`.as("found") })
        .from(journeySessions)
        .where(gte(id, given("from")))
        .orderBy(id)
        .limit(given("batchSize")),
    );
    const all = sql<string>`coalesce(json_agg(passed.found) filter (where passed.found is not null), '[]')::text`;
    return db
      .with(passed)
      .select({ ...step, found: all })
      .from(passed);
  });

/** A step of prune, with the number of sessions that were due in it. */
export type Due = Step & { sessions: number };

/** By the server's clock. */
const isDue = (time: PgColumn): SQL =>
  sql`${time} < now() - make_interval(secs => ${given("inactiveForSeconds")}::float8)`;

/**
 * One step along the primary key, since there is no index on updated_at. `due` holds the first
 * `batchSize` due sessions of the next `window`; `passed` ends with the last of them, or with the
 * window where there are fewer. The server reads no row beyond `passed`.
 */
function dueAndPassed(db: Database) {
  const ahead = db
    .select({ id, updatedAt })
    .from(journeySessions)
    .where(gte(id, given("from")))
    .orderBy(id)
    .limit(given("window"))
    .as("ahead");
  const due = db
    .$with("due")
    .as(
      db
        .select({ id: ahead.id })
        .from(ahead)
        .where(isDue(ahead.updatedAt))
        .orderBy(ahead.id)
        .limit(given("batchSize")),
    );
  const lastOfBatch = sql`(select ${due.id} from ${due} order by ${due.id} offset ${given("batchSize")}::int - 1 limit 1)`;
  const passed = db.$with("passed").as(
    db
      .select({ id })
      .from(journeySessions)
      .where(and(gte(id, given("from")), lte(id, sql`coalesce(${lastOfBatch}, ${LAST_ID}::uuid)`)))
      .orderBy(id)
      .limit(given("window")),
  );
  return { due, passed };
}

/** The server's estimate of the number of rows; -1 before the first one. */
export const estimateRows: AdminStatement<{ rows: number }> = statement("admin_estimate_rows", (db) =>
  db
    .select({ rows: sql<number>`reltuples::float8` })
    .from(sql`pg_class`)
    .where(sql`oid = to_regclass('journey_sessions')`),
);

/** Counts what is due, and changes nothing. */
export const countDue: AdminStatement<Due> = statement("admin_count_due", (db) => {
  const { due, passed } = dueAndPassed(db);
  const sessions = sql<number>`(select count(*)::int from ${due})`;
  return db
    .with(due, passed)
    .select({ sessions, ...step })
    .from(passed);
});

/**
 * Deletes what is due. A session that is locked by a writer is skipped, not waited for. One that was
 * written to since the statement began is no longer due: the server checks that again, since the
 * condition is on the deleted row itself.
 */
export const deleteDue: AdminStatement<Due> = statement("admin_delete_due", (db) => {
  const { due, passed } = dueAndPassed(db);
  // Not by the ids of `due`: for 500 ids the planner prefers to read a table of 100,000 rows.
  const isDueAndPassed = and(gte(id, given("from")), lte(id, lastPassed), isDue(updatedAt));
  const free = db
    .select({ id })
    .from(journeySessions)
    .where(isDueAndPassed)
    .for("update", { skipLocked: true });
  const deleted = db.$with("deleted").as(
    db
      .delete(journeySessions)
      .where(and(isDueAndPassed, inArray(id, free)))
      .returning({ id }),
  );
  const sessions = sql<number>`(select count(*)::int from ${deleted})`;
  return db
    .with(due, passed, deleted)
    .select({ sessions, ...step })
    .from(passed);
});

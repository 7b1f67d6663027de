import { and, desc, gt, gte, inArray, lte, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Database } from "../model/database.js";
import { param, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";

/** What one statement of the walk has done. */
export interface Step {
  /** Sessions that are due: deleted, or counted. */
  sessions: number;
  /** Sessions that were passed. */
  examined: number;
  /** The id to go on from, or null at the end. */
  next: string | null;
}

/** Where the walk begins. */
export const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const { id, updatedAt } = journeySessions;

/** By the server's clock. */
const isDue = (time: PgColumn): SQL =>
  sql`${time} < now() - make_interval(secs => ${param("inactiveForSeconds")}::float8)`;

/**
 * One step along the primary key, since there is no index on updated_at. `due` are the first
 * `batchSize` sessions that are due among the next `window`; `passed` is the stretch up to the last
 * of them, or the whole window where there are fewer. The server reads no row beyond that stretch.
 */
function walk(db: Database) {
  const ahead = db
    .select({ id, updatedAt })
    .from(journeySessions)
    .where(gte(id, param("from")))
    .orderBy(id)
    .limit(param("window"))
    .as("ahead");
  const due = db
    .$with("due")
    .as(
      db
        .select({ id: ahead.id })
        .from(ahead)
        .where(isDue(ahead.updatedAt))
        .orderBy(ahead.id)
        .limit(param("batchSize")),
    );
  const lastOfBatch = sql`(select ${due.id} from ${due} order by ${due.id} offset ${param("batchSize")}::int - 1 limit 1)`;
  const passed = db.$with("passed").as(
    db
      .select({ id })
      .from(journeySessions)
      .where(and(gte(id, param("from")), lte(id, sql`coalesce(${lastOfBatch}, ${LAST_ID}::uuid)`)))
      .orderBy(id)
      .limit(param("window")),
  );
  const last = db.select({ id: passed.id }).from(passed).orderBy(desc(passed.id)).limit(1);
  const next = db.select({ id }).from(journeySessions).where(gt(id, last)).orderBy(id).limit(1);
  return {
    due,
    passed,
    last,
    step: { examined: sql<number>`count(*)::int`, next: sql<string | null>`(${next})` },
  };
}

/** How many rows the server takes the table to have, without looking; -1 before it ever did. */
export const estimateRows: AdminStatement<{ rows: number }> = statement("admin_estimate_rows", (db) =>
  db
    .select({ rows: sql<number>`reltuples::float8` })
    .from(sql`pg_class`)
    .where(sql`oid = to_regclass('journey_sessions')`),
);

/** Counts what is due, and changes nothing. */
export const countDue: AdminStatement<Step> = statement("admin_count_due", (db) => {
  const { due, passed, step } = walk(db);
  const sessions = sql<number>`(select count(*)::int from ${due})`;
  return db
    .with(due, passed)
    .select({ sessions, ...step })
    .from(passed);
});

/**
 * Deletes what is due. A session that somebody writes to at that moment is passed by, not waited
 * for. One that was written to since the statement began is due no more: the server checks that
 * again, since the condition is one on the deleted row itself.
 */
export const deleteDue: AdminStatement<Step> = statement("admin_delete_due", (db) => {
  const { due, passed, last, step } = walk(db);
  // Not by the ids of `due`: to find 500 ids, the planner would rather read a table of 100,000 rows.
  const dueAndPassed = and(gte(id, param("from")), lte(id, last), isDue(updatedAt));
  const free = db
    .select({ id })
    .from(journeySessions)
    .where(dueAndPassed)
    .for("update", { skipLocked: true });
  const deleted = db.$with("deleted").as(
    db
      .delete(journeySessions)
      .where(and(dueAndPassed, inArray(id, free)))
      .returning({ id }),
  );
  const sessions = sql<number>`(select count(*)::int from ${deleted})`;
  return db
    .with(due, passed, deleted)
    .select({ sessions, ...step })
    .from(passed);
});

import { and, eq, gte, inArray, lte, notExists, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import ms from "ms";
import * as z from "zod";
import { existingReplies, LEFT_AFTER } from "../durable-replies/leftovers.js";
import { before } from "../durable-replies/statements.js";
import { repliesOf } from "../durable-replies/tables.js";
import type { Database } from "../model/database.js";
import { isDeadlock, isKept } from "../model/driver-errors.js";
import type { JourneyDbError } from "../model/errors.js";
import { param, perTable, repeated, statement } from "../queries/statement.js";
import { isDistributed, type SessionTable } from "../schema.js";
import { type AdminStatement, optionsOf, rowOf } from "./call.js";
import {
  batchSizeSchema,
  type JobOptions,
  jobOptionsSchema,
  type Progress,
  type Run,
  runJob,
  type Step,
  step,
  walkOf,
} from "./job.js";

const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

export type PruneProgress = Progress<Pruned>;

export interface PruneOptions extends JobOptions<Pruned> {
  /**
   * How long a session must have been inactive: a number with its unit, from "1h" to "100y", in hours, days,
   * weeks (7 days) or years (365.25 days), such as "90d" or "12 hours".
   */
  inactiveFor: string;
  /**
   * Maximum sessions that one statement deletes: 1–10,000. It examines at most four times as many.
   * @default 500
   */
  batchSize?: number | undefined;
  /**
   * Deletes nothing, and counts the due sessions, even if another table or a trigger prevents their deletion.
   * @default false
   */
  dryRun?: boolean | undefined;
}

export interface Pruned {
  /** Sessions deleted; with `dryRun`, that would be. */
  sessions: number;
  /**
   * Present if there is a table of durable replies: replies that were removed, of sessions that stay; with `dryRun`, that
   * would be.
   */
  replies?: number;
  /**
   * Present if another table or a trigger prevented the deletion of due sessions: how many, and by which
   * constraints.
   */
  left?: { sessions: number; constraints: string[] };
}

/**
 * Limits the sessions that one statement passes, so that none takes long if few are due. More was not faster.
 */
const PASSED_PER_DELETED = 4;

/** No minutes: some read "6m" as half a year. */
const WITH_UNIT = /\d *[hdwy][a-z]*$/i;
const [SHORTEST, LONGEST] = ["1h", "100y"] as const;

const milliseconds = (text: string): number =>
  WITH_UNIT.test(text) ? (ms(text as ms.StringValue) ?? Number.NaN) : Number.NaN;

export const inactiveForSchema = z
  .custom<string>(
    (text) =>
      typeof text === "string" && milliseconds(text) >= ms(SHORTEST) && milliseconds(text) <= ms(LONGEST),
    {
      params: { expected: `text such as "90d", a number of h, d, w or y from "${SHORTEST}" to "${LONGEST}"` },
    },
  )
  .transform(milliseconds);

const pruneOptions = jobOptionsSchema.extend({
  inactiveFor: inactiveForSchema,
  batchSize: batchSizeSchema.unwrap().default(500),
});

/** A step of prune, with the number of sessions that were due in it. */
type Due = Step & { sessions: number };

/** By the server's clock. */
const isDue = (time: PgColumn): SQL =>
  sql`${time} < now() - make_interval(secs => ${param("inactiveForSeconds")}::float8)`;

/**
 * One step along the primary key, since there is no index on updated_at. `due` holds the first `batchSize`
 * due sessions of the next `window`; `passed` ends with the last of them, or with the window if there are
 * fewer. The server reads no row beyond `passed`.
 */
function dueAndPassed(db: Database, table: SessionTable) {
  const { id, updatedAt } = table;
  const ahead = db
    .select({ id, updatedAt })
    .from(table)
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
      .from(table)
      .where(and(gte(id, param("from")), lte(id, sql`coalesce(${lastOfBatch}, ${LAST_ID}::uuid)`)))
      .orderBy(id)
      .limit(param("window")),
  );
  return { parts: [due, passed], sessions: sql<number>`(select count(*)::int from ${due})` };
}

/**
 * The same on a distributed table. There `passed` is a part of the window, which its servers have read: each would read on
 * to its end for a condition on the rows beyond.
 */
function passedOnServers(db: Database, table: SessionTable) {
  const { keys, order, place, from } = walkOf(table);
  const page = db.$with("page").as(
    db
      .select({ ...keys, due: sql<boolean>`${isDue(table.updatedAt)}`.as("due") })
      .from(table)
      .where(gte(place, from))
      .orderBy(...order)
      .limit(param("window")),
  );
  const before = sql`count(*) filter (where due) over (order by id, user_id rows between unbounded preceding and 1 preceding)`;
  const passed = db
    .$with("passed", {})
    .as(
      sql`select numbered.* from (select page.*, ${before} as before from page) as numbered where before < ${param("batchSize")}`,
    );
  return { parts: [page, passed], sessions: sql<number>`count(*) filter (where passed.due)::int` };
}

const partsOf = (db: Database, table: SessionTable) =>
  (isDistributed(table) ? passedOnServers : dueAndPassed)(db, table);

/** Counts what is due, and changes nothing. */
export const countDue = perTable(
  (table): AdminStatement<Due> =>
    statement(table, "admin_count_due", (db) => {
      const { parts, sessions } = partsOf(db, table);
      return db
        .with(...parts)
        .select({ sessions, ...step(table) })
        .from(sql`passed`);
    }),
);

/** How often a statement is sent at most that deadlocks end. */
const MOST_DEADLOCKS = 10;

/** On a distributed table, a statement that deletes waits for locked rows, on several servers at once. */
const waiting = <Row>(deleting: AdminStatement<Row>): AdminStatement<Row> =>
  isDistributed(deleting.table) ? repeated(deleting, isDeadlock, MOST_DEADLOCKS) : deleting;

/**
 * Deletes what is due. A session that is locked by a writer is skipped, not waited for; on a distributed table, which
 * cannot skip it, it is waited for. One that was written to since the statement began is no longer due: the server checks
 * that again, since the condition is on the deleted row itself.
 */
export const deleteDue = perTable((table): AdminStatement<Due> => {
  const { id, updatedAt } = table;
  const { place, from, lastPassed } = walkOf(table);
  const deleting: AdminStatement<Due> = statement(table, "admin_delete_due", (db) => {
    const { parts } = partsOf(db, table);
    // Not by the ids of `due`: for 500 ids the planner prefers to read a table of 100,000 rows.
    const isDueAndPassed = and(gte(place, from), lte(place, lastPassed), isDue(updatedAt));
    const free = db.select({ id }).from(table).where(isDueAndPassed).for("update", { skipLocked: true });
    const deleted = db.$with("deleted").as(
      db
        .delete(table)
        .where(isDistributed(table) ? isDueAndPassed : and(isDueAndPassed, inArray(id, free)))
        .returning({ id }),
    );
    const sessions = sql<number>`(select count(*)::int from ${deleted})`;
    return db
      .with(...parts, deleted)
      .select({ sessions, ...step(table) })
      .from(sql`passed`);
  });
  return waiting(deleting);
});

/**
 * Replies of sessions that stay, which nobody is going to remove. One that has ended is stored; what was written of
 * another is nowhere else, and becomes the stored answer when its session is next opened: it stays as long as a session.
 */
const leftReplies = perTable((table) => {
  const { replies } = repliesOf(table);
  const { state, writtenAt, sessionId, userId } = replies;
  // No CASE: distributed engines refuse now() in it.
  const isOver = sql`${state} in ('stored', 'ended')`;
  const isLeft = sql`(${isOver} and ${writtenAt} < ${before(LEFT_AFTER)} or not ${isOver} and ${isDue(writtenAt)})`;
  const exists: AdminStatement<{ exists: boolean }> = statement(table, "admin_find_replies", (db) =>
    db.select({ exists: sql<boolean>`${existingReplies(table)} is not null` }).from(sql`(select) as nothing`),
  );
  const count: AdminStatement<{ replies: number }> = statement(table, "admin_count_left_replies", (db) => {
    const ofDue = db
      .select({ id: table.id })
      .from(table)
      .where(
        and(
          eq(table.id, sessionId),
          isDistributed(table) ? eq(table.userId, userId) : undefined,
          isDue(table.updatedAt),
        ),
      );
    return db
      .select({ replies: sql<number>`count(*)::int` })
      .from(replies)
      .where(and(isLeft, notExists(ofDue)));
  });
  const remove: AdminStatement<{ replies: number }> = statement(table, "admin_delete_left_replies", (db) => {
    const left = db.select({ sessionId, userId }).from(replies).where(isLeft).limit(param("batchSize"));
    const free = db.$with("free").as(isDistributed(table) ? left : left.for("update", { skipLocked: true }));
    const deleted = db.$with("deleted").as(
      db
        .delete(replies)
        .where(and(isLeft, sql`(${sessionId}, ${userId}) in (select session_id, user_id from free)`))
        .returning({ sessionId }),
    );
    return db.with(free, deleted).select({ replies: sql<number>`count(*)::int` }).from(deleted);
  });
  return { exists, count, remove: waiting(remove) };
});

/**
 * Deletes the sessions of all users that nobody has written to for `inactiveFor`, by the server's clock. Use
 * it in jobs and scripts, never behind a route.
 *
 * It walks through all sessions once, in small statements. Each deletes at most `batchSize` sessions and
 * holds no lock for long, and what it deleted stays deleted. So the call can be stopped and repeated at any
 * time, and two calls can run at once. A session that is being written to is neither waited for nor deleted. On a
 * distributed table it is waited for, and deleted if it is still due then.
 * With durable replies, it also removes replies that a crash has left: those that have ended, after an hour, and those
 * that nobody has written to for `inactiveFor`, whose session stays without what was written of them.
 * A session whose deletion a foreign key or a trigger prevents is skipped and counted; it takes about one
 * statement of its own. Malformed rows are deleted too. Pass a database, not a transaction: in a transaction
 * nothing takes effect before the commit, and deleted sessions stay locked until then.
 *
 * @example await prune(db, { inactiveFor: "90d", onProgress: ({ sessions }) => console.log(sessions) })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal or a statement that takes too
 *   long; unavailable, conflict, configuration, migration, internal. Sessions that were deleted before stay
 *   deleted.
 */
export async function prune(db: Database, options: PruneOptions): Promise<Pruned> {
  const { inactiveFor, ...job } = optionsOf(pruneOptions, db, options);
  const done: Pruned = { sessions: 0 };
  let size = job.batchSize;
  let refusal: JourneyDbError | undefined;
  return runJob(db, "deleted", job, done, async (table, from, run) => {
    const step = await deleteSessions(table, from, run);
    if (step.next === null) await removeReplies(table, run);
    return step;
  });

  async function deleteSessions(table: SessionTable, from: string, run: Run): Promise<Step> {
    for (;;) {
      const values = {
        inactiveForSeconds: inactiveFor / 1000,
        batchSize: size,
        window: PASSED_PER_DELETED * size,
        from,
      };
      const send = (statement: typeof countDue) =>
        run((deadline) => rowOf(statement(table), db, values, deadline, true)).catch(
          (thrown: JourneyDbError) => {
            // After a refusal, a transaction of the caller's takes no more statements.
            throw refusal && thrown.sqlState === "25P02" ? refusal : thrown;
          },
        );
      try {
        const { sessions, ...step } = await send(job.dryRun ? countDue : deleteDue);
        done.sessions += sessions;
        size = Math.min(size * 2, job.batchSize);
        return step;
      } catch (thrown) {
        if (!isKept(thrown)) throw thrown;
        refusal = thrown;
      }
      // One session that is kept fails the whole statement. Smaller statements find it, and it is skipped.
      if (size > 1) size = Math.floor(size / 2);
      else {
        const { sessions, ...step } = await send(countDue);
        done.left ??= { sessions: 0, constraints: [] };
        done.left.sessions += sessions;
        const { constraint } = refusal;
        if (constraint && !done.left.constraints.includes(constraint)) done.left.constraints.push(constraint);
        return step;
      }
    }
  }

  async function removeReplies(table: SessionTable, run: Run): Promise<void> {
    const { exists, count, remove } = leftReplies(table);
    const values = { inactiveForSeconds: inactiveFor / 1000 };
    if (!(await run((deadline) => rowOf(exists, db, {}, deadline))).exists) return;
    done.replies = 0;
    if (job.dryRun) {
      done.replies = (await run((deadline) => rowOf(count, db, values, deadline))).replies;
      return;
    }
    for (let removed = job.batchSize; removed === job.batchSize; done.replies += removed) {
      const batch = { ...values, batchSize: job.batchSize };
      removed = (await run((deadline) => rowOf(remove, db, batch, deadline, true))).replies;
    }
  }
}

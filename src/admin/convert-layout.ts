import { sql } from "drizzle-orm";
import * as z from "zod";
import { existingMessages, messagesMissing } from "../message-rows/existing.js";
import { moveToColumn, moveToRows } from "../message-rows/move.js";
import type { Database } from "../model/database.js";
import type { JourneyDbError } from "../model/errors.js";
import { exactTime, timeOf } from "../queries/columns.js";
import { areMarked } from "../queries/conversation.js";
import { param, perTable, statement } from "../queries/statement.js";
import type { Reason } from "../queries/write.js";
import type { SessionTable } from "../schema.js";
import { LARGEST_JSONB } from "../validation/options.js";
import { type AdminStatement, optionsOf, rowOf, rowsOf } from "./call.js";
import { type JobOptions, jobOptionsSchema, type Progress, runJob, untilUnchanged } from "./job.js";

/**
 * Why a session cannot be moved:
 * - `ids`: an element of its messages has no id of its own, of 1 to 256 characters
 * - `time`: its `updated_at` is infinity or after the year 294275, so that no message could follow
 * - `size`: its messages are too large for one jsonb value, 256 MiB
 * - `rows`: it does not have as many rows as it should
 * - `row`: it does not meet the table's checks, or PostgreSQL cannot convert one of its messages
 * - `reference`: a foreign key prevents it, such as one of another table to the messages
 * - `changing`: others changed it during each of ten attempts
 */
export type NotConverted = "ids" | "time" | "size" | "rows" | "row" | "reference" | "changing";

export interface LayoutConverted {
  /** Sessions that were moved; with `dryRun`, that would be. */
  sessions: number;
  /** Sessions that stay where they are because they cannot be moved. They can be read and written as before. */
  skipped: number;
  /** The first 1,000 of these. */
  left: { id: string; reason: NotConverted }[];
}

export type ConvertLayoutProgress = Progress<LayoutConverted>;

export interface ConvertLayoutOptions extends JobOptions<LayoutConverted> {
  /** Where the messages are to be: in rows of their own, or in the column `messages` of their sessions. */
  to: "rows" | "column";
}

export const layoutSchema = z.enum(["rows", "column"]);

const convertLayoutOptions = jobOptionsSchema.extend({ to: layoutSchema });

const MOST_LISTED = 1000;

/** What the reasons of a refused move mean. */
const REASONS: Partial<Record<Reason, NotConverted>> = {
  message: "ids",
  messages: "row",
  time: "time",
  size: "size",
};

/** The place of a session in the walk. */
type Place = [userId: string, updatedAt: string, id: string];
const BEGIN: Place = ["", "-infinity", "00000000-0000-0000-0000-000000000000"];

interface StepRow {
  examined: number;
  /** JSON of a `Place`, of the last session; null at the end. */
  last: string | null;
  /** JSON of [id, userId]: the sessions that are not in the layout. */
  found: string;
  /** When the walk began, by the server's clock. */
  begun: string;
}

const statementsOf = perTable((table) => {
  const { id, userId, updatedAt } = table;
  const begun = sql`coalesce(${timeOf(sql`${param("begun")}`)}, now())`;
  /**
   * Each user's sessions from the one that has not changed for longest, so that they keep their order by `updated_at`,
   * which every move changes. Those that have been moved, and what others change meanwhile, come after the beginning
   * of the walk. A time that is wrong may be in the future.
   */
  const find: AdminStatement<StepRow> = statement(table, "admin_find_layout", (db) => {
    const passed = db.$with("passed").as(
      db
        .select({ id, userId, updatedAt, marked: sql<boolean>`${areMarked(table.messages)}`.as("marked") })
        .from(table)
        .where(
          sql`(${userId}, ${updatedAt}, ${id}) > (${param("userId")}, ${timeOf(sql`${param("updatedAt")}`)}, ${param("id")}::uuid)
            and (${updatedAt} <= ${begun} or ${updatedAt} > ${begun} + interval '1 day')`,
        )
        .orderBy(userId, updatedAt, id)
        .limit(param("batchSize")),
    );
    const isFound = sql`passed.marked <> ${param("toRows")}::bool`;
    return db
      .with(passed)
      .select({
        examined: sql<number>`count(*)::int`,
        last: sql<string | null>`case when count(*) = ${param("batchSize")}::int then (
          select json_build_array(passed.user_id, ${exactTime(sql`passed.updated_at`)}, passed.id)::text from passed
          order by passed.user_id desc, passed.updated_at desc, passed.id desc limit 1
        ) end`,
        found: sql<string>`coalesce(json_agg(json_build_array(passed.id, passed.user_id) order by passed.user_id, passed.updated_at, passed.id) filter (where ${isFound}), '[]')::text`,
        begun: exactTime(begun),
      })
      .from(passed);
  });
  const findMessages: AdminStatement<{ exists: boolean }> = statement(table, "admin_find_messages", (db) =>
    db
      .select({ exists: sql<boolean>`${existingMessages(table)} is not null` })
      .from(sql`(select) as nothing`),
  );
  return { find, findMessages };
});

/**
 * Moves the messages of all users' sessions into rows of their own, or back into the column `messages`. Use it in jobs
 * and scripts, never behind a route.
 *
 * It walks through all sessions once and moves each with one statement, so that no concurrent write is lost and the
 * application can keep running. The call can be stopped and repeated at any time, and two calls can run at once. A
 * program without the option `messages` of `defineJourney` reads and writes sessions in the column only: deploy the
 * option before you convert to rows, and remove it after you have converted to the column.
 *
 * `revision` and `updatedAt` of a session that is moved change, so `prune` counts its inactivity from then on. The
 * sessions that are moved keep their order by `updatedAt`, and come before those that were in that layout. Pass a database, not a transaction: in a transaction nothing takes
 * effect before the commit, and moved sessions stay locked until then.
 *
 * @example const { sessions, left } = await convertLayout(db, { to: "rows" })
 * @throws JourneyDbError invalid_input; migration if the table of messages is missing; timeout for an aborted signal or
 *   a statement that takes too long; unavailable, conflict, configuration, corrupt, internal. Sessions that were moved
 *   before stay moved.
 */
export async function convertLayout(db: Database, options: ConvertLayoutOptions): Promise<LayoutConverted> {
  const { to, ...job } = optionsOf(convertLayoutOptions, db, options);
  const done: LayoutConverted = { sessions: 0, skipped: 0, left: [] };
  let place = BEGIN;
  let begun: string | null = null;
  return runJob(db, "converted", job, done, async (table, from, run) => {
    const { find, findMessages } = statementsOf(table);
    if (begun === null && !(await run((deadline) => rowOf(findMessages, db, {}, deadline))).exists)
      throw messagesMissing(table);
    const [userId, updatedAt, id] = place;
    const values = { userId, updatedAt, id, begun, toRows: to === "rows", batchSize: job.batchSize };
    const step = await run((deadline) => rowOf(find, db, values, deadline));
    for (const [id, userId] of JSON.parse(step.found) as [string, string][]) {
      const outcome = await run((deadline) => move(table, { id, userId }, deadline));
      if (outcome === "moved") done.sessions++;
      else if (outcome !== null) {
        done.skipped++;
        if (done.left.length < MOST_LISTED) done.left.push({ id, reason: outcome });
      }
    }
    begun = step.begun;
    if (step.last !== null) place = JSON.parse(step.last);
    return { examined: step.examined, next: step.last && from };
  });

  /** @returns why the session stays where it is; null if it is where it should be, or deleted */
  async function move(
    table: SessionTable,
    session: { id: string; userId: string },
    deadline: Parameters<typeof rowsOf>[3],
  ): Promise<"moved" | NotConverted | null> {
    const { statement, refusal } = (to === "rows" ? moveToRows : moveToColumn)(table);
    const values = { ...session, ifRevision: null, maxBytes: LARGEST_JSONB };
    const outcome = await untilUnchanged(async (): Promise<"moved" | NotConverted | null | undefined> => {
      if (!job.dryRun) {
        try {
          const moved = await rowsOf(statement, db, values, deadline);
          if (moved.length > 0) return "moved";
        } catch (thrown) {
          return notStored(thrown as JourneyDbError);
        }
      }
      const [{ reason } = { reason: null }] = await rowsOf(refusal, db, values, deadline);
      if (reason === null) return job.dryRun ? "moved" : undefined;
      // It has been deleted, or is there already.
      if (reason === "session" || reason === to) return null;
      return REASONS[reason] ?? "rows";
    });
    return outcome === undefined ? "changing" : outcome;
  }
}

/** The error of a move, if it is of this session. */
function notStored(error: JourneyDbError): NotConverted {
  const { sqlState = "", constraint = "" } = error;
  if (sqlState === "54000") return "size";
  // PostgreSQL 18 has a code of its own for ON DELETE RESTRICT.
  if (sqlState === "23503" || sqlState === "23001") return "reference";
  // Without the migration, no session can be marked.
  if (/^(2[23]|54001)/.test(sqlState) && !constraint.endsWith("_messages_is_array")) return "row";
  throw error;
}

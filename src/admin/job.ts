import { and, eq, gte, type SQL, sql } from "drizzle-orm";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { timeOf } from "../queries/columns.js";
import { ownedBy, param, perTable, statement } from "../queries/statement.js";
import { isDistributed, type JourneyTable, type SessionTable } from "../schema.js";
import type { Deadline } from "../sessions/call.js";
import { requestOptionsSchema } from "../validation/options.js";
import { type AdminStatement, asStored, table, timeoutMs } from "./call.js";

/** The progress of a job. */
export type Progress<Done> = Done & {
  /** Sessions examined so far, out of the total that `stats` counts. */
  examined: number;
};

/** The options of a job that walks through all sessions. */
export interface JobOptions<Done> {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: JourneyTable | undefined;
  /** Sessions that one statement examines: 1–10,000. @default 100 */
  batchSize?: number | undefined;
  /** Ends the call, and the running statement, with code `timeout`. */
  signal?: AbortSignal | undefined;
  /** Called after each batch and awaited: a slow callback reduces the load on the server. */
  onProgress?: ((progress: Progress<Done>) => void | Promise<void>) | undefined;
  /** Changes nothing, and counts the sessions that would be changed. @default false */
  dryRun?: boolean | undefined;
  /** Time limit of one statement in milliseconds: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export const batchSizeSchema = z.int().min(1).max(10_000).default(100);

export const jobOptionsSchema = z.strictObject({
  table,
  batchSize: batchSizeSchema,
  signal: requestOptionsSchema.out.shape.signal,
  onProgress: z
    .custom<JobOptions<never>["onProgress"]>((option) => typeof option === "function", {
      params: { expected: "function" },
    })
    .optional(),
  dryRun: z.boolean().default(false),
  timeoutMs,
});

/** The progress of one statement of a walk along the ids. */
export interface Step {
  /** Sessions passed. */
  examined: number;
  /** The place to continue from; null at the end. */
  next: string | null;
}

/**
 * How a walk goes along a table: by id, or by id and owner where the table is distributed, since there several users may
 * have the same id. A place is an id, or a JSON array of both.
 */
export const walkOf = perTable((table) => {
  const { id, userId } = table;
  const given = sql`${param("from")}::text::json`;
  return isDistributed(table)
    ? {
        keys: { id, userId },
        order: [id, userId],
        place: sql`(${id}, ${userId})`,
        from: sql`((${given} ->> 0)::uuid, ${given} ->> 1)`,
        lastPassed: sql`(select passed.id, passed.user_id from passed order by passed.id desc, passed.user_id desc limit 1)`,
        next: sql<string>`json_build_array(${id}, ${userId})::text`,
      }
    : {
        keys: { id },
        order: [id],
        place: sql`${id}`,
        from: sql`${param("from")}`,
        lastPassed: sql`(select passed.id from passed order by passed.id desc limit 1)`,
        next: sql<string>`${id}`,
      };
});

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** Where a walk begins. */
const firstPlace = (table: SessionTable): string =>
  isDistributed(table) ? JSON.stringify([FIRST_ID, ""]) : FIRST_ID;

/** Over a CTE named `passed`. */
export const step = (table: SessionTable) => {
  const { order, place, lastPassed, next } = walkOf(table);
  return {
    examined: sql<number>`count(*)::int`,
    next: sql<
      string | null
    >`(select ${next} from ${table} where ${place} > ${lastPassed} order by ${sql.join(order, sql`, `)} limit 1)`,
  };
};

/**
 * Examines the next `batchSize` sessions on the server, which sends no conversation.
 *
 * @param found JSON about a session, null if it is not wanted; `found` of the result is the array of them
 */
export const findSessions = (
  table: SessionTable,
  name: string,
  found: SQL,
): AdminStatement<Step & { found: string }> =>
  statement(table, name, (db) => {
    const { keys, order, place, from } = walkOf(table);
    const passed = db.$with("passed").as(
      db
        .select({ ...keys, found: sql`${found}`.as("found") })
        .from(table)
        .where(gte(place, from))
        .orderBy(...order)
        .limit(param("batchSize")),
    );
    const all = sql<string>`coalesce(json_agg(passed.found) filter (where passed.found is not null), '[]')::text`;
    return db
      .with(passed)
      .select({ ...step(table), found: all })
      .from(passed);
  });

/** A session that a walk has found. */
export type Found = { id: string; userId: string };

/** The session that was found. By its id alone, it is found even if it has another owner meanwhile. */
export const foundSession = (table: SessionTable): SQL =>
  isDistributed(table) ? ownedBy(table) : eq(table.id, param("id"));

/** The same, if nobody has changed it since it had the `revision`, which is null for an older program's row. */
export const unchangedSession = (table: SessionTable) =>
  and(foundSession(table), sql`${table.updatedAt} is not distinct from ${timeOf(sql`${param("revision")}`)}`);

/** Runs a part of a job. An aborted signal ends it with an error that reports the job's progress. */
export type Run = <T>(part: (deadline: Deadline) => Promise<T>) => Promise<T>;

/**
 * Walks through all sessions, one step after the other.
 *
 * @param did what the job does to sessions: "deleted"
 * @param done what is counted; each step adds to it
 * @param takeStep takes the table as the server has it
 * @returns `done`
 */
export async function runJob<Done extends { sessions: number }>(
  db: Database,
  did: string,
  { table: declared, signal, onProgress, dryRun, timeoutMs }: z.output<typeof jobOptionsSchema>,
  done: Done,
  takeStep: (table: SessionTable, from: string, run: Run) => Promise<Step>,
): Promise<Done> {
  /** @param wasRunning whether a statement was running, whose outcome is unknown */
  const aborted = (wasRunning: boolean) => {
    const count = dryRun ? "0" : `${wasRunning ? "at least " : ""}${done.sessions}`;
    const message = `The signal was aborted after ${count} sessions were ${did}; the call may be repeated.`;
    return new JourneyDbError("timeout", message, { retryable: true });
  };
  const run: Run = async (part) => {
    if (signal?.aborted) throw aborted(false);
    try {
      return await part({ timeoutMs, signal });
    } catch (thrown) {
      throw signal?.aborted && (thrown as JourneyDbError).code === "timeout" ? aborted(true) : thrown;
    }
  };
  const table = await run((deadline) => asStored(db, declared, deadline));
  let examined = 0;
  let from: string | null = firstPlace(table);
  while (from !== null) {
    const step: Step = await takeStep(table, from, run);
    examined += step.examined;
    from = step.next;
    try {
      await onProgress?.({ ...done, examined } as never);
    } catch {
      throw new JourneyDbError(
        "invalid_input",
        `options.onProgress: threw an error; what was ${did} stays ${did}, and the call may be repeated.`,
      );
    }
  }
  return done;
}

/** Maximum attempts at a session that others keep changing. */
const ATTEMPTS = 10;

/**
 * Repeats a read and the write that follows it until nobody changed the session in between.
 *
 * @param attempt returns undefined if somebody did
 * @returns undefined if somebody did each time
 */
export async function untilUnchanged<T>(attempt: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let n = 0; n < ATTEMPTS; n++) {
    try {
      const outcome = await attempt();
      if (outcome !== undefined) return outcome;
    } catch (thrown) {
      // Above READ COMMITTED the server refuses to write what others have changed, instead of finding no row.
      if (!(thrown as JourneyDbError).sqlState?.startsWith("40")) throw thrown;
    }
  }
  return undefined;
}

import ms from "ms";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { isKept, type JourneyDbError } from "../model/errors.js";
import { optionsOf, rowOf } from "./call.js";
import { batchSizeSchema, type JobOptions, jobOptions, runJob } from "./job.js";
import { countDue, deleteDue } from "./walk.js";

export interface PruneProgress extends Pruned {
  /** Sessions looked at so far, of all that `stats` counts. */
  examined: number;
}

export interface PruneOptions extends JobOptions<PruneProgress> {
  /**
   * How long a session must not have been written to: a number with its unit, from "1h" to "100y",
   * in hours, days, weeks (7 days) or years (365.25 days), such as "90d" or "12 hours".
   */
  inactiveFor: string;
  /** Maximum sessions that one statement deletes: 1–10,000. It looks at four times as many at most. @default 500 */
  batchSize?: number | undefined;
  /** Deletes nothing, and counts what is due, including what another table or a trigger would keep. @default false */
  dryRun?: boolean | undefined;
}

export interface Pruned {
  /** Sessions deleted; with `dryRun`, that are due. */
  sessions: number;
  /** Present where due sessions were left because another table or a trigger keeps them: how many, and by which constraints. */
  left?: { sessions: number; constraints: string[] };
}

/** Of a batch: how many sessions one statement passes at most, so that none is long where few are due. More was no quicker. */
const PASSED_PER_DELETED = 4;

/** Not minutes: "6m" is half a year to some. */
const WITH_UNIT = /\d *[hdwy][a-z]*$/i;
const [SHORTEST, LONGEST] = ["1h", "100y"] as const;

const milliseconds = (text: string): number =>
  WITH_UNIT.test(text) ? (ms(text as ms.StringValue) ?? Number.NaN) : Number.NaN;

export const inactiveForSchema = z
  .custom<string>(
    (given) =>
      typeof given === "string" && milliseconds(given) >= ms(SHORTEST) && milliseconds(given) <= ms(LONGEST),
    {
      params: { expected: `text such as "90d", a number of h, d, w or y from "${SHORTEST}" to "${LONGEST}"` },
    },
  )
  .transform(milliseconds);

const pruneOptions = z.strictObject({
  ...jobOptions,
  inactiveFor: inactiveForSchema,
  batchSize: batchSizeSchema.unwrap().default(500),
});

/**
 * Deletes the sessions of all users that nobody has written to for `inactiveFor`, by the server's
 * clock. For a job, never behind a route.
 *
 * It walks along all sessions once, in small statements: each deletes at most `batchSize` sessions,
 * holds no lock for long and stays done. So the call can be stopped and repeated at any time, and
 * two may run at once. A session that is written to at that moment is neither waited for nor
 * deleted. One that a foreign key or a trigger of another table keeps is left and counted; it
 * costs about a statement of its own.
 * Rows of any shape are deleted. Give it a database: in a transaction nothing is done
 * before the commit, and what is deleted stays locked until then.
 *
 * @example await prune(db, { inactiveFor: "90d", onProgress: ({ sessions }) => console.log(sessions) })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal, or a statement that is not
 *   answered in time; unavailable, conflict, configuration, migration, internal. What was deleted
 *   before stays deleted.
 */
export async function prune(db: Database, options: PruneOptions): Promise<Pruned> {
  const { inactiveFor, batchSize, ...job } = optionsOf(pruneOptions, db, options);
  const done: Pruned = { sessions: 0 };
  let size = batchSize;
  let refusal: JourneyDbError | undefined;
  return runJob("deleted", job, done, async (from, run) => {
    for (;;) {
      const values = {
        inactiveForSeconds: inactiveFor / 1000,
        batchSize: size,
        window: PASSED_PER_DELETED * size,
        from,
      };
      const send = (statement: typeof countDue) =>
        run((deadline) => rowOf(statement, db, values, deadline)).catch((thrown: JourneyDbError) => {
          // After a refusal, a transaction of the caller's takes no more statements.
          throw refusal && thrown.sqlState === "25P02" ? refusal : thrown;
        });
      try {
        const { sessions, ...step } = await send(job.dryRun ? countDue : deleteDue);
        done.sessions += sessions;
        size = Math.min(size * 2, batchSize);
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
  });
}

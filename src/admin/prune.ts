import ms from "ms";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { isKept } from "../model/driver-errors.js";
import type { JourneyDbError } from "../model/errors.js";
import type { Named } from "../queries/statement.js";
import { requestOptionsSchema } from "../validation/options.js";
import { ask, optionsOf, part, stopped, tell, timeoutMs } from "./call.js";
import { countDue, deleteDue, FIRST_ID, type Step } from "./walk.js";

export interface PruneProgress extends Pruned {
  /** Sessions looked at so far, of all that `stats` counts. */
  examined: number;
}

export interface PruneOptions {
  /**
   * How long a session must not have been written to: a number with its unit, from "1h" to "100y",
   * in hours, days, weeks (7 days) or years (365.25 days), such as "90d" or "12 hours".
   */
  inactiveFor: string;
  /** Sessions that one statement deletes at most: 1–10,000. It looks at four times as many at most. @default 500 */
  batchSize?: number | undefined;
  /** Ends the call, and the statement under way, with code `timeout`. */
  signal?: AbortSignal | undefined;
  /** Called after each statement, and waited for: one that takes its time spares the server. */
  onProgress?: ((progress: PruneProgress) => void | Promise<void>) | undefined;
  /** Deletes nothing, and counts what is due, also what another table or a trigger would keep. @default false */
  dryRun?: boolean | undefined;
  /** Milliseconds after which a statement ends for the caller: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
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
  inactiveFor: inactiveForSchema,
  batchSize: z.int().min(1).max(10_000).default(500),
  signal: requestOptionsSchema.out.shape.signal,
  onProgress: z
    .custom<NonNullable<PruneOptions["onProgress"]>>((given) => typeof given === "function", {
      params: { expected: "function" },
    })
    .optional(),
  dryRun: z.boolean().default(false),
  timeoutMs,
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
  const { inactiveFor, batchSize, signal, onProgress, dryRun, timeoutMs } = optionsOf(
    pruneOptions,
    db,
    options,
  );
  const done: Pruned = { sessions: 0 };
  const deadline = { timeoutMs, signal };
  const send = (statement: typeof countDue, values: Named) =>
    part(
      deadline,
      () => ask(statement, db, values, deadline, true),
      () => stopped("deleted", dryRun ? 0 : done.sessions, !dryRun),
    );
  let refused: JourneyDbError | undefined;
  let examined = 0;
  let from: string | null = FIRST_ID;
  // One session that is kept fails the statement: it is found by smaller ones, and passed over.
  let size = batchSize;
  while (from !== null) {
    if (signal?.aborted) throw stopped("deleted", dryRun ? 0 : done.sessions);
    const values = {
      inactiveForSeconds: inactiveFor / 1000,
      batchSize: size,
      window: PASSED_PER_DELETED * size,
      from,
    };
    let step: Step;
    try {
      step = await send(dryRun ? countDue : deleteDue, values);
      done.sessions += step.sessions;
      size = Math.min(size * 2, batchSize);
    } catch (thrown) {
      // In a transaction of the caller's nothing more can be sent.
      if (!isKept(thrown))
        throw refused && (thrown as JourneyDbError).sqlState === "25P02" ? refused : thrown;
      refused = thrown;
      if (size > 1) {
        size = Math.floor(size / 2);
        continue;
      }
      step = await send(countDue, values).catch((later: JourneyDbError) => {
        throw later.sqlState === "25P02" ? refused : later;
      });
      done.left ??= { sessions: 0, constraints: [] };
      done.left.sessions += step.sessions;
      const { constraint } = thrown;
      if (constraint && !done.left.constraints.includes(constraint)) done.left.constraints.push(constraint);
    }
    examined += step.examined;
    from = step.next;
    await tell("deleted", onProgress, { ...done, examined });
  }
  return done;
}

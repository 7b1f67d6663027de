import * as z from "zod";
import type { Database } from "../model/database.js";
import type { JourneyDbError } from "../model/errors.js";
import type { Deadline } from "../sessions/call.js";
import { requestOptionsSchema } from "../validation/options.js";
import { ask, optionsOf, part, rowsOf, stopped, tell, timeoutMs } from "./call.js";
import { ATTEMPTS, batchSizeSchema, type ConvertMessagesOptions } from "./convert-messages.js";
import {
  type Decoded,
  type EncodedRow,
  findEncoded,
  type Passed,
  readDecoded,
  readEncoded,
  writeDecoded,
} from "./encoded-sessions.js";
import { FIRST_ID } from "./walk.js";

export interface Repaired {
  /** Sessions that were repaired; with `dryRun`, that would be. */
  sessions: number;
  /** Sessions left as they are: the text holds no array or object, or others changed the session during each of ten attempts. */
  skipped: number;
}

export interface RepairJsonProgress extends Repaired {
  /** Sessions looked at so far, of all that `stats` counts. */
  examined: number;
}

export interface RepairJsonOptions extends Omit<ConvertMessagesOptions, "onProgress"> {
  /** Called after each batch, and waited for: one that takes its time spares the server. */
  onProgress?: ((progress: RepairJsonProgress) => void | Promise<void>) | undefined;
}

const repairOptions = z.strictObject({
  batchSize: batchSizeSchema,
  signal: requestOptionsSchema.out.shape.signal,
  onProgress: z
    .custom<NonNullable<RepairJsonOptions["onProgress"]>>((given) => typeof given === "function", {
      params: { expected: "function" },
    })
    .optional(),
  dryRun: z.boolean().default(false),
  timeoutMs,
});

/**
 * Repairs the sessions, of all users, whose `messages` or `metadata` is a JSON text that holds the
 * array or the object, as a program leaves it that passes `JSON.stringify(messages)` to a driver which
 * encodes it once more. Texts within texts are decoded down to what they hold. For a job, never behind
 * a route.
 *
 * It walks along all sessions once. Each session is changed by one statement, and only if nobody has
 * changed it since it was read. The call may be stopped and repeated at any time. No number changes.
 * `revision` and `updatedAt` of a repaired session move.
 *
 * @example await repairJson(db, { dryRun: true })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal, or a statement that is not
 *   answered in time; unavailable, conflict, configuration, migration, internal. What was repaired
 *   before stays repaired.
 */
export async function repairJson(db: Database, options: RepairJsonOptions = {}): Promise<Repaired> {
  const { batchSize, signal, onProgress, dryRun, timeoutMs } = optionsOf(repairOptions, db, options);
  const done: Repaired = { sessions: 0, skipped: 0 };
  const goOn = () => {
    if (signal?.aborted) throw stopped("repaired", dryRun ? 0 : done.sessions);
  };
  const deadline = { timeoutMs, signal };
  const send = <T>(call: () => Promise<T>) =>
    part(deadline, call, () => stopped("repaired", dryRun ? 0 : done.sessions, !dryRun));
  let examined = 0;
  let from: string | null = FIRST_ID;
  while (from !== null) {
    goOn();
    const answer = await send(() => ask(findEncoded, db, { from, batchSize }, deadline));
    const passed: Passed = JSON.parse(answer.passed);
    for (const id of passed.found) {
      goOn();
      const outcome = await send(() => repairSession(db, id, dryRun, deadline));
      if (outcome) done[outcome]++;
    }
    examined += passed.examined;
    from = passed.next;
    await tell("repaired", onProgress, { ...done, examined });
  }
  return done;
}

/** @returns undefined where there is nothing to repair any more */
async function repairSession(
  db: Database,
  id: string,
  dryRun: boolean,
  deadline: Deadline,
): Promise<keyof Repaired | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const [row] = await rowsOf(readEncoded, db, { id }, deadline);
    if (!row) return undefined;
    const values = decoded(row);
    if (!values) return "skipped";
    try {
      if (dryRun) {
        await rowsOf(readDecoded, db, values, deadline);
        return "sessions";
      }
      const written = await rowsOf(writeDecoded, db, { id, revision: row.revision, ...values }, deadline);
      if (written.length > 0) return "sessions";
    } catch (thrown) {
      const { sqlState = "" } = thrown as JourneyDbError;
      // What JSON.parse reads and jsonb cannot hold.
      if (/^(22|54)/.test(sqlState)) return "skipped";
      if (!sqlState.startsWith("40")) throw thrown;
    }
  }
  return "skipped";
}

function decoded({ messages, metadata, isWritable }: EncodedRow): Decoded | undefined {
  if (!isWritable) return undefined;
  const array = messages === null ? null : decode(messages, "[");
  const object = metadata === null ? null : decode(metadata, "{");
  return array === undefined || object === undefined ? undefined : { messages: array, metadata: object };
}

/** The innermost text, where it begins with that bracket; numbers keep their digits, since it is not written anew. */
function decode(text: string, bracket: "[" | "{"): string | undefined {
  try {
    for (let layer = text; ; ) {
      const value: unknown = JSON.parse(layer);
      if (typeof value !== "string") return layer.trimStart().startsWith(bracket) ? layer : undefined;
      layer = value;
    }
  } catch {
    return undefined;
  }
}

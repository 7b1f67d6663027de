import * as z from "zod";
import { fromAiSdk4 } from "../ai-sdk/from-ai-sdk-4.js";
import type { Database } from "../model/database.js";
import type { JourneyDbError } from "../model/errors.js";
import type { Deadline } from "../sessions/call.js";
import { requestOptionsSchema } from "../validation/options.js";
import { findOlder, type OlderRow, readOlder, type Stretch, writeConverted } from "./ai-sdk-4-sessions.js";
import { ask, optionsOf, part, rowsOf, stopped, tell, timeoutMs } from "./call.js";
import { readExactly } from "./exact-json.js";
import { FIRST_ID } from "./walk.js";

export interface Converted {
  /** Sessions that were converted; with `dryRun`, that would be. */
  sessions: number;
  /** Messages in them that were converted; with `dryRun`, that would be. */
  messages: number;
  /**
   * Sessions left as they are: their row breaks a check of the table, or a message is nested deeper
   * than JavaScript can write, or others changed the session during each of ten attempts.
   */
  skipped: number;
}

export interface ConvertMessagesProgress extends Converted {
  /** Sessions looked at so far, of all that `stats` counts. */
  examined: number;
}

export interface ConvertMessagesOptions {
  /** Sessions that one statement looks at: 1–10,000. @default 100 */
  batchSize?: number | undefined;
  /** Ends the call, and the statement under way, with code `timeout`. */
  signal?: AbortSignal | undefined;
  /** Called after each batch, and waited for: one that takes its time spares the server. */
  onProgress?: ((progress: ConvertMessagesProgress) => void | Promise<void>) | undefined;
  /** Changes nothing, and counts what would be converted. @default false */
  dryRun?: boolean | undefined;
  /** Milliseconds after which a statement ends for the caller: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

/** How often a session that others change at that moment is read again. */
export const ATTEMPTS = 10;

export const batchSizeSchema = z.int().min(1).max(10_000).default(100);

const convertOptions = z.strictObject({
  batchSize: batchSizeSchema,
  signal: requestOptionsSchema.out.shape.signal,
  onProgress: z
    .custom<NonNullable<ConvertMessagesOptions["onProgress"]>>((given) => typeof given === "function", {
      params: { expected: "function" },
    })
    .optional(),
  dryRun: z.boolean().default(false),
  timeoutMs,
});

/**
 * Converts the stored messages of AI SDK 4, of all users, to what the AI SDK reads since version 5, as
 * `fromAiSdk4` of `@aigos/journey-db/ai-sdk` does. For a job, never behind a route.
 *
 * It walks along all sessions once. Each session is changed by one statement, and only if nobody
 * has changed it since it was read, else it is read again: no write of others is lost. So the
 * application may run on, and the call may be stopped and repeated at any time. A repeated call
 * changes nothing more. Messages that are not of AI SDK 4 are not sent, and no number of a
 * converted one changes, however many digits it has.
 *
 * `revision` and `updatedAt` of a converted session move, so `prune` counts its inactivity from then
 * on. Give it a database: in a transaction nothing is done before the commit, and what is converted
 * stays locked until then.
 *
 * @example await convertMessages(db, { onProgress: ({ examined }) => console.log(examined) })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal, or a statement that is not
 *   answered in time; unavailable, conflict, configuration, migration, internal. What was converted
 *   before stays converted.
 */
export async function convertMessages(
  db: Database,
  options: ConvertMessagesOptions = {},
): Promise<Converted> {
  const { batchSize, signal, onProgress, dryRun, timeoutMs } = optionsOf(convertOptions, db, options);
  const done: Converted = { sessions: 0, messages: 0, skipped: 0 };
  const goOn = () => {
    if (signal?.aborted) throw stopped("converted", dryRun ? 0 : done.sessions);
  };
  const deadline = { timeoutMs, signal };
  const send = <T>(call: () => Promise<T>) =>
    part(deadline, call, () => stopped("converted", dryRun ? 0 : done.sessions, !dryRun));
  let examined = 0;
  let from: string | null = FIRST_ID;
  while (from !== null) {
    goOn();
    const { stretch } = await send(() => ask(findOlder, db, { from, batchSize }, deadline));
    const { next, found, ...passed }: Stretch = JSON.parse(stretch);
    for (const [id, messages, isWritable] of found) {
      goOn();
      const converted = !isWritable
        ? null
        : dryRun
          ? messages
          : await send(() => convertSession(db, id, deadline));
      if (converted === null) done.skipped++;
      else if (converted > 0) {
        done.sessions++;
        done.messages += converted;
      }
    }
    examined += passed.examined;
    from = next;
    await tell("converted", onProgress, { ...done, examined });
  }
  return done;
}

/** @returns how many messages were converted; null where the session is left as it is */
async function convertSession(db: Database, id: string, deadline: Deadline): Promise<number | null> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const [row] = await rowsOf(readOlder, db, { id }, deadline);
    if (!row?.older) return 0;
    const conversion = convert(row);
    if (conversion === null) return null;
    const { converted, count } = conversion;
    const values = { id, revision: row.revision, converted };
    const written = await rowsOf(writeConverted, db, values, deadline).catch(unlessInTheWay);
    if (written.length > 0) return count;
  }
  return null;
}

function convert({ older }: OlderRow): { converted: string; count: number } | null {
  const { value, textOf } = readExactly(older as string);
  const ids = new Set<unknown>();
  const converted = (value as [number, { id?: unknown }][]).map(([place, stored]) => {
    const message = fromAiSdk4(stored);
    // Of messages with the same content and no id; those that were stored with one keep it.
    if (message.id !== stored.id) while (ids.has(message.id)) message.id = `${message.id}-2`;
    ids.add(message.id);
    return [place, message];
  });
  try {
    return { converted: textOf(converted), count: converted.length };
  } catch {
    return null;
  }
}

/** At isolation levels above READ COMMITTED the server refuses to write what others have changed, instead of looking again. */
function unlessInTheWay(thrown: JourneyDbError): [] {
  if (thrown.sqlState?.startsWith("40")) return [];
  throw thrown;
}

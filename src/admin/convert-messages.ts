import { eq, type SQL, sql } from "drizzle-orm";
import { fromAiSdk4 } from "../ai-sdk/from-ai-sdk-4.js";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../model/ai-sdk-4.js";
import type { Database } from "../model/database.js";
import { exactTime } from "../queries/columns.js";
import { arrayOf } from "../queries/conversation.js";
import { jsonParam, param, perTable, type Statement, statement } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import type { SessionTable } from "../schema.js";
import type { Deadline } from "../sessions/call.js";
import { type AdminStatement, optionsOf, rowOf, rowsOf } from "./call.js";
import { readExactly } from "./exact-json.js";
import {
  findSessions,
  type JobOptions,
  jobOptionsSchema,
  type Progress,
  runJob,
  unchangedSession,
  untilUnchanged,
} from "./job.js";

export interface Converted {
  /** Sessions that were converted; with `dryRun`, that would be. */
  sessions: number;
  /** Messages in them that were converted; with `dryRun`, that would be. */
  messages: number;
  /**
   * Sessions left unchanged: the row does not meet the table's checks, its messages are nested
   * more than 2,000 levels deep, or others changed the session during each of ten attempts.
   */
  skipped: number;
}

export type ConvertMessagesProgress = Progress<Converted>;
export type ConvertMessagesOptions = JobOptions<Converted>;

/** Silent, so that an error of a strict path means no. */
const silently = (path: string): SQL => sql.raw(`'${path}', '{}', true`);

/** Of a session that has messages of AI SDK 4. */
type Older = [id: string, messages: number, isWritable: boolean];

/** The messages of AI SDK 4 in one session. */
interface OlderRow {
  revision: string | null;
  /** A JSON array of [place from 1, message]; null if none are left. */
  older: string | null;
}

const statementsOf = perTable((table) => {
  const { id, userId, messages, metadata } = table;
  const olderMessages = sql`coalesce(jsonb_array_length(jsonb_path_query_array(${messages}, ${silently(AI_SDK_4_MESSAGES)})), 0)`;
  /** Whether the table's checks let the row be written. */
  const isWritable = sql`(${userId} <> '' and jsonb_typeof(${metadata}) = 'object') is not false`;

  // The offset keeps the planner from counting twice.
  const findOlder = findSessions(
    table,
    "admin_find_ai_sdk_4",
    sql`(select json_build_array(${id}, counted.n, ${isWritable}) from (select ${olderMessages} as n offset 0) as counted where counted.n > 0)`,
  );

  const readOlder: AdminStatement<OlderRow> = statement(table, "admin_read_ai_sdk_4", (db) =>
    db
      .select({
        revision: exactTime(table.updatedAt),
        older: sql<string | null>`(
        select json_agg(json_build_array(n, message) order by n)::text
        from jsonb_array_elements(case when jsonb_typeof(${messages}) = 'array' then ${messages} else '[]' end) with ordinality as e(message, n)
        where jsonb_path_exists(message, ${silently(AI_SDK_4_MESSAGE)})
      )`,
      })
      .from(table)
      .where(eq(id, param("id"))),
  );

  /**
   * Replaces the messages that were read, if nobody has changed the row since. The other messages do not
   * leave the server.
   */
  const writeConverted: Statement<
    { id: string },
    { id: string; revision: string | null; converted: string }
  > = statement(table, "admin_write_ai_sdk_4", (db) =>
    updating(db, table, {
      messages: sql`(
        select ${arrayOf(sql`coalesce(c.message, e.message)`, sql`e.n`)}
        from jsonb_array_elements(${messages}) with ordinality as e(message, n)
        left join (
          select (pair -> 0)::int as n, pair -> 1 as message from jsonb_array_elements(${jsonParam("converted")}) as pairs(pair)
        ) as c on c.n = e.n
      )`,
    })
      .where(unchangedSession(table))
      .returning({ id }),
  );

  return { findOlder, readOlder, writeConverted };
});

/**
 * Converts all users' stored messages of AI SDK 4 to the format of AI SDK 5 and later, as `fromAiSdk4` of
 * `@aigos/journey-db/ai-sdk` does. Use it in jobs and scripts, never behind a route.
 *
 * It walks through all sessions once. Each session is changed by one statement, and only if nobody has
 * changed it since it was read; otherwise it is read again. No concurrent write is lost, so the application
 * can keep running, and the call can be stopped and repeated at any time. Once all messages are converted,
 * repeating it changes nothing. Other messages are not read from the server, and no number in a converted
 * message changes, however many digits it has.
 *
 * `revision` and `updatedAt` of a converted session change, so `prune` counts its inactivity from then on.
 * Pass a database, not a transaction: in a transaction nothing takes effect before the commit, and converted
 * sessions stay locked until then.
 *
 * @example await convertMessages(db, { onProgress: ({ examined }) => console.log(examined) })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal or a statement that takes too
 *   long; unavailable, conflict, configuration, migration, internal. Sessions that were converted before stay
 *   converted.
 */
export async function convertMessages(
  db: Database,
  options: ConvertMessagesOptions = {},
): Promise<Converted> {
  const { table, ...job } = optionsOf(jobOptionsSchema, db, options);
  const { findOlder } = statementsOf(table);
  const done: Converted = { sessions: 0, messages: 0, skipped: 0 };
  return runJob("converted", job, done, async (from, run) => {
    const { found, ...step } = await run((deadline) =>
      rowOf(findOlder, db, { from, batchSize: job.batchSize }, deadline),
    );
    for (const [id, messages, isWritable] of JSON.parse(found) as Older[]) {
      const count = !isWritable
        ? null
        : job.dryRun
          ? messages
          : await run((deadline) => convertSession(db, table, id, deadline));
      if (typeof count !== "number") done.skipped++;
      else if (count > 0) {
        done.sessions++;
        done.messages += count;
      }
    }
    return step;
  });
}

/** @returns the number of messages converted; null or undefined if the session is left unchanged */
const convertSession = (db: Database, table: SessionTable, id: string, deadline: Deadline) =>
  untilUnchanged(async () => {
    const { readOlder, writeConverted } = statementsOf(table);
    const [row] = await rowsOf(readOlder, db, { id }, deadline);
    if (!row?.older) return 0;
    const conversion = convert(row.older);
    if (conversion === null) return null;
    const { converted, count } = conversion;
    const written = await rowsOf(writeConverted, db, { id, revision: row.revision, converted }, deadline);
    return written.length > 0 ? count : undefined;
  });

/** JSON.stringify writes about 4,000 levels, fewer where less of the stack is left. */
const MAX_LEVELS = 2000;

/** @returns null if the messages are nested more than MAX_LEVELS deep */
function convert(older: string): { converted: string; count: number } | null {
  const { value, levels, textOf } = readExactly(older);
  if (levels > MAX_LEVELS) return null;
  const ids = new Set<unknown>();
  const converted = (value as [number, { id?: unknown }][]).map(([place, stored]) => {
    const message = fromAiSdk4(stored);
    // Of messages with the same content and no id; those that were stored with one keep it.
    if (message.id !== stored.id) while (ids.has(message.id)) message.id = `${message.id}-2`;
    ids.add(message.id);
    return [place, message];
  });
  return { converted: textOf(converted), count: converted.length };
}

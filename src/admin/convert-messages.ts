import { and, type SQL, sql } from "drizzle-orm";
import { fromAiSdk4 } from "../ai-sdk/from-ai-sdk-4.js";
import { messagesOf } from "../message-rows/table.js";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../model/ai-sdk-4.js";
import type { Database } from "../model/database.js";
import { exactTime } from "../queries/columns.js";
import { areMarked, arrayOf } from "../queries/conversation.js";
import { jsonParam, param, perTable, type Statement, statement } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import { isDistributed } from "../schema.js";
import type { Deadline } from "../sessions/call.js";
import { type AdminStatement, optionsOf, rowOf, rowsOf } from "./call.js";
import { readExactly } from "./exact-json.js";
import {
  type Found,
  findSessions,
  foundSession,
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

/** Of a session that has messages of AI SDK 4; no number if it keeps its messages in rows, which are still to be read. */
type Older = [id: string, userId: string, messages: number | null, isWritable: boolean];

/** The messages of AI SDK 4 in one session. */
interface OlderRow {
  revision: string | null;
  /** A JSON array of [place, message]: the position from 1, or the message's id; null if none are left. */
  older: string | null;
}

/** The statements for one session. */
interface Conversion {
  read: AdminStatement<OlderRow>;
  /**
   * Replaces the messages that were read, if nobody has changed the session since. The other messages do not leave the
   * server.
   */
  write: Statement<{ id: string }, Found & { revision: string | null; converted: string }>;
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
    sql`case when ${areMarked(messages)} then json_build_array(${id}, ${userId}, null, ${isWritable})
      else (select json_build_array(${id}, ${userId}, counted.n, ${isWritable}) from (select ${olderMessages} as n offset 0) as counted where counted.n > 0) end`,
  );

  const read: AdminStatement<OlderRow> = statement(table, "admin_read_ai_sdk_4", (db) =>
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
      .where(foundSession(table)),
  );

  const write: Conversion["write"] = statement(table, "admin_write_ai_sdk_4", (db) =>
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

  return { findOlder, inColumn: { read, write } };
});

const rowStatementsOf = perTable((table) => {
  const { id, userId, updatedAt } = table;
  const rows = messagesOf(table);
  const { message } = rows;
  const older = sql`from ${rows} where ${rows.userId} = ${userId} and ${rows.sessionId} = ${id} and jsonb_path_exists(${message}::jsonb, ${silently(AI_SDK_4_MESSAGE)})`;

  /** Of the sessions with these ids, those that have messages of AI SDK 4 in rows, as JSON of [id, userId, messages]. */
  const findOlder: AdminStatement<{ found: string }> = statement(table, "admin_find_ai_sdk_4_rows", (db) => {
    const counted = db
      .select({ id, userId, n: sql<number>`(select count(*) ${older})`.as("n") })
      .from(table)
      .where(
        sql`${id} in (select one::uuid from json_array_elements_text(${param("ids")}::text::json) as ids(one))`,
      )
      .as("counted");
    const all = sql`json_agg(json_build_array(${counted.id}, ${counted.userId}, ${counted.n}) order by ${counted.id}) filter (where ${counted.n} > 0)`;
    return db.select({ found: sql<string>`coalesce(${all}, '[]')::text` }).from(counted);
  });

  const read: AdminStatement<OlderRow> = statement(table, "admin_read_ai_sdk_4_rows", (db) =>
    db
      .select({
        revision: exactTime(updatedAt),
        older: sql<
          string | null
        >`(select json_agg(json_build_array(${rows.id}, ${message}) order by ${rows.appendedAt}, ${rows.n})::text ${older})`,
      })
      .from(table)
      .where(and(foundSession(table), areMarked(table.messages))),
  );

  const write: Conversion["write"] = statement(table, "admin_write_ai_sdk_4_rows", (db) => {
    const written = db
      .$with("written")
      .as(updating(db, table, {}).where(unchangedSession(table)).returning({ id, userId }));
    const changed = db.$with("changed").as(
      db
        .update(rows)
        .set({ message: sql`pair -> 1` })
        .from(sql`written, json_array_elements(${param("converted")}::text::json) as pairs(pair)`)
        .where(
          sql`${rows.sessionId} = written.id and ${rows.userId} = written.user_id and ${rows.id} = pair ->> 0`,
        )
        .returning({ id: rows.id }),
    );
    return db.with(written, changed).select({ id: written.id }).from(written);
  });

  return { findOlder, inRows: { read, write } };
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
 * `revision` and `updatedAt` of a converted session change, so `prune` counts its inactivity from then on. On a distributed
 * table, a session that is transferred meanwhile may be left as it is: repeat the call.
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
  const job = optionsOf(jobOptionsSchema, db, options);
  const { batchSize, dryRun } = job;
  const done: Converted = { sessions: 0, messages: 0, skipped: 0 };
  return runJob(db, "converted", job, done, async (table, from, run) => {
    const { findOlder, inColumn } = statementsOf(table);
    const { findOlder: findInRows, inRows } = rowStatementsOf(table);
    const keyOf = (id: string, userId: string) => (isDistributed(table) ? `${id} ${userId}` : id);
    const { found, ...step } = await run((deadline) => rowOf(findOlder, db, { from, batchSize }, deadline));
    const all = JSON.parse(found) as Older[];
    const ids = all.flatMap(([id, , messages]) => (messages === null ? [id] : []));
    const counts = new Map<string, number>();
    if (ids.length > 0) {
      const { found } = await run((deadline) =>
        rowOf(findInRows, db, { ids: JSON.stringify(ids) }, deadline),
      );
      for (const [id, userId, messages] of JSON.parse(found)) counts.set(keyOf(id, userId), messages);
    }
    for (const [id, userId, inItsColumn, isWritable] of all) {
      const messages = inItsColumn ?? counts.get(keyOf(id, userId));
      if (messages === undefined) continue;
      const statements = inItsColumn === null ? inRows : inColumn;
      const count = !isWritable
        ? null
        : dryRun
          ? messages
          : await run((deadline) => convertSession(db, statements, { id, userId }, deadline));
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
const convertSession = (db: Database, { read, write }: Conversion, session: Found, deadline: Deadline) =>
  untilUnchanged(async () => {
    const [row] = await rowsOf(read, db, session, deadline);
    if (!row?.older) return 0;
    const conversion = convert(row.older);
    if (conversion === null) return null;
    const { converted, count } = conversion;
    const written = await rowsOf(write, db, { ...session, revision: row.revision, converted }, deadline);
    return written.length > 0 ? count : undefined;
  });

/** JSON.stringify writes about 4,000 levels, fewer where less of the stack is left. */
const MAX_LEVELS = 2000;

/** @returns null if the messages are nested more than MAX_LEVELS deep */
function convert(older: string): { converted: string; count: number } | null {
  const { value, levels, textOf } = readExactly(older);
  if (levels > MAX_LEVELS) return null;
  const ids = new Set<unknown>();
  const converted = (value as [unknown, { id?: unknown }][]).map(([place, stored]) => {
    const message = fromAiSdk4(stored);
    // Of messages with the same content and no id; those that were stored with one keep it.
    if (message.id !== stored.id) while (ids.has(message.id)) message.id = `${message.id}-2`;
    ids.add(message.id);
    return [place, message];
  });
  return { converted: textOf(converted), count: converted.length };
}

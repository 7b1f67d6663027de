import { and, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import type { JourneyDbError } from "../model/errors.js";
import { exactTime } from "../queries/columns.js";
import { areInRows } from "../queries/conversation.js";
import { input, jsonParam, perTable, type Statement, statement } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import type { SessionTable } from "../schema.js";
import type { Deadline } from "../sessions/call.js";
import { type AdminStatement, optionsOf, rowOf, rowsOf } from "./call.js";
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

export interface Repaired {
  /** Sessions that were repaired; with `dryRun`, that would be. */
  sessions: number;
  /**
   * Sessions left unchanged: the string contains no array or object, or others changed the session during
   * each of ten attempts.
   */
  skipped: number;
}

export type RepairJsonProgress = Progress<Repaired>;
export type RepairJsonOptions = JobOptions<Repaired>;

/** The JSON to store instead; null for a column that stays as it is. */
type Decoded = { messages: string | null; metadata: string | null };

/** The columns of a session that are a JSON text; null for one that is not. */
interface EncodedRow {
  revision: string | null;
  messages: string | null;
  metadata: string | null;
  /** Whether the row meets the table's checks once its texts are decoded. */
  isWritable: boolean;
}

const statementsOf = perTable((table) => {
  const { id, userId, messages, metadata } = table;
  /** Whether messages or metadata is a JSON text. */
  const isText = sql`(jsonb_typeof(${messages}) = 'string' or jsonb_typeof(${metadata}) = 'string')`;

  const readEncoded: AdminStatement<EncodedRow> = statement(table, "admin_read_encoded", (db) =>
    db
      .select({
        revision: exactTime(table.updatedAt),
        messages: sql<
          string | null
        >`case when jsonb_typeof(${messages}) = 'string' then ${messages} #>> '{}' end`,
        metadata: sql<
          string | null
        >`case when jsonb_typeof(${metadata}) = 'string' then ${metadata} #>> '{}' end`,
        isWritable: sql<boolean>`(${userId} <> '' and (jsonb_typeof(${messages}) in ('string', 'array') or ${areInRows(messages)}) and jsonb_typeof(${metadata}) in ('string', 'object')) is not false`,
      })
      .from(table)
      .where(and(foundSession(table), isText)),
  );

  /** Fails where jsonb cannot hold what JSON.parse could read. */
  const readDecoded: Statement<{ types: string }, Decoded> = statement(table, "admin_read_decoded", (db) =>
    db
      .select({ types: sql<string>`concat(jsonb_typeof(messages), jsonb_typeof(metadata))` })
      .from(input({ messages: jsonParam("messages"), metadata: jsonParam("metadata") })),
  );

  /** Replaces the columns that have new JSON, if nobody has changed the row since it was read. */
  const writeDecoded: Statement<{ id: string }, Decoded & Found & { revision: string | null }> = statement(
    table,
    "admin_write_decoded",
    (db) =>
      updating(db, table, {
        messages: sql`coalesce(${jsonParam("messages")}, ${messages})`,
        metadata: sql`coalesce(${jsonParam("metadata")}, ${metadata})`,
      })
        .where(unchangedSession(table))
        .returning({ id }),
  );

  return {
    findEncoded: findSessions(
      table,
      "admin_find_encoded",
      sql`case when ${isText} then json_build_object('id', ${id}, 'userId', ${userId}) end`,
    ),
    readEncoded,
    readDecoded,
    writeDecoded,
  };
});

/**
 * Repairs all users' sessions whose `messages` or `metadata` is a JSON string that contains the array or the
 * object: a program passed `JSON.stringify(messages)` to a driver that encoded it again. Strings within
 * strings are decoded too. Use it in jobs and scripts, never behind a route.
 *
 * It walks through all sessions once. Each session is changed by one statement, and only if nobody has
 * changed it since it was read. The call can be stopped and repeated at any time. No number changes.
 * `revision` and `updatedAt` of a repaired session change. On a distributed table, a session that is transferred meanwhile
 * may be left as it is: repeat the call.
 *
 * @example await repairJson(db, { dryRun: true })
 * @throws JourneyDbError invalid_input; timeout for an aborted signal or a statement that takes too
 *   long; unavailable, conflict, configuration, migration, internal. Sessions that were repaired before stay
 *   repaired.
 */
export async function repairJson(db: Database, options: RepairJsonOptions = {}): Promise<Repaired> {
  const job = optionsOf(jobOptionsSchema, db, options);
  const { batchSize, dryRun } = job;
  const done: Repaired = { sessions: 0, skipped: 0 };
  return runJob(db, "repaired", job, done, async (table, from, run) => {
    const { findEncoded } = statementsOf(table);
    const { found, ...step } = await run((deadline) => rowOf(findEncoded, db, { from, batchSize }, deadline));
    for (const session of JSON.parse(found) as Found[]) {
      const outcome = await run((deadline) => repairSession(db, table, session, dryRun, deadline));
      if (outcome !== "repaired already") done[outcome ?? "skipped"]++;
    }
    return step;
  });
}

const repairSession = (
  db: Database,
  table: SessionTable,
  session: Found,
  dryRun: boolean,
  deadline: Deadline,
) =>
  untilUnchanged(async () => {
    const { readEncoded, readDecoded, writeDecoded } = statementsOf(table);
    const [row] = await rowsOf(readEncoded, db, session, deadline);
    if (!row) return "repaired already";
    const values = decoded(row);
    if (!values) return "skipped";
    try {
      const written = dryRun
        ? await rowsOf(readDecoded, db, values, deadline)
        : await rowsOf(writeDecoded, db, { ...session, revision: row.revision, ...values }, deadline);
      return written.length > 0 ? "sessions" : undefined;
    } catch (thrown) {
      // JSON that JSON.parse reads and jsonb cannot hold.
      if (/^(22|54)/.test((thrown as JourneyDbError).sqlState ?? "")) return "skipped";
      throw thrown;
    }
  });

function decoded({ messages, metadata, isWritable }: EncodedRow): Decoded | undefined {
  if (!isWritable) return undefined;
  const array = messages === null ? null : decode(messages, "[");
  const object = metadata === null ? null : decode(metadata, "{");
  return array === undefined || object === undefined ? undefined : { messages: array, metadata: object };
}

/** The innermost JSON, if it begins with that bracket. It is not written again, so numbers keep their digits. */
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

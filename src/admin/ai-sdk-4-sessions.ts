import { and, desc, eq, gt, gte, type SQL, sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../model/ai-sdk-4.js";
import { revision, touched } from "../queries/columns.js";
import { arrayOf } from "../queries/conversation.js";
import { jsonParam, param, type Statement, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";

/** Sessions along the primary key, and those of them that have messages of AI SDK 4. */
export interface Stretch {
  examined: number;
  /** The id to go on from, or null at the end. */
  next: string | null;
  /** Their ids, with the number of these messages and whether the table's checks let the row be written. */
  found: [id: string, messages: number, isWritable: boolean][];
}

const { id, userId, messages, metadata } = journeySessions;

/** Silent: an error of a strict path is "no". */
const asked = (path: string): SQL => sql.raw(`'${path}', '{}', true`);
const olderMessages = sql`coalesce(jsonb_array_length(jsonb_path_query_array(${messages}, ${asked(AI_SDK_4_MESSAGES)})), 0)`;
const isWritable = sql`(${userId} <> '' and jsonb_typeof(${metadata}) = 'object') is not false`;

/** Reads the conversations of the stretch on the server, and sends none. */
export const findOlder: AdminStatement<{ stretch: string }> = statement("admin_find_ai_sdk_4", (db) => {
  const passed = db.$with("passed").as(
    db
      .select({
        id,
        found: sql<number>`${olderMessages}`.as("found"),
        isWritable: isWritable.as("is_writable"),
      })
      .from(journeySessions)
      .where(gte(id, param("from")))
      .orderBy(id)
      .limit(param("batchSize")),
  );
  const last = db.select({ id: passed.id }).from(passed).orderBy(desc(passed.id)).limit(1);
  const next = db.select({ id }).from(journeySessions).where(gt(id, last)).orderBy(id).limit(1);
  const found = sql`json_agg(json_build_array(${passed.id}, ${passed.found}, ${passed.isWritable})) filter (where ${passed.found} > 0)`;
  return db
    .with(passed)
    .select({
      stretch: sql<string>`json_build_object('examined', count(*), 'next', (${next}), 'found', coalesce(${found}, '[]'))::text`,
    })
    .from(passed);
});

/** One session's messages of AI SDK 4. */
export interface OlderRow {
  revision: string | null;
  /** A JSON array of [place from 1, message]; null where there are none any more. */
  older: string | null;
}

export const readOlder: AdminStatement<OlderRow> = statement("admin_read_ai_sdk_4", (db) =>
  db
    .select({
      revision,
      older: sql<string | null>`(
        select json_agg(json_build_array(n, message) order by n)::text
        from jsonb_array_elements(case when jsonb_typeof(${messages}) = 'array' then ${messages} else '[]' end) with ordinality as e(message, n)
        where jsonb_path_exists(message, ${asked(AI_SDK_4_MESSAGE)})
      )`,
    })
    .from(journeySessions)
    .where(eq(id, param("id"))),
);

/**
 * Puts messages in the places of those that were read, if the row is still the one that was read:
 * nothing that others wrote meanwhile is lost. The messages between them do not leave the server.
 */
export const writeConverted: Statement<
  { id: string },
  { id: string; revision: string | null; converted: string }
> = statement("admin_write_ai_sdk_4", (db) =>
  db
    .update(journeySessions)
    .set({
      messages: sql`(
        select ${arrayOf(sql`coalesce(c.message, e.message)`, sql`e.n`)}
        from jsonb_array_elements(${messages}) with ordinality as e(message, n)
        left join (
          select (pair -> 0)::int as n, pair -> 1 as message from jsonb_array_elements(${jsonParam("converted")}) as pairs(pair)
        ) as c on c.n = e.n
      )`,
      ...touched,
    })
    .where(and(eq(id, param("id")), sql`${revision} is not distinct from ${param("revision")}`))
    .returning({ id }),
);

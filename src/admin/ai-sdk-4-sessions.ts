import { and, eq, type SQL, sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../model/ai-sdk-4.js";
import { revision, touched } from "../queries/columns.js";
import { arrayOf } from "../queries/conversation.js";
import { given, givenJson, type Statement, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";
import { findSessions } from "./walk.js";

const { id, userId, messages, metadata } = journeySessions;

/** Silent, so that an error of a strict path means no. */
const silently = (path: string): SQL => sql.raw(`'${path}', '{}', true`);
const olderMessages = sql`coalesce(jsonb_array_length(jsonb_path_query_array(${messages}, ${silently(AI_SDK_4_MESSAGES)})), 0)`;
/** Whether the table's checks let the row be written. */
const isWritable = sql`(${userId} <> '' and jsonb_typeof(${metadata}) = 'object') is not false`;

/** Of a session that has messages of AI SDK 4. */
export type Older = [id: string, messages: number, isWritable: boolean];

// The offset keeps the planner from counting twice.
export const findOlder = findSessions(
  "admin_find_ai_sdk_4",
  sql`(select json_build_array(${id}, counted.n, ${isWritable}) from (select ${olderMessages} as n offset 0) as counted where counted.n > 0)`,
);

/** The messages of AI SDK 4 in one session. */
export interface OlderRow {
  revision: string | null;
  /** A JSON array of [place from 1, message]; null where there are none left. */
  older: string | null;
}

export const readOlder: AdminStatement<OlderRow> = statement("admin_read_ai_sdk_4", (db) =>
  db
    .select({
      revision,
      older: sql<string | null>`(
        select json_agg(json_build_array(n, message) order by n)::text
        from jsonb_array_elements(case when jsonb_typeof(${messages}) = 'array' then ${messages} else '[]' end) with ordinality as e(message, n)
        where jsonb_path_exists(message, ${silently(AI_SDK_4_MESSAGE)})
      )`,
    })
    .from(journeySessions)
    .where(eq(id, given("id"))),
);

/**
 * Replaces the messages that were read, if nobody has changed the row since. The other messages do not
 * leave the server.
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
          select (pair -> 0)::int as n, pair -> 1 as message from jsonb_array_elements(${givenJson("converted")}) as pairs(pair)
        ) as c on c.n = e.n
      )`,
      ...touched,
    })
    .where(and(eq(id, given("id")), sql`${revision} is not distinct from ${given("revision")}`))
    .returning({ id }),
);

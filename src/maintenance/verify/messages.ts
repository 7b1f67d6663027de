import { sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../../model/ai-sdk-4.js";
import { read } from "../read.js";
import { type Check, type Context, runChecks } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import type { Finding } from "./finding.js";
import { forTable } from "./table.js";

const IDS = `jsonb_array_elements_text(jsonb_path_query_array(messages, '$[*].id ? (@.type() == "string")'))`;
const OLDER = `jsonb_array_length(jsonb_path_query_array(messages, '${AI_SDK_4_MESSAGES}', '{}', true))`;

export const selectRepeatedIds = ({ sql: table }: DeclaredTable) =>
  `select s.id, i.id as message_id, count(*) from ${table} as s, ${IDS} as i (id) group by 1, 2 having count(*) > 1`;

interface Counts {
  sessions: number;
  messages: number;
}

const have = ({ sessions }: Counts) => (sessions === 1 ? "1 session has" : `${sessions} sessions have`);

export const repeatedIds = (table: DeclaredTable): Check => ({
  code: "message_ids",
  severity: "warning",
  // Collation "C" compares bytes, which is faster.
  query: sql`select count(*) as sessions from ${sql.raw(table.sql)}
    where (select count(*) <> count(distinct i.id collate "C") from ${sql.raw(IDS)} as i (id)) having count(*) > 0`,
  finding: (counts: Counts) => [
    `${have(counts)} several messages with the same id: append replaces the first of them, messages({ before }) ends before the first, and truncate, append({ from }) and fork({ through }) use the last.`,
    {
      sql: selectRepeatedIds(table),
      rest: ", then give each of these messages an id of its own with replaceMessages",
    },
  ],
});

export const olderMessages = (table: DeclaredTable): Check => ({
  code: "messages_ai_sdk_4",
  severity: "warning",
  query: sql`select count(*) filter (where older > 0) as sessions, sum(older) as messages
    from (select ${sql.raw(OLDER)} as older from ${sql.raw(table.sql)}) as counted having sum(older) > 0`,
  finding: (counts: Counts) => [
    `${have(counts)} ${counts.messages === 1 ? "a message" : `${counts.messages} messages`} of AI SDK 4, which later versions do not show or cannot send to a model.`,
    forTable(table, "journey-db convert-messages, after a backup; --dry-run only counts", "convertMessages"),
  ],
});

/** Escapes of text that the server stores as json and may fail to read: a zero byte, half a surrogate pair. */
const ESCAPES = String.raw`text ~ '\\u(0000|[dD][89a-fA-F])'`;
const ZERO_BYTE = String.raw`text ~ '(^|[^\\])(\\\\)*\\u0000'`;

/** Messages in rows that calls cannot use, and those of AI SDK 4. Each check reads every message. */
export function contentChecks(table: DeclaredTable): Check[] {
  const { sql: m, label } = table.messages as DeclaredTable;
  const from = `${m} m cross join lateral (select m.message::text as text offset 0) as t`;
  // From the text, since the server reads a message again each time that it is named.
  const broken = `case when ${ESCAPES} then ${ZERO_BYTE} else json_typeof(text::json) <> 'object' or text::json ->> 'id' is distinct from m.id end`;
  const older = `case when ${ESCAPES} then false else coalesce(jsonb_path_exists(text::jsonb, '${AI_SDK_4_MESSAGE}', '{}', true), false) end`;
  return [
    {
      code: "rows_forbidden",
      query: sql`select count(*) as messages from ${sql.raw(from)} where ${sql.raw(broken)} having count(*) > 0`,
      finding: ({ messages }: Counts) => [
        `${messages === 1 ? "1 message" : `${messages} messages`} in ${label} cannot be used: it is not a JSON object with the id of its row, or has a zero byte.`,
        {
          sql: `select m.session_id, m.user_id, m.id from ${from} where ${broken}`,
          rest: ", then repair each of these messages, then run journey-db verify",
        },
      ],
    },
    {
      ...olderMessages(table),
      query: sql`select count(distinct m.session_id) as sessions, count(*) as messages from ${sql.raw(from)} where ${sql.raw(older)} having count(*) > 0`,
    },
  ];
}

/** Runs a check of all conversations, if there is a column of them. */
export const countMessages =
  (check: (table: DeclaredTable) => Check) =>
  async (context: Context): Promise<Finding[]> => {
    const column = await read(
      context.db,
      sql`select from pg_attribute where attrelid = ${context.table.oid} and attname = 'messages' and atttypid = 'jsonb'::regtype`,
    );
    return column.length > 0 ? runChecks([check(context.table)], context) : [];
  };

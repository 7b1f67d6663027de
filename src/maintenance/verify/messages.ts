import { sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGES } from "../../model/ai-sdk-4.js";
import { read, TABLE } from "../read.js";
import type { Context } from "./check.js";
import { type Finding, warning } from "./finding.js";

const hasMessages = async ({ db }: Context) =>
  (
    await read(
      db,
      sql`select from pg_attribute where attrelid = ${TABLE} and attname = 'messages' and atttypid = 'jsonb'::regtype`,
    )
  ).length > 0;

const sessionsHave = (sessions: number) => (sessions === 1 ? "1 session has" : `${sessions} sessions have`);

const IDS = `jsonb_array_elements_text(jsonb_path_query_array(messages, '$[*].id ? (@.type() == "string")'))`;

export const SELECT_REPEATED_IDS = `select s.id, i.id as message_id, count(*) from journey_sessions as s, ${IDS} as i (id) group by 1, 2 having count(*) > 1`;

/** Counts sessions in which several messages have the same id. This package stores none. */
export async function countRepeatedIds(context: Context): Promise<Finding[]> {
  if (!(await hasMessages(context))) return [];
  // Collation "C" compares bytes, which is faster.
  const [found] = await read<{ sessions: number }>(
    context.db,
    sql`select count(*) as sessions from journey_sessions
      where (select count(*) <> count(distinct i collate "C") from ${sql.raw(IDS)} as i)`,
  );
  if (!found?.sessions) return [];
  return [
    warning(
      "message_ids",
      `${sessionsHave(found.sessions)} several messages with the same id: append replaces the first of them, messages({ before }) ends before the first, and truncate, append({ from }) and fork({ through }) use the last.`,
      {
        sql: SELECT_REPEATED_IDS,
        rest: ", then give each of these messages an id of its own with replaceMessages",
      },
    ),
  ];
}

const OLDER = `jsonb_array_length(jsonb_path_query_array(messages, '${AI_SDK_4_MESSAGES}', '{}', true))`;

/** Counts messages of AI SDK 4, which later versions do not show or cannot send to a model. */
export async function countOlderMessages(context: Context): Promise<Finding[]> {
  if (!(await hasMessages(context))) return [];
  const [found] = await read<{ sessions: number; messages: number | null }>(
    context.db,
    sql`select count(*) filter (where older > 0) as sessions, sum(older) as messages
      from (select ${sql.raw(OLDER)} as older from journey_sessions) as counted`,
  );
  if (!found?.messages) return [];
  const what = found.messages === 1 ? "a message" : `${found.messages} messages`;
  return [
    warning(
      "messages_ai_sdk_4",
      `${sessionsHave(found.sessions)} ${what} of AI SDK 4, which later versions do not show or cannot send to a model.`,
      "journey-db convert-messages, after a backup; --dry-run only counts",
    ),
  ];
}

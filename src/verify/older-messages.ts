import { sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGES } from "../ai-sdk-4.js";
import type { Database } from "../database.js";
import type { StoredColumn } from "./columns.js";
import { attempt, type Finding, LOCKED, warning } from "./finding.js";

/** How long the server may read conversations. Nothing is wrong with a table that takes longer. */
const LONGEST_MS = 30_000;

/** Counts the messages that a chat of the AI SDK from version 5 on does not show, or fails at. No conversation is sent. */
export async function checkOlderMessages(
  db: Database,
  columns: readonly StoredColumn[],
  inTransaction: boolean,
): Promise<Finding[]> {
  if (!columns.some(({ name, type }) => name === "messages" && type === "jsonb")) return [];
  return attempt(
    async () => {
      if (inTransaction) await limitTime(db);
      const older = sql.raw(
        `jsonb_array_length(jsonb_path_query_array(messages, '${AI_SDK_4_MESSAGES}', '{}', true))`,
      );
      const [found] = await db
        .select({
          sessions: sql<number>`count(*) filter (where older > 0)::float8`,
          messages: sql<number>`coalesce(sum(older), 0)::float8`,
        })
        .from(sql`(select ${older} as older from journey_sessions) as counted`);
      return found && found.messages > 0 ? [olderMessages(found.sessions, found.messages)] : [];
    },
    (reason) => {
      throw reason;
    },
    (reason) => {
      if (reason.sqlState === LOCKED) throw reason;
      return warning(
        "unchecked",
        `Messages of AI SDK 4 could not be counted in time: SQLSTATE ${reason.sqlState}.`,
        "journey-db convert-messages --dry-run counts them in batches",
      );
    },
  );
}

/** A shorter limit of the role or the connection stays. */
const limitTime = (db: Database) =>
  db
    .select({ set: sql`set_config('statement_timeout', '${sql.raw(String(LONGEST_MS))}', true)` })
    .from(sql`pg_settings`)
    .where(sql`name = 'statement_timeout' and setting::int not between 1 and ${sql.raw(String(LONGEST_MS))}`);

function olderMessages(sessions: number, messages: number): Finding {
  const where = sessions === 1 ? "1 session has" : `${sessions} sessions have`;
  const what = messages === 1 ? "a message" : `${messages} messages`;
  return warning(
    "messages_ai_sdk_4",
    `${where} ${what} of AI SDK 4, which later versions do not show or cannot send to a model.`,
    "journey-db convert-messages, after a backup; --dry-run only counts",
  );
}

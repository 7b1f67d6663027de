import { sql } from "drizzle-orm";
import { AI_SDK_4_MESSAGES } from "../../model/ai-sdk-4.js";
import type { Database } from "../../model/database.js";
import type { StoredColumn } from "./columns.js";
import { type Finding, warning } from "./finding.js";
import { limited } from "./limited.js";

const UNCOUNTED = {
  subject: "Messages of AI SDK 4",
  remedy: "journey-db convert-messages --dry-run counts them in batches",
};

/** Counts the messages that a chat of the AI SDK from version 5 on does not show, or fails at. */
export async function checkOlderMessages(
  db: Database,
  columns: readonly StoredColumn[],
  inTransaction: boolean,
): Promise<Finding[]> {
  if (!columns.some(({ name, type }) => name === "messages" && type === "jsonb")) return [];
  return limited(db, inTransaction, UNCOUNTED, async () => {
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
  });
}

function olderMessages(sessions: number, messages: number): Finding {
  const where = sessions === 1 ? "1 session has" : `${sessions} sessions have`;
  const what = messages === 1 ? "a message" : `${messages} messages`;
  return warning(
    "messages_ai_sdk_4",
    `${where} ${what} of AI SDK 4, which later versions do not show or cannot send to a model.`,
    "journey-db convert-messages, after a backup; --dry-run only counts",
  );
}

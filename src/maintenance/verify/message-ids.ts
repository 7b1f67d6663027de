import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import type { StoredColumn } from "./columns.js";
import { type Finding, warning } from "./finding.js";
import { limited } from "./limited.js";

const IDS = `jsonb_array_elements_text(jsonb_path_query_array(messages, '$[*].id ? (@.type() == "string")'))`;

const SHOWN = `select s.id, i.id as message_id, count(*) from journey_sessions as s, ${IDS} as i (id) group by 1, 2 having count(*) > 1`;

/** Counts sessions in which two messages have one id: this package stores none. */
export async function checkMessageIds(
  db: Database,
  columns: readonly StoredColumn[],
  inTransaction: boolean,
): Promise<Finding[]> {
  if (!columns.some(({ name, type }) => name === "messages" && type === "jsonb")) return [];
  const uncounted = { subject: "Message ids", remedy: `run this while the server has time: ${SHOWN}` };
  return limited(db, inTransaction, uncounted, async () => {
    const [found] = await db
      .select({ sessions: sql<number>`count(*)::float8` })
      .from(sql.raw("journey_sessions"))
      // By their bytes, which is quicker than by the rules of a language.
      .where(sql.raw(`(select count(*) <> count(distinct i collate "C") from ${IDS} as i)`));
    const sessions = found?.sessions ?? 0;
    if (sessions === 0) return [];
    const where = sessions === 1 ? "1 session has" : `${sessions} sessions have`;
    return [
      warning(
        "message_ids",
        `${where} several messages with one id: append replaces the first of them, messages({ before }) ends before the first, and truncate, append({ from }) and fork({ through }) go by the last.`,
        { sql: SHOWN, rest: ", then give each of these messages an id of its own with replaceMessages" },
      ),
    ];
  });
}

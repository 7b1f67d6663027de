import type { SessionRow, SummaryRow, WrittenRow } from "./queries/columns.js";
import { corrupt } from "./refusal.js";
import { toDate } from "./time.js";
import type { Session, SessionSummary, Written } from "./user-sessions.js";

// jsonb's text begins with the bracket of what it holds.
const isArray = (json: string) => json.startsWith("[");
const isObject = (json: string) => json.startsWith("{");

/** Stored metadata that is no object (an older program's) is shown as an empty one, so that it never breaks a list. */
export function toSummary<Metadata, Phase extends string>(row: SummaryRow): SessionSummary<Metadata, Phase> {
  return {
    id: row.id,
    userId: row.userId,
    phase: JSON.parse(row.phase),
    metadata: isObject(row.metadata) ? JSON.parse(row.metadata) : {},
    createdAt: toDate(row.createdAt),
    updatedAt: toDate(row.updatedAt),
    revision: row.updatedAt,
  };
}

/** @throws JourneyDbError corrupt where the row has not the table's shape */
export function toSession<Message, Metadata, Phase extends string>(
  row: SessionRow,
): Session<Message, Metadata, Phase> {
  if (!isArray(row.messages)) throw corrupt("messages");
  if (!isObject(row.metadata)) throw corrupt("metadata");
  return { ...toSummary<Metadata, Phase>(row), messages: JSON.parse(row.messages) };
}

export const toWritten = (row: WrittenRow): Written => ({
  id: row.id,
  revision: row.updatedAt,
  updatedAt: toDate(row.updatedAt),
});

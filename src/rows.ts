import type { SessionRow, WrittenRow } from "./queries/columns.js";
import { corrupt } from "./refusal.js";
import { toDate } from "./time.js";
import type { Session, SessionSummary, Written } from "./user-sessions.js";

/** What a summary's JSON holds. Times are exact, to the microsecond. */
export interface StoredSummary {
  id: string;
  userId: string;
  phase: string;
  /** An object, unless an older program wrote the row. */
  metadata: unknown;
  createdAt: string;
  updatedAt: string;
}

type SummaryJson = [string, string, string, unknown, string, string];

const readSummary = ([id, userId, phase, metadata, createdAt, updatedAt]: SummaryJson): StoredSummary => ({
  id,
  userId,
  phase,
  metadata,
  createdAt,
  updatedAt,
});

export const readPage = (page: string): StoredSummary[] => JSON.parse(page).map(readSummary);

const isObject = (json: unknown) => typeof json === "object" && json !== null && !Array.isArray(json);

/** Stored metadata that is no object (an older program's) is shown as an empty one, so that it never breaks a list. */
export function toSummary<Metadata, Phase extends string>(
  stored: StoredSummary,
): SessionSummary<Metadata, Phase> {
  return {
    id: stored.id,
    userId: stored.userId,
    phase: stored.phase as Phase,
    metadata: isObject(stored.metadata) ? (stored.metadata as Partial<Metadata>) : {},
    createdAt: toDate(stored.createdAt),
    updatedAt: toDate(stored.updatedAt),
    revision: stored.updatedAt,
  };
}

/** @throws JourneyDbError corrupt where the row has not the table's shape */
export function toSession<Message, Metadata, Phase extends string>(
  row: SessionRow,
): Session<Message, Metadata, Phase> {
  // jsonb's text begins with the bracket of what it holds.
  if (!row.messages.startsWith("[")) throw corrupt("messages");
  const stored = readSummary(JSON.parse(row.summary));
  if (!isObject(stored.metadata)) throw corrupt("metadata");
  return { ...toSummary<Metadata, Phase>(stored), messages: JSON.parse(row.messages) };
}

export const toWritten = (row: WrittenRow): Written => ({
  id: row.id,
  revision: row.updatedAt,
  updatedAt: toDate(row.updatedAt),
});

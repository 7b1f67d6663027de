import { toDate } from "../model/time.js";
import type { SessionRow, SummaryRow, WrittenRow } from "../queries/columns.js";
import { isObject } from "../validation/json.js";
import { corrupt } from "./refusal.js";
import type { Session, SessionSummary, Written } from "./types.js";

/** A summary as stored, with exact times, to the microsecond. */
export interface StoredSummary {
  id: string;
  userId: string;
  phase: string;
  /** An object, unless an older program wrote something else. */
  metadata: unknown;
  createdAt: string;
  updatedAt: string;
}

export function readSummary(row: SummaryRow): StoredSummary {
  const [id, userId, phase, metadata, createdAt, updatedAt] = JSON.parse(row.summary);
  return { id, userId, phase, metadata, createdAt, updatedAt };
}

/** Metadata of an older program that is not an object becomes `{}`, so that one row never breaks a list. */
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

/** The column whose value has the wrong JSON type, if any. */
export function corruptColumn(
  { messages }: SessionRow,
  { metadata }: StoredSummary,
): "messages" | "metadata" | undefined {
  // The text of a jsonb array starts with its bracket.
  if (!messages.startsWith("[")) return "messages";
  return isObject(metadata) ? undefined : "metadata";
}

/** @throws JourneyDbError corrupt if `messages` or `metadata` has the wrong JSON type */
export function toSession<Message, Metadata, Phase extends string>(
  row: SessionRow,
  stored: StoredSummary = readSummary(row),
): Session<Message, Metadata, Phase> {
  const column = corruptColumn(row, stored);
  if (column) throw corrupt(column);
  return { ...toSummary<Metadata, Phase>(stored), messages: JSON.parse(row.messages) };
}

export const toWritten = (row: WrittenRow): Written => ({
  id: row.id,
  revision: row.updatedAt,
  updatedAt: toDate(row.updatedAt),
});

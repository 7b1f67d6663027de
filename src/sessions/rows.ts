import { toDate } from "../model/time.js";
import type { SessionRow, SummaryRow, WrittenRow } from "../queries/columns.js";
import type { JourneyTable } from "../schema.js";
import { isObject } from "../validation/json.js";
import type { OwnColumns } from "../validation/own-columns.js";
import { corrupt } from "./refusal.js";
import type { Session, SessionSummary, Written } from "./types.js";

/** Of any application and table. */
type AnySummary = SessionSummary<object, string, JourneyTable>;
type AnySession = Session<unknown, object, string, JourneyTable>;

/** A summary as stored, with exact times, to the microsecond. */
export interface StoredSummary {
  id: string;
  userId: string;
  phase: string;
  /** An object, unless an older program wrote something else. */
  metadata: unknown;
  createdAt: string;
  updatedAt: string;
  /** The own columns as JSON, in the order of the table. */
  own: unknown[];
}

export function readSummary(row: SummaryRow): StoredSummary {
  const [id, userId, phase, metadata, createdAt, updatedAt, ...own] = JSON.parse(row.summary);
  return { id, userId, phase, metadata, createdAt, updatedAt, own };
}

/** Metadata of an older program that is not an object becomes `{}`, so that one row never breaks a list. */
export const toSummary = (own: OwnColumns, stored: StoredSummary): AnySummary => ({
  ...own.read(stored.own),
  id: stored.id,
  userId: stored.userId,
  phase: stored.phase,
  metadata: isObject(stored.metadata) ? stored.metadata : {},
  createdAt: toDate(stored.createdAt),
  updatedAt: toDate(stored.updatedAt),
  revision: stored.updatedAt,
});

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
export function toSession(
  own: OwnColumns,
  row: SessionRow,
  stored: StoredSummary = readSummary(row),
): AnySession {
  const column = corruptColumn(row, stored);
  if (column) throw corrupt(column);
  return { ...toSummary(own, stored), messages: JSON.parse(row.messages) };
}

export const toWritten = (row: WrittenRow): Written => ({
  id: row.id,
  revision: row.updatedAt,
  updatedAt: toDate(row.updatedAt),
});

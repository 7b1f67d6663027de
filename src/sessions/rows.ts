import { toDate } from "../model/time.js";
import type { SessionRow, SummaryRow, WrittenRow } from "../queries/columns.js";
import type { MessageRow, ReadRow } from "../queries/layout.js";
import type { JourneyTable } from "../schema.js";
import { isObject } from "../validation/json.js";
import type { OwnColumns } from "../validation/own-columns.js";
import { corrupt, inRows, rowsDiffer } from "./refusal.js";
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

/** Whether the column has what stands there for messages in rows. */
const isMarker = (messages: string): boolean => typeof JSON.parse(messages)?.rows === "number";

/** The column whose value has the wrong JSON type, if any; "rows" if the messages are in rows. */
export function corruptColumn(
  { messages }: SessionRow,
  { metadata }: StoredSummary,
): "messages" | "metadata" | "rows" | undefined {
  // The text of a jsonb array starts with its bracket.
  const areInRows = !messages.startsWith("[");
  if (areInRows && !isMarker(messages)) return "messages";
  if (!isObject(metadata)) return "metadata";
  return areInRows ? "rows" : undefined;
}

/** A message of a row. Drivers parse json, unless they are told not to. */
export function toMessage(row: object): unknown {
  const { message } = row as MessageRow;
  if (typeof message !== "string") return message;
  try {
    return JSON.parse(message);
  } catch {
    // Of another program: a text, which the driver has parsed.
    return message;
  }
}

/**
 * The session of its row and of those of its messages, if it has any of its own.
 *
 * @throws JourneyDbError corrupt if `messages` or `metadata` has the wrong JSON type
 */
export function toSession(
  own: OwnColumns,
  [row, ...rows]: readonly [ReadRow, ...ReadRow[]],
  stored: StoredSummary = readSummary(row as SessionRow),
): AnySession {
  const column = corruptColumn(row as SessionRow, stored);
  if (column === "rows" && !("message" in row)) throw inRows();
  if (column && column !== "rows") throw corrupt(column);
  const messages = JSON.parse((row as SessionRow).messages);
  // Hidden by a policy, or deleted: what is left is not the conversation.
  if (column === "rows" && messages.rows !== rows.length) throw rowsDiffer();
  return { ...toSummary(own, stored), messages: column === "rows" ? rows.map(toMessage) : messages };
}

/** The session of the rows of a read, or null. */
export const foundSession = (own: OwnColumns, [row, ...rows]: readonly ReadRow[]): AnySession | null =>
  row ? toSession(own, [row, ...rows]) : null;

export const toWritten = (row: WrittenRow): Written => ({
  id: row.id,
  revision: row.updatedAt,
  updatedAt: toDate(row.updatedAt),
});

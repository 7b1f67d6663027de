import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { journeySessions } from "../schema.js";

/**
 * A timestamp that JSON shows to the microsecond, independent of the connection's TimeZone and DateStyle, also
 * `infinity`. A JavaScript Date would cut it to the millisecond.
 */
const inUtc = (time: PgColumn | SQL): SQL => sql`${time} at time zone 'UTC'`;

/** A time as exact text. */
export const exactTime = (time: PgColumn | SQL) => sql<string>`to_jsonb(${inUtc(time)}) #>> '{}'`;

/** The time of an exact text. */
export const timeOf = (text: SQL): SQL => sql`${text}::text::timestamp at time zone 'UTC'`;

/** Opaque to callers; the trigger makes it strictly increasing. */
export const revision = exactTime(journeySessions.updatedAt);

/** The columns of a summary. */
export const summarized = {
  id: journeySessions.id,
  userId: journeySessions.userId,
  phase: journeySessions.phase,
  metadata: journeySessions.metadata,
  createdAt: journeySessions.createdAt,
  updatedAt: journeySessions.updatedAt,
};

/** A session without its messages, as one JSON text: identical on every driver, and faster to read than single columns. */
export const summaryOf = (columns: Record<keyof typeof summarized, PgColumn | SQL>): SQL<string> =>
  sql`json_build_array(${columns.id}, ${columns.userId}, ${columns.phase}, ${columns.metadata}, ${inUtc(columns.createdAt)}, ${inUtc(columns.updatedAt)})::text`;

const sessionOf = (columns: Parameters<typeof summaryOf>[0] & { messages: PgColumn | SQL }) => ({
  summary: summaryOf(columns),
  messages: sql<string>`${columns.messages}::text`,
});

export const sessionColumns = sessionOf({ ...summarized, messages: journeySessions.messages });

/** Every write sets updated_at. The trigger acts only if now() would not increase it. */
export const touched = { updatedAt: sql`now()` };

/** The columns of the row that a write has written, `written` in queries/write.ts. */
export const written = {
  id: sql<string>`written.id`,
  userId: sql`written.user_id`,
  phase: sql`written.phase`,
  messages: sql`written.messages`,
  metadata: sql`written.metadata`,
  createdAt: sql`written.created_at`,
  updatedAt: sql`written.updated_at`,
};

/** The columns that every write returns. */
export const writtenColumns = { id: written.id, updatedAt: exactTime(written.updatedAt) };

/** The session that a write created. */
export const createdSession = sessionOf(written);

export type SessionRow = Record<keyof typeof sessionColumns, string>;
export type SummaryRow = Pick<SessionRow, "summary">;
export type WrittenRow = Record<keyof typeof writtenColumns, string>;

import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { journeySessions } from "../schema.js";

/**
 * A timestamp to the microsecond, whatever the connection's TimeZone and DateStyle, `infinity`
 * included. A JavaScript Date would cut it to the millisecond.
 */
const exactTime = (column: PgColumn): SQL<string> =>
  sql<string>`to_jsonb(${column} at time zone 'UTC') #>> '{}'`;

/** The back-translation of exactTime. */
export const timeOf = (text: SQL): SQL => sql`${text}::text::timestamp at time zone 'UTC'`;

/** Opaque to callers; the trigger makes it strictly increasing. */
export const revision = exactTime(journeySessions.updatedAt);

export const summaryColumns = {
  id: journeySessions.id,
  userId: journeySessions.userId,
  // As JSON, since PGlite drops a leading U+FEFF from plain text. A user id has none.
  phase: sql<string>`to_jsonb(${journeySessions.phase})::text`,
  // As text, so that it is parsed once, by us, the same on every driver.
  metadata: sql<string>`${journeySessions.metadata}::text`,
  createdAt: exactTime(journeySessions.createdAt),
  updatedAt: revision,
};

export const sessionColumns = {
  ...summaryColumns,
  messages: sql<string>`${journeySessions.messages}::text`,
};

export const writtenColumns = { id: journeySessions.id, updatedAt: revision };

export type SummaryRow = Record<keyof typeof summaryColumns, string>;
export type SessionRow = Record<keyof typeof sessionColumns, string>;
export type WrittenRow = Record<keyof typeof writtenColumns, string>;

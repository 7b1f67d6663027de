import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { SessionTable } from "../schema.js";
import { ownInJson, ownInserted, ownSelected } from "./own-columns.js";
import { param } from "./statement.js";

/**
 * A timestamp that JSON shows to the microsecond, independent of the connection's TimeZone and DateStyle, also
 * `infinity`. A JavaScript Date would cut it to the millisecond.
 */
const inUtc = (time: PgColumn | SQL): SQL => sql`${time} at time zone 'UTC'`;

/** A time as exact text. */
export const exactTime = (time: PgColumn | SQL) => sql<string>`to_jsonb(${inUtc(time)}) #>> '{}'`;

/** The time of an exact text. */
export const timeOf = (text: SQL): SQL => sql`${text}::text::timestamp at time zone 'UTC'`;

/** The columns of a summary, for an inner query. */
export const summarized = (table: SessionTable) => ({
  id: table.id,
  userId: table.userId,
  phase: table.phase,
  metadata: table.metadata,
  createdAt: table.createdAt,
  updatedAt: table.updatedAt,
  ...ownSelected(table),
});

type Summarized = Record<"id" | "userId" | "phase" | "metadata" | "createdAt" | "updatedAt", PgColumn | SQL>;

/**
 * A session without its messages, as one JSON text: identical on every driver, and faster to read than single columns.
 */
const summaryOf = (columns: Summarized, own: SQL[]): SQL<string> =>
  sql`json_build_array(${columns.id}, ${columns.userId}, ${columns.phase}, ${columns.metadata}, ${inUtc(columns.createdAt)}, ${inUtc(columns.updatedAt)}${sql.join(own.flatMap((column) => [sql`, `, column]))})::text`;

/** The summary of a row of the table. */
export const summary = (table: SessionTable): SQL<string> => summaryOf(table, ownInJson(table, "table"));

/** The summary of a row of the inner query `page`, which selects `summarized`. */
export const pageSummary = (table: SessionTable, page: Summarized): SQL<string> =>
  summaryOf(page, ownInJson(table, sql`page`));

export const sessionColumns = (table: SessionTable) => ({
  summary: summary(table),
  messages: sql<string>`${table.messages}::text`,
});

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
export const createdSession = (table: SessionTable) => ({
  summary: summaryOf(written, ownInJson(table, sql`written`)),
  messages: sql<string>`${written.messages}::text`,
});

/**
 * The columns of a new session, over an inner query that selects `messages` and `metadata`.
 *
 * @param own the keys of the own columns that it sets; the server sets the others to their defaults
 */
export const newSession = (table: SessionTable, id: SQL, own: readonly string[]): Record<string, SQL> => ({
  id,
  userId: sql`${param("userId")}::text`,
  phase: sql`${param("phase")}::text`,
  messages: sql`messages`,
  metadata: sql`metadata`,
  createdAt: sql`now()`,
  updatedAt: sql`now()`,
  ...ownInserted(table, own),
});

/** What a write that creates a session returns, for `createdSession`. */
export const allColumns = (table: SessionTable) => ({
  id: table.id,
  userId: table.userId,
  phase: table.phase,
  messages: table.messages,
  metadata: table.metadata,
  createdAt: table.createdAt,
  updatedAt: table.updatedAt,
  ...ownSelected(table),
});

export type SessionRow = Record<"summary" | "messages", string>;
export type SummaryRow = Pick<SessionRow, "summary">;
export type WrittenRow = Record<keyof typeof writtenColumns, string>;

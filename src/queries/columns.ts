import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { journeySessions } from "../table.js";

/**
 * A timestamp that JSON shows to the microsecond, whatever the connection's TimeZone and DateStyle,
 * `infinity` included. A JavaScript Date would cut it to the millisecond.
 */
const inUtc = (column: PgColumn): SQL => sql`${column} at time zone 'UTC'`;

/** The back-translation of an exact time. */
export const timeOf = (text: SQL): SQL => sql`${text}::text::timestamp at time zone 'UTC'`;

/** Opaque to callers; the trigger makes it strictly increasing. */
export const revision = sql<string>`to_jsonb(${inUtc(journeySessions.updatedAt)}) #>> '{}'`;

const { id, userId, phase, metadata, createdAt, updatedAt } = journeySessions;
/** All of a session but its messages, as one JSON value: the same on every driver, and quicker to read than a column each. */
export const summary = sql`json_build_array(${id}, ${userId}, ${phase}, ${metadata}, ${inUtc(createdAt)}, ${inUtc(updatedAt)})`;

export const sessionColumns = {
  summary: sql<string>`${summary}::text`,
  messages: sql<string>`${journeySessions.messages}::text`,
};

/** What each write sets updated_at to. The trigger has work only where this is no increase. */
export const touched = { updatedAt: sql`now()` };

export const writtenColumns = { id: journeySessions.id, updatedAt: revision };

export type SessionRow = Record<keyof typeof sessionColumns, string>;
export type WrittenRow = Record<keyof typeof writtenColumns, string>;

import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { journeySessions } from "../schema.js";

/**
 * A timestamp that JSON shows to the microsecond, whatever the connection's TimeZone and DateStyle,
 * `infinity` included. A JavaScript Date would cut it to the millisecond.
 */
const inUtc = (column: PgColumn): SQL => sql`${column} at time zone 'UTC'`;

/** The back-translation of an exact time. */
export const timeOf = (text: SQL): SQL => sql`${text}::text::timestamp at time zone 'UTC'`;

/** Opaque to callers; the trigger makes it strictly increasing. */
export const revision = sql<string>`to_jsonb(${inUtc(journeySessions.updatedAt)}) #>> '{}'`;

/**
 * All of a session but its messages, as one JSON text: the same on every driver, and parsed once.
 * A column each took Drizzle four times as long to read.
 */
const { id, userId, phase, metadata, createdAt, updatedAt } = journeySessions;
const summary = sql<string>`json_build_array(${id}, ${userId}, ${phase}, ${metadata}, ${inUtc(createdAt)}, ${inUtc(updatedAt)})::text`;

export const summaryColumns = { summary };

export const sessionColumns = { summary, messages: sql<string>`${journeySessions.messages}::text` };

/** What each write sets updated_at to. The trigger has work only where this is no increase. */
export const touched = { updatedAt: sql`now()` };

export const writtenColumns = { id: journeySessions.id, updatedAt: revision };

export type SummaryRow = Record<keyof typeof summaryColumns, string>;
export type SessionRow = Record<keyof typeof sessionColumns, string>;
export type WrittenRow = Record<keyof typeof writtenColumns, string>;

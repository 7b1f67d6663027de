import { sql } from "drizzle-orm";
import { check, index, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { JourneyMessage, JourneyMetadata } from "./messages.js";

/**
 * One row per chat session. The trigger `journey_sessions_updated_at` (a custom migration, since
 * Drizzle cannot declare triggers) keeps updated_at strictly increasing.
 *
 * No second unique index: `on conflict` handles one index only, and a second one caused spurious
 * unique violations under concurrency. No foreign key and no sequence either.
 */
export const journeySessions = pgTable(
  "journey_sessions",
  {
    id: uuid("id").defaultRandom().primaryKey(),
    userId: text("user_id").notNull(),
    phase: text("phase").default("setup").notNull(),
    messages: jsonb("messages").$type<JourneyMessage[]>().default([]).notNull(),
    metadata: jsonb("metadata").$type<JourneyMetadata>().default({}).notNull(),
    createdAt: timestamp("created_at", { withTimezone: true }).defaultNow().notNull(),
    updatedAt: timestamp("updated_at", { withTimezone: true }).defaultNow().notNull(),
  },
  (table) => [
    // Part of the table's contract; serves count and deleteAll.
    index("idx_journey_sessions_user_id").on(table.userId),
    // Serves list and latest with a backward scan: .desc() would declare DESC NULLS LAST, which
    // `order by … desc` cannot use. There is no index on updated_at, so that an append stays a HOT
    // update, which writes no index entries.
    index("idx_journey_sessions_user_id_created_at_id").on(table.userId, table.createdAt, table.id),
    // Plain text: drizzle-kit would write an interpolated value as a literal $1.
    check("journey_sessions_user_id_not_empty", sql`user_id <> ''`),
    check("journey_sessions_messages_is_array", sql`jsonb_typeof(messages) = 'array'`),
    check("journey_sessions_metadata_is_object", sql`jsonb_typeof(metadata) = 'object'`),
  ],
).enableRLS();

/** A row as Drizzle selects it. */
export type JourneySessionRow = typeof journeySessions.$inferSelect;
/** A row as Drizzle inserts it. */
export type NewJourneySessionRow = typeof journeySessions.$inferInsert;

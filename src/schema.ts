import { sql } from "drizzle-orm";
import { check, index, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { JourneyMessage, JourneyMetadata } from "./messages.js";

/**
 * One row a chat session. The trigger `journey_sessions_updated_at` (a custom migration, since
 * Drizzle cannot declare triggers) keeps updated_at strictly increasing.
 *
 * No second unique index, no foreign key and no sequence here: `on conflict` watches one index
 * only, and a second one gave spurious unique violations under concurrency.
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
    // Part of the table's contract. Serves count and deleteAll.
    index("idx_journey_sessions_user_id").on(table.userId),
    // Serves list and latest, read backwards: an index declared with .desc() would become
    // DESC NULLS LAST, which `order by … desc` cannot use. None on updated_at: an append would
    // stop being a HOT update and rewrite every index entry.
    index("idx_journey_sessions_user_id_created_at_id").on(table.userId, table.createdAt, table.id),
    // Plain text on purpose: an interpolated value would come out as a literal $1.
    check("journey_sessions_user_id_not_empty", sql`user_id <> ''`),
    check("journey_sessions_messages_is_array", sql`jsonb_typeof(messages) = 'array'`),
    check("journey_sessions_metadata_is_object", sql`jsonb_typeof(metadata) = 'object'`),
  ],
).enableRLS();

/** A row as Drizzle selects it. */
export type JourneySessionRow = typeof journeySessions.$inferSelect;
/** A row as Drizzle inserts it. */
export type NewJourneySessionRow = typeof journeySessions.$inferInsert;

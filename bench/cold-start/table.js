/** The table as an application that uses Drizzle itself declares it. */
import { jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** @public Imported by name at run time. */
export const sessions = pgTable("journey_sessions", {
  id: uuid("id").defaultRandom().primaryKey(),
  userId: text("user_id").notNull(),
  phase: text("phase").default("setup").notNull(),
  messages: jsonb("messages").default([]).notNull(),
  metadata: jsonb("metadata").default({}).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).defaultNow().notNull(),
});

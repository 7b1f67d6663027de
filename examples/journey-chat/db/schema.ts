import { journeyTable } from "@aigos/journey-db/schema";
import { boolean, index } from "drizzle-orm/pg-core";

/** The package's table, with the application's own columns. `npm run generate` writes a migration for a change. */
export const journeySessions = journeyTable(
  "journey_sessions",
  {
    pinned: boolean("pinned").default(false).notNull(),
    archived: boolean("archived").default(false).notNull(),
  },
  (t) => [
    // Serves the list: the pinned sessions and the others, each in creation order. No append writes to it.
    index("journey_sessions_user_id_archived_pinned").on(t.userId, t.archived, t.pinned, t.createdAt, t.id),
  ],
);

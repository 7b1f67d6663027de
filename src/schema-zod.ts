import { createInsertSchema, createSelectSchema, createUpdateSchema } from "drizzle-zod";
import { messagesSchema, metadataSchema, phaseSchema, sessionIdSchema, userIdSchema } from "./messages.js";
import { journeySessions } from "./schema.js";

export { type JourneySessionRow, journeySessions, type NewJourneySessionRow } from "./schema.js";

const columns = {
  id: sessionIdSchema,
  userId: userIdSchema,
  phase: phaseSchema,
  messages: messagesSchema,
  metadata: metadataSchema,
};

// An override replaces the optionality too, so it is written again where a column has a default.
const optionalColumns = {
  id: columns.id.optional(),
  phase: columns.phase.optional(),
  messages: columns.messages.optional(),
  metadata: columns.metadata.optional(),
};

/** A row as it is inserted: only `userId` is required. */
export const journeySessionInsertSchema = createInsertSchema(journeySessions, {
  ...optionalColumns,
  userId: columns.userId,
});

/** A row as it is selected with Drizzle. */
export const journeySessionSelectSchema = createSelectSchema(journeySessions, columns);

/** A change to a row: every column may be left out. */
export const journeySessionUpdateSchema = createUpdateSchema(journeySessions, {
  ...optionalColumns,
  userId: columns.userId.optional(),
});

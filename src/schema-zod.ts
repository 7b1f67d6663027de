import { createInsertSchema, createSelectSchema, createUpdateSchema } from "drizzle-zod";
import { messagesSchema, metadataSchema, phaseSchema, sessionIdSchema, userIdSchema } from "./messages.js";
import { journeySessions } from "./schema.js";

export {
  type JourneySessionRow,
  type JourneyTable,
  journeySessions,
  journeyTable,
  type NewJourneySessionRow,
} from "./schema.js";

const columns = {
  id: sessionIdSchema,
  userId: userIdSchema,
  phase: phaseSchema,
  messages: messagesSchema,
  metadata: metadataSchema,
};

// An override is no longer optional by itself, so columns with a default need `.optional()` again.
const optionalColumns = {
  id: columns.id.optional(),
  phase: columns.phase.optional(),
  messages: columns.messages.optional(),
  metadata: columns.metadata.optional(),
};

/** A row to insert: only `userId` is required. */
export const journeySessionInsertSchema = createInsertSchema(journeySessions, {
  ...optionalColumns,
  userId: columns.userId,
});

/** A row as Drizzle selects it. */
export const journeySessionSelectSchema = createSelectSchema(journeySessions, columns);

/** A change to a row: every column is optional. */
export const journeySessionUpdateSchema = createUpdateSchema(journeySessions, {
  ...optionalColumns,
  userId: columns.userId.optional(),
});

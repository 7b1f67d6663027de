import { foreignKey, index, integer, json, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { JourneyMessage } from "../messages.js";
import { perTable } from "../queries/statement.js";
import { declareBeside, type TableOf } from "../schema.js";

const messageColumns = () => ({
  /** The owner of the session. */
  userId: text("user_id").notNull(),
  sessionId: uuid("session_id").notNull(),
  /** The id of the message. */
  id: text("id").notNull(),
  /** The revision of the session with which the message was appended. */
  appendedAt: timestamp("appended_at", { withTimezone: true }).notNull(),
  /** The place among the messages of the same revision. */
  n: integer("n").notNull(),
  message: json("message").$type<JourneyMessage>().notNull(),
});

/** The table of a table's messages, as queries see it. */
export type MessageTable = TableOf<ReturnType<typeof messageColumns>>;

/** The table of a table's messages: one for each. */
export const messagesOf = perTable((table): MessageTable => {
  const { prefix, declare } = declareBeside(table, "messagesTable");
  const name = `${prefix}_messages`;
  return declare(name, messageColumns(), (message) => [
    // The session first, since a deleted session's messages are found by it alone. Each index has the owner last: so one of
    // them serves a message's id and the other the order, also while there are no statistics of the table.
    primaryKey({ name: `${name}_pkey`, columns: [message.sessionId, message.id, message.userId] }),
    index(`idx_${name}_order`).on(message.sessionId, message.appendedAt, message.n, message.userId),
    foreignKey({
      name: `${name}_session_id_fkey`,
      columns: [message.sessionId],
      foreignColumns: [table.id],
    }).onDelete("cascade"),
  ]).enableRLS() as MessageTable;
});

/**
 * Messages in rows of their own, instead of a column of their session: an append costs the same at any length of the
 * conversation. Entry point `@aigos/journey-db/message-rows`.
 */
import { ROWS } from "./message-rows/layout.js";
import { type MessageTable, messagesOf } from "./message-rows/table.js";
import { type JourneyTable, MESSAGE_ROWS, type MessagesTable } from "./schema.js";

/**
 * Declares the table of a table's messages: `journey_messages` for the default table, `<name>_messages` for others.
 * Pass it to `defineJourney({ table, messages })`, and export it from a schema file of drizzle-kit, one of its own if
 * the sessions' table is another package's.
 *
 * Drizzle cannot declare what else it needs. The migrations of this package contain it for the default table;
 * `journey-db sql --with message-rows` prints it for others.
 *
 * @param sessions a table that `journeyTable` has declared
 * @example
 * export const chatMessages = messagesTable(chats);
 * export const journey = defineJourney({ table: chats, messages: chatMessages });
 * @throws JourneyDbError invalid_input for another table
 */
export const messagesTable = <Table extends JourneyTable>(
  sessions: Table,
): MessageTable & MessagesTable<Table> =>
  Object.assign(messagesOf(sessions as never), { [MESSAGE_ROWS]: { sessions, layout: ROWS } }) as never;

export type { MessagesOf, MessagesTable } from "./schema.js";

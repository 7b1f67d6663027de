/**
 * Replies that survive a reload, a second tab and a crash: while one streams, its chunks are in tables of the database.
 * Entry point `@aigos/journey-db/durable-replies`.
 */
import { REPLY_VERBS } from "./durable-replies/calls.js";
import { watched } from "./durable-replies/statements.js";
import { type ReplyTables, repliesOf } from "./durable-replies/tables.js";
import { type JourneyTable, REPLIES, type RepliesTable } from "./schema.js";

/**
 * Declares the tables of the running replies of a table's sessions: `journey_replies` and `journey_reply_chunks` for the
 * default table, `<name>_replies` and `<name>_reply_chunks` for others. Pass `replies` to
 * `defineJourney({ table, replies })`, and export both from a schema file of drizzle-kit, one of their own if the
 * sessions' table is another package's.
 *
 * Drizzle cannot declare what else they need. The migrations of this package contain it for the default table;
 * `journey-db sql --with durable-replies` prints it for others.
 *
 * @param sessions a table that `journeyTable` has declared
 * @example
 * export const { replies, chunks } = replyTables(chats);
 * export const journey = defineJourney({ table: chats, replies });
 * @throws JourneyDbError invalid_input for another table
 */
export function replyTables<Table extends JourneyTable>(
  sessions: Table,
): ReplyTables & { replies: RepliesTable<Table> } {
  const { replies, chunks } = repliesOf(sessions as never);
  const own = { [REPLIES]: { sessions, verbs: REPLY_VERBS, watched } };
  return { replies: Object.assign(replies, own) as never, chunks };
}

export type { RepliesOf, RepliesTable } from "./schema.js";

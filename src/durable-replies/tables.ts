import { sql } from "drizzle-orm";
import { check, foreignKey, integer, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { perTable } from "../queries/statement.js";
import { declareBeside, type TableOf } from "../schema.js";
import { REPLY_STATES, type ReplyState } from "../sessions/replies.js";

const replyColumns = () => ({
  /** The owner of the session. */
  userId: text("user_id").notNull(),
  sessionId: uuid("session_id").notNull(),
  /** Of the reply. Its message has another. */
  id: text("id").notNull(),
  /** Of the message that it makes; NULL until its turn is stored. */
  messageId: text("message_id"),
  state: text("state").$type<ReplyState>().notNull(),
  /** The number of parts of the stored message that the reply continues; NULL for a new message. */
  continues: integer("continues"),
  /** The number of the last batch of chunks. */
  batches: integer("batches").notNull(),
  startedAt: timestamp("started_at", { withTimezone: true }).notNull(),
  /** When its producer last wrote. */
  writtenAt: timestamp("written_at", { withTimezone: true }).notNull(),
});

const chunkColumns = () => ({
  userId: text("user_id").notNull(),
  sessionId: uuid("session_id").notNull(),
  replyId: text("reply_id").notNull(),
  /** The number of the batch, from 1. */
  n: integer("n").notNull(),
  /** As they are sent to the browser. Text, since no query looks into them. */
  chunks: text("chunks").notNull(),
});

/** The tables of a table's running replies. */
export interface ReplyTables {
  replies: TableOf<ReturnType<typeof replyColumns>>;
  chunks: TableOf<ReturnType<typeof chunkColumns>>;
}

/** The tables of the running replies of a table's sessions. */
export const repliesOf = perTable((table): ReplyTables => {
  const { prefix, declare } = declareBeside(table, "replyTables");
  // The session first in both keys, since what belongs to a deleted one is found by it alone.
  const replies = declare(`${prefix}_replies`, replyColumns(), (reply) => [
    primaryKey({ name: `${prefix}_replies_pkey`, columns: [reply.sessionId, reply.userId] }),
    check(
      `${prefix}_replies_state`,
      sql.raw(`state in (${REPLY_STATES.map((state) => `'${state}'`).join(", ")})`),
    ),
    foreignKey({
      name: `${prefix}_replies_session_id_fkey`,
      columns: [reply.sessionId],
      foreignColumns: [table.id],
    }).onDelete("cascade"),
  ]).enableRLS();
  const chunks = declare(`${prefix}_reply_chunks`, chunkColumns(), (chunk) => [
    primaryKey({
      name: `${prefix}_reply_chunks_pkey`,
      columns: [chunk.sessionId, chunk.userId, chunk.replyId, chunk.n],
    }),
    foreignKey({
      name: `${prefix}_reply_chunks_reply_fkey`,
      columns: [chunk.sessionId, chunk.userId],
      foreignColumns: [replies.sessionId, replies.userId],
    })
      .onDelete("cascade")
      // A transfer gives the reply's session another owner.
      .onUpdate("cascade"),
  ]).enableRLS();
  return { replies, chunks } as unknown as ReplyTables;
});

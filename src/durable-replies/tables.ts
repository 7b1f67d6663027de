import { type BuildColumns, sql } from "drizzle-orm";
import {
  check,
  foreignKey,
  getTableConfig,
  integer,
  type PgColumnBuilderBase,
  type PgTableWithColumns,
  pgSchema,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { JourneyDbError } from "../model/errors.js";
import { perTable } from "../queries/statement.js";
import { isJourneyTable, type JourneyTable, journeySessions, type SessionTable } from "../schema.js";

/**
 * The states of a reply. `stopping`: somebody asked to stop it. `closing`: its producer is lost, and somebody stores what
 * had been written. `stored`: its message is stored, and the session takes the next turn. `ended`: nothing more is
 * written; it is kept for a moment, for those who still read it.
 */
const STATES = ["running", "stopping", "closing", "stored", "ended"] as const;
export type ReplyState = (typeof STATES)[number];

const replyColumns = () => ({
  /** The owner of the session. */
  userId: text("user_id").notNull(),
  sessionId: uuid("session_id").notNull(),
  /** Of the reply. Its message has another. */
  id: text("id").notNull(),
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

type TableOf<Columns extends Record<string, PgColumnBuilderBase>> = PgTableWithColumns<{
  name: string;
  schema: string | undefined;
  columns: BuildColumns<string, Columns, "pg">;
  dialect: "pg";
}>;

/** The tables of a table's running replies. */
export interface ReplyTables {
  replies: TableOf<ReturnType<typeof replyColumns>>;
  chunks: TableOf<ReturnType<typeof chunkColumns>>;
}

const prefixOf = (sessions: string) =>
  sessions === getTableConfig(journeySessions).name ? "journey" : sessions;

/** The tables of the running replies of a table's sessions. */
export const repliesOf = perTable((table): ReplyTables => {
  if (!isJourneyTable(table))
    throw new JourneyDbError(
      "invalid_input",
      "replyTables: table: expected a table that journeyTable has declared",
    );
  const sessions = getTableConfig(table as JourneyTable);
  const { schema } = sessions;
  const prefix = prefixOf(sessions.name);
  const declare = (
    schema === undefined || schema === "public" ? pgTable : pgSchema(schema).table
  ) as typeof pgTable;
  // The session first in both keys, since what belongs to a deleted one is found by it alone.
  const replies = declare(`${prefix}_replies`, replyColumns(), (reply) => [
    primaryKey({ name: `${prefix}_replies_pkey`, columns: [reply.sessionId, reply.userId] }),
    check(`${prefix}_replies_state`, sql.raw(`state in (${STATES.map((state) => `'${state}'`).join(", ")})`)),
    foreignKey({
      name: `${prefix}_replies_session_id_fkey`,
      columns: [reply.sessionId],
      foreignColumns: [(table as SessionTable).id],
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

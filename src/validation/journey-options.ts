import * as z from "zod";
import { phaseSchema } from "../messages.js";
import type { Listener } from "../model/listener.js";
import {
  isJourneyTable,
  isMessagesTable,
  isRepliesTable,
  type JourneyTable,
  journeySessions,
  type MessagesTable,
  type Own,
  type RepliesTable,
} from "../schema.js";
import type { Unstorable } from "./json.js";
import { custom, DEFAULT_SESSION_BYTES, LARGEST_JSONB, options, timeoutMs, zodSchema } from "./options.js";

/** The settings of an application for its sessions. */
export interface JourneyOptions<
  Message,
  Metadata,
  Phase extends string,
  Table extends JourneyTable = typeof journeySessions,
  Messages extends MessagesTable<Table> | undefined = MessagesTable<Table> | undefined,
> {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: Table | undefined;
  /**
   * The table of the messages, declared with `messagesTable` of `@aigos/journey-db/message-rows`, for messages in rows of
   * their own. @default the column `messages` of the session
   */
  messages?: Messages | undefined;
  /**
   * The table of running replies, declared with `replyTables` of `@aigos/journey-db/durable-replies`.
   * @default no durable replies
   */
  replies?: RepliesTable<Table> | undefined;
  /**
   * Receives the server's notifications for `watch` and for those who read a reply: a postgres.js client that is connected
   * directly, not through a transaction pooler. @default that of `connect`, which is there unless it is pooled; without one,
   * they look twice a second (`watch`: every two seconds)
   */
  listener?: Listener | undefined;
  /**
   * Whether the table is distributed over servers by owner (`journey-db distribute`). Then an id is unique for a user only,
   * and `append` with `create` sends up to three statements. If it is not set as it should be, the first insert is sent
   * twice, and within a transaction it fails. @default false
   */
  distributed?: boolean | undefined;
  /** The application's own schemas for its columns, such as jsonb columns, by key. The input is stored, not the output. */
  columns?: { [Key in keyof Own<Table>]?: z.ZodType } | undefined;
  /** The application's own message schema, checked in addition to the structure. Its input is stored, not its output. */
  message?: z.ZodType<unknown, Message> | undefined;
  /**
   * The application's own schema of the whole metadata object. `mergeMetadata` checks only the keys of its patch, not
   * rules about the whole object (a refinement, a union). A session that `append` creates may have `{}`, so any key
   * may be absent when you read it.
   */
  metadata?: z.ZodType<unknown, Metadata> | undefined;
  /** All phases; a new session starts in the first. @default any text, starting in "setup" */
  phases?: readonly Phase[] | undefined;
  /**
   * Maximum size of a conversation, and of metadata, in bytes as jsonb: 1–268,435,455. A value that is more than twice
   * as large as text (1e308 has 309 digits in PostgreSQL) is added only if the whole stays within twice the limit as
   * text, so no text that is read exceeds four times the limit. With messages in rows, a conversation has no limit.
   * @default 8 MiB
   */
  maxSessionBytes?: number | undefined;
  /** With messages in rows: the maximum size of one message in bytes as JSON text, 1–268,435,455. @default maxSessionBytes */
  maxMessageBytes?: number | undefined;
  /** Whether to replace text that jsonb cannot store (U+0000, lone surrogates) with U+FFFD, or refuse it. @default "replace" */
  unstorable?: Unstorable | undefined;
  /** Milliseconds after which a call rejects: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
  /** Set to false for node-postgres behind a transaction pooler, where named statements fail. @default true */
  prepare?: boolean | undefined;
}

/** The options of defineJourney. */
export const journeyOptionsSchema = options<JourneyOptions<unknown, unknown, string>>()({
  table: custom<JourneyTable>("a table that journeyTable has declared", isJourneyTable).default(
    journeySessions,
  ),
  messages: custom<MessagesTable>("a table that messagesTable has declared", isMessagesTable).optional(),
  replies: custom<RepliesTable>(
    "the table `replies` that replyTables has declared",
    isRepliesTable,
  ).optional(),
  listener: custom<Listener>(
    "a postgres.js client, or an object with its method listen",
    (given) => typeof (given as Listener | null)?.listen === "function",
  ).optional(),
  distributed: z.boolean().default(false),
  columns: z.record(z.string(), zodSchema).default({}),
  message: zodSchema,
  metadata: zodSchema,
  phases: z.array(phaseSchema).min(1).optional(),
  maxSessionBytes: z.int().min(1).max(LARGEST_JSONB).default(DEFAULT_SESSION_BYTES),
  maxMessageBytes: z.int().min(1).max(LARGEST_JSONB).optional(),
  unstorable: z.enum(["replace", "reject"]).default("replace"),
  timeoutMs: timeoutMs.default(15_000),
  prepare: z.boolean().default(true),
});

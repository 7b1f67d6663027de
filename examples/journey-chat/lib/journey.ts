import "server-only";
import { connect, defineJourney, type SessionSummary } from "@aigos/journey-db";
import { fromAiSdk4 } from "@aigos/journey-db/ai-sdk";
import { replyTables } from "@aigos/journey-db/durable-replies";
import { messagesTable } from "@aigos/journey-db/message-rows";
import { isMessage, type JourneyMessage } from "@aigos/journey-db/messages";
import type * as z from "zod";
import { journeySessions } from "@/db/schema";
import { messageSchema, metadataSchema, phaseSchema } from "./schemas";

/** Messages that the browser loads at a time. */
export const PAGE = 30;

export type Phase = z.infer<typeof phaseSchema>;
type Metadata = z.infer<typeof metadataSchema>;

const journey = defineJourney({
  table: journeySessions,
  // Your application has one layout; this one is tested with both.
  messages: process.env.MESSAGE_LAYOUT === "rows" ? messagesTable(journeySessions) : undefined,
  replies: replyTables(journeySessions).replies,
  message: messageSchema,
  metadata: metadataSchema,
  phases: phaseSchema.options,
});

// A hot reload of Next.js loads modules again; globalThis keeps the connection.
const kept = globalThis as typeof globalThis & { journeyDb?: ReturnType<typeof connect> };

/**
 * The sessions of one user.
 *
 * @param signal ends the calls; only for requests that read, since an answer is stored after its request ended
 */
export async function sessionsOf(userId: string, signal?: AbortSignal) {
  // In a deployed application, leave `embedded` out, so that a missing DATABASE_URL is an error.
  kept.journeyDb ??= connect({ embedded: true }).catch((error) => {
    delete kept.journeyDb; // so that the next request tries again
    throw error;
  });
  const { db } = await kept.journeyDb;
  return journey.forUser(db, userId, { signal });
}

export type Sessions = Awaited<ReturnType<typeof sessionsOf>>;

/** The stored messages that a page can show. Those of AI SDK 4 are converted. */
export const toMessages = (stored: JourneyMessage[]): JourneyMessage[] =>
  stored.map((message) => fromAiSdk4(message)).filter(isMessage);

/** A session in the list. */
export interface SessionItem {
  id: string;
  title: string;
  phase: Phase;
  pinned: boolean;
  archived: boolean;
  /** ISO 8601. */
  createdAt: string;
}

type Summary = SessionSummary<Metadata, Phase, typeof journeySessions>;

export const toItem = ({ id, metadata, phase, pinned, archived, createdAt }: Summary): SessionItem => ({
  id,
  title: metadata.title ?? "Untitled",
  phase,
  pinned,
  archived,
  createdAt: createdAt.toISOString(),
});

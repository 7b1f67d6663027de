import "server-only";
import { connect, defineJourney, type SessionSummary } from "@aigos/journey-db";
import { fromAiSdk4 } from "@aigos/journey-db/ai-sdk";
import { isMessage, type JourneyMessage } from "@aigos/journey-db/messages";
import type * as z from "zod";
import { messageSchema, metadataSchema, phaseSchema } from "./schemas";

/** How many messages the browser gets at a time. */
export const PAGE = 30;

type Phase = z.infer<typeof phaseSchema>;
type Metadata = z.infer<typeof metadataSchema>;

const journey = defineJourney({
  message: messageSchema,
  metadata: metadataSchema,
  phases: phaseSchema.options,
});

// Next.js loads modules anew on each hot reload; globalThis stays, and the connection with it.
const kept = globalThis as typeof globalThis & { journeyDb?: ReturnType<typeof connect> };

/**
 * The sessions of one user.
 *
 * @param signal ends the calls, of a request that only reads; an answer is stored after its request ended
 */
export async function sessionsOf(userId: string, signal?: AbortSignal) {
  // An application that is deployed leaves `embedded` out: there, a missing DATABASE_URL is an error.
  kept.journeyDb ??= connect({ embedded: true }).catch((error) => {
    delete kept.journeyDb; // so that the next request tries again
    throw error;
  });
  const { db } = await kept.journeyDb;
  return journey.forUser(db, userId, { signal });
}

/** What a page can show of stored messages: also those that a program with AI SDK 4 left, and no junk. */
export const toMessages = (stored: JourneyMessage[]): JourneyMessage[] =>
  stored.map((message) => fromAiSdk4(message)).filter(isMessage);

/** A session as the browser lists it. */
export interface SessionItem {
  id: string;
  title: string;
  phase: Phase;
  /** ISO 8601. */
  createdAt: string;
}

export const toItem = ({ id, metadata, phase, createdAt }: SessionSummary<Metadata, Phase>): SessionItem => ({
  id,
  title: metadata.title ?? "Untitled",
  phase,
  createdAt: createdAt.toISOString(),
});

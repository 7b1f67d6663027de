import * as z from "zod";
import { isStorable, isUserId } from "./model/text.js";

/**
 * A stored chat message, structurally the AI SDK's `UIMessage`: assignable both ways with the
 * `UIMessage` of ai v5, v6 and v7, which are not assignable to one another.
 */
export interface JourneyMessage {
  id: string;
  role: "system" | "user" | "assistant";
  // biome-ignore lint/suspicious/noExplicitAny: part types differ between AI SDK majors; `any` makes each of them assignable
  parts: { type: any; [key: string]: any }[];
  // biome-ignore lint/suspicious/noExplicitAny: as above, `UIMessage` declares it with a type parameter
  metadata?: any;
}

/** What a message type of an application's own must at least be. */
export interface MessageShape {
  id: string;
  role: "system" | "user" | "assistant";
  parts: ReadonlyArray<{ type: string }>;
  metadata?: unknown;
}

/** Small state of a session: a plain object of JSON values. */
export type JourneyMetadata = Record<string, unknown>;

/** A rule on text, with what to tell whoever breaks it. */
const text = (expected: string, holds: (value: string) => boolean) =>
  z.string().refine(holds, { params: { expected } });

/** What is told of an id that is not usable. */
export const MESSAGE_ID_RULE = "1 to 256 characters of well-formed text without U+0000";

/** A message id: 1–256 characters of well-formed Unicode without U+0000. Never repaired, since repairing could merge two. */
export const messageIdSchema = text(
  MESSAGE_ID_RULE,
  (id) => id.length >= 1 && id.length <= 256 && isStorable(id),
);

/** A session id: 8-4-4-4-12 hexadecimal digits in either case, any version bits. */
export const sessionIdSchema = z.guid();

/** An owner: well-formed, equal to its own `trim()`, 1–255 characters, no U+0000. */
export const userIdSchema = text(
  "1 to 255 characters of well-formed text without surrounding white space or U+0000",
  isUserId,
);

/** A phase: 1–100 characters of well-formed Unicode without U+0000. */
export const phaseSchema = text(
  "1 to 100 characters of well-formed text without U+0000",
  (phase) => phase.length >= 1 && phase.length <= 100 && isStorable(phase),
);

/**
 * The structure every stored message has. Part types and their fields are kept as they are,
 * because the AI SDK adds some in every major version.
 */
export const messageSchema: z.ZodType<JourneyMessage, JourneyMessage> = z.looseObject({
  id: messageIdSchema,
  role: z.enum(["system", "user", "assistant"]),
  parts: z.array(z.looseObject({ type: z.string().min(1) })).min(1),
});

/**
 * What `messageSchema` asks about, as far as the first part that is none. zod copies every key and lists every
 * fault, which took seconds and a gigabyte for four megabytes of `[1,1,1,…`; only the first is told.
 */
export function structureOf(message: unknown): unknown {
  if (typeof message !== "object" || message === null) return message;
  const { id, role, parts } = message as Partial<JourneyMessage>;
  if (!Array.isArray(parts)) return { id, role, parts };
  const fault = parts.findIndex((part) => typeof part?.type !== "string" || part.type === "");
  return { id, role, parts: parts.slice(0, Math.max(fault, 0) + 1) };
}

/** Whether a stored element is a message: an older program may have left some that are none. */
export const isMessage = (stored: unknown): stored is JourneyMessage =>
  messageSchema.safeParse(structureOf(stored)).success;

/** The conversation of one session, oldest message first. */
export const messagesSchema = z.array(messageSchema);

/** A plain object; its values are any JSON. */
export const metadataSchema: z.ZodType<JourneyMetadata, JourneyMetadata> = z.record(z.string(), z.unknown());

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

/** The minimum that an application's own message type must have. */
export interface MessageShape {
  id: string;
  role: "system" | "user" | "assistant";
  parts: ReadonlyArray<{ type: string }>;
  metadata?: unknown;
}

/** Small state of a session: a plain object of JSON values. */
export type JourneyMetadata = Record<string, unknown>;

/** A rule for text, with the expectation that an error shows. */
const text = (expected: string, holds: (value: string) => boolean) =>
  z.string().refine(holds, { params: { expected } });

/** The expectation that an error shows for an invalid message id. */
export const MESSAGE_ID_RULE = "1 to 256 characters of well-formed text without U+0000";

/** A message id: 1–256 characters of well-formed Unicode without U+0000. Never repaired, because two repaired ids could be equal. */
export const messageIdSchema = text(
  MESSAGE_ID_RULE,
  (id) => id.length >= 1 && id.length <= 256 && isStorable(id),
);

/** A session id: 8-4-4-4-12 hexadecimal digits, upper or lower case, any UUID version. */
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
 * The structure of every stored message. Unknown part types and fields are allowed, because every
 * major version of the AI SDK adds some.
 */
export const messageSchema: z.ZodType<JourneyMessage, JourneyMessage> = z.looseObject({
  id: messageIdSchema,
  role: z.enum(["system", "user", "assistant"]),
  parts: z.array(z.looseObject({ type: z.string().min(1) })).min(1),
});

/**
 * The fields that `messageSchema` checks, up to the first invalid part. zod copies every key and lists every issue,
 * which took seconds and a gigabyte for four megabytes of `[1,1,1,…`; an error shows only the first.
 */
export function structureOf(message: unknown): unknown {
  if (typeof message !== "object" || message === null) return message;
  const { id, role, parts } = message as Partial<JourneyMessage>;
  if (!Array.isArray(parts)) return { id, role, parts };
  const fault = parts.findIndex((part) => typeof part?.type !== "string" || part.type === "");
  return { id, role, parts: parts.slice(0, Math.max(fault, 0) + 1) };
}

/** Whether a stored element is a message. Older programs may have stored other values. */
export const isMessage = (stored: unknown): stored is JourneyMessage =>
  messageSchema.safeParse(structureOf(stored)).success;

/** The conversation of one session, oldest message first. */
export const messagesSchema = z.array(messageSchema);

/** A plain object of JSON values. */
export const metadataSchema: z.ZodType<JourneyMetadata, JourneyMetadata> = z.record(z.string(), z.unknown());

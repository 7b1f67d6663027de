import * as messages from "@aigos/journey-db/messages";
import * as z from "zod";
import { MOST_TEXT } from "./text";

/** The page sends one part. */
const MOST_PARTS = 20;

/** What the message field sends. Strict: other keys, such as `providerMetadata`, would reach the model's provider. */
const textSchema = z.strictObject({ type: z.literal("text"), text: z.string().min(1).max(MOST_TEXT) });

/**
 * A user sends text. Stored messages are sent to the model in every later turn, so a part that the AI SDK cannot
 * read would end the chat. Answers of the AI SDK have no limits here: one that breaks a rule would be lost.
 */
export const messageSchema = messages.messageSchema.refine(
  ({ role, parts }) =>
    role === "assistant" ||
    (parts.length <= MOST_PARTS && parts.every((part) => textSchema.safeParse(part).success)),
  { params: { expected: `up to ${MOST_PARTS} parts of text, each of up to ${MOST_TEXT} characters` } },
);

/** Allows every title that `titleOf` makes. */
export const metadataSchema = z.object({ title: z.string().trim().min(1).max(200) });

export const phaseSchema = z.enum(["setup", "review"]);

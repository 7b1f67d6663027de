import * as messages from "@aigos/journey-db/messages";
import * as z from "zod";
import { MOST_TEXT } from "./text";

/** The page sends one. */
const MOST_PARTS = 20;

/** What the message field sends. Strict: other keys, `providerMetadata` say, would reach the model's provider. */
const textSchema = z.strictObject({ type: z.literal("text"), text: z.string().min(1).max(MOST_TEXT) });

/**
 * A user sends text. What is stored is sent to the model in every later turn, so a part that the AI SDK
 * cannot read would end the chat. An answer is taken as the AI SDK makes it, however long it is: a rule
 * that it breaks would lose it.
 */
export const messageSchema = messages.messageSchema.refine(
  ({ role, parts }) =>
    role === "assistant" ||
    (parts.length <= MOST_PARTS && parts.every((part) => textSchema.safeParse(part).success)),
  { params: { expected: `up to ${MOST_PARTS} parts of text, each of up to ${MOST_TEXT} characters` } },
);

/** As long as the titles that `titleOf` makes of a first message, at most. */
export const metadataSchema = z.object({ title: z.string().trim().min(1).max(200) });

export const phaseSchema = z.enum(["setup", "review"]);

import type { MessageShape } from "../messages.js";
import { hasItemId, isStepStart, stateOf } from "./parts.js";

/** How an incomplete answer ended: the user stopped it or left, or the model failed or reached its token limit. */
export type Interruption = "stopped" | "failed";

/** How the message was interrupted; undefined if it is complete. */
export function interruption({ metadata }: Pick<MessageShape, "metadata">): Interruption | undefined {
  const { interrupted } = (metadata ?? {}) as { interrupted?: unknown };
  return interrupted === "stopped" || interrupted === "failed" ? interrupted : undefined;
}

/**
 * A copy of the message with `metadata.interrupted`, whose texts are no longer marked as streaming, so
 * that no page waits for the rest. Tool calls stay as they are: pass `ignoreIncompleteToolCalls` to
 * `convertToModelMessages`.
 *
 * @param how undefined removes the mark, for an answer that was continued
 */
export function markInterrupted<Message extends MessageShape>(
  message: Message,
  how: Interruption | undefined,
): Message {
  const { interrupted: _, ...metadata } = (message.metadata ?? {}) as { interrupted?: unknown };
  return withoutStreaming({ ...message, metadata: { ...metadata, ...(how && { interrupted: how }) } });
}

/** A copy whose texts are no longer marked as streaming. */
export const withoutStreaming = <Message extends MessageShape>(message: Message): Message => ({
  ...message,
  parts: message.parts.map((part) => (stateOf(part) === "streaming" ? { ...part, state: "done" } : part)),
});

/** What the AI SDK reports at the end of an answer, as far as v5, v6 or v7 has it. */
export interface Ending {
  responseMessage: MessageShape;
  isAborted: boolean;
  finishReason?: string | undefined;
}

/** Reasons of a complete answer. Providers differ in what they mean by others ("other", "unknown"). */
const COMPLETE = new Set<unknown>(["stop", "tool-calls"]);
const CUT_OFF = new Set<unknown>(["error", "length", "content-filter"]);

/** How an answer was interrupted; undefined if it is complete. */
export function interruptionOf({ responseMessage: { parts }, ...ending }: Ending): Interruption | undefined {
  if (ending.isAborted) return "stopped";
  const { finishReason } = ending;
  const states = parts.map(stateOf);
  // Some models leave a text open and report that they are done. But an incomplete tool input cannot be used.
  if (states.includes("input-streaming")) return "failed";
  if (COMPLETE.has(finishReason)) return undefined;
  // Early versions of v5 report no reason at all.
  if (CUT_OFF.has(finishReason) || states.includes("streaming")) return "failed";
  if (!("finishReason" in ending)) return undefined;
  // The reason is missing if the stream broke off. A provider that stores its responses always reports one.
  const lastStep = parts.slice(parts.findLastIndex(isStepStart) + 1);
  return finishReason === undefined || lastStep.some(hasItemId) ? "failed" : undefined;
}

import type { MessageShape } from "../messages.js";

/** How an answer ended that is not whole: the user stopped it or left, or the model failed or reached its token limit. */
export type Interruption = "stopped" | "failed";

/** Whether the part says anything. Marks between the steps of a model, a provider's own notes and an empty text do not. */
export const isContent = (part: MessageShape["parts"][number]): boolean =>
  part.type !== "step-start" && part.type !== "custom" && !("text" in part && part.text === "");

/** Whether anything arrived that can be shown. */
export const hasContent = ({ parts }: Pick<MessageShape, "parts">): boolean => parts.some(isContent);

/** The state of a text or of a tool call. */
export const stateOf = (part: MessageShape["parts"][number]): unknown =>
  "state" in part ? part.state : undefined;

/**
 * A copy of the message with `metadata.interrupted`, whose texts no longer say that they are
 * streaming, so that no page waits for the rest. Tool calls stay as they are: pass
 * `ignoreIncompleteToolCalls` to `convertToModelMessages`.
 *
 * @param how undefined takes the mark off, of an answer that went on
 */
export function markInterrupted<Message extends MessageShape>(
  message: Message,
  how: Interruption | undefined,
): Message {
  const { interrupted: _, ...metadata } = (message.metadata ?? {}) as { interrupted?: unknown };
  return withoutStreaming({ ...message, metadata: { ...metadata, ...(how && { interrupted: how }) } });
}

/** A copy whose texts no longer say that they are streaming. */
export const withoutStreaming = <Message extends MessageShape>(message: Message): Message => ({
  ...message,
  parts: message.parts.map((part) => (stateOf(part) === "streaming" ? { ...part, state: "done" } : part)),
});

/** How the message was interrupted, or undefined where it is whole. */
export function interruption({ metadata }: Pick<MessageShape, "metadata">): Interruption | undefined {
  const { interrupted } = (metadata ?? {}) as { interrupted?: unknown };
  return interrupted === "stopped" || interrupted === "failed" ? interrupted : undefined;
}

/** The answer that a user's message waits for. An older program may have left elements that are no messages. */
export const answerIdOf = (stored: { metadata?: unknown } | null | undefined): unknown =>
  (stored?.metadata as { answerId?: unknown } | null | undefined)?.answerId;

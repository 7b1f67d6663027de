import type { MessageShape } from "../messages.js";

/** How an answer ended that did not end by itself: the user stopped it or left, or the model failed. */
export type Interruption = "stopped" | "failed";

/** Whether anything arrived. The marks between the steps of a model say nothing yet. */
export const hasContent = ({ parts }: Pick<MessageShape, "parts">): boolean =>
  parts.some(({ type }) => type !== "step-start");

/** Whether a part was cut off, which every version of the AI SDK says in the same way. */
export const isUnfinished = (part: MessageShape["parts"][number]): boolean =>
  "state" in part && part.state === "streaming";

/**
 * A copy of the message with `metadata.interrupted`, whose texts no longer say that they are
 * streaming, so that no page waits for the rest. Tool calls stay as they are: pass
 * `ignoreIncompleteToolCalls` to `convertToModelMessages`.
 */
export function markInterrupted<Message extends MessageShape>(message: Message, how: Interruption): Message {
  return {
    ...message,
    metadata: { ...(message.metadata as object | undefined), interrupted: how },
    parts: message.parts.map((part) => (isUnfinished(part) ? { ...part, state: "done" } : part)),
  };
}

/** How the message was interrupted, or undefined where it is whole. */
export function interruption({ metadata }: Pick<MessageShape, "metadata">): Interruption | undefined {
  const { interrupted } = (metadata ?? {}) as { interrupted?: unknown };
  return interrupted === "stopped" || interrupted === "failed" ? interrupted : undefined;
}

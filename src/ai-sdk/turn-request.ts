import type { MessageShape } from "../messages.js";
import { hasContent } from "./answer.js";
import { isOpen } from "./tool-answers.js";

/** The last message that is stored as far as a page knows, apart from the one that it sends. */
export const lastKnown = (
  messages: readonly MessageShape[],
  sentId: string | undefined,
): MessageShape | undefined => messages.findLast((message) => message.id !== sentId && hasContent(message));

/** What startTurn compares with what is stored. */
export function knownOf(
  messages: readonly MessageShape[],
  sentId: string | undefined,
): Pick<TurnRequest, "after" | "isOpen"> {
  const last = lastKnown(messages, sentId);
  return { after: last?.id ?? null, ...(last && isOpen(last) && { isOpen: true }) };
}

/** What startTurn reads of a request, beside what the application adds. */
export interface TurnRequest<Message = MessageShape> {
  /** The user's message, or the answer whose tool calls the page answered. */
  message: Message;
  /** The message that the page has last, apart from `message`; null where it has none. */
  after: string | null;
  /** That tool calls of that message wait for the page: it keeps its id when it goes on. */
  isOpen?: boolean;
  /** The message to drop with all that follows, where the turn replaces one. */
  from?: string;
}

/**
 * Makes the request that startTurn reads: only the last message travels, and the id of the last other
 * message that the page knows, so that a page which is not up to date is refused. What the
 * application gave as `body` goes along; the names `message`, `after`, `isOpen` and `from` are taken.
 *
 * @example new DefaultChatTransport({ api, prepareSendMessagesRequest: turnRequest })
 */
export function turnRequest<Message extends MessageShape>({
  messages,
  body,
}: {
  messages: Message[];
  body: Record<string, unknown> | undefined;
}): { body: TurnRequest<Message | undefined> } {
  const message = messages.at(-1);
  return { body: { ...knownOf(messages, message?.id), ...body, message } };
}

import type { MessageShape } from "../messages.js";
import { hasContent } from "./answer.js";
import { lastKnown } from "./turn-request.js";

/** What useChat answers, or a Chat, of ai v5, v6 or v7, as far as it is needed here. */
export interface Chat<Message extends MessageShape> {
  messages: Message[];
  // biome-ignore lint/suspicious/noExplicitAny: each version of the AI SDK has its own type for what can be sent
  sendMessage(message?: any, options?: { body?: object }): Promise<void>;
  regenerate(options?: { messageId?: string; body?: object }): Promise<void>;
}

/** What a user does in a chat. Each of them is refused with `conflict` where the conversation went on elsewhere. */
export interface Turns<Content> {
  /** Sends a new message: what `sendMessage` takes. */
  send(content: Content): Promise<void>;
  /** Puts other content in place of one of the user's messages, drops what follows and asks again. */
  edit(messageId: string, content: Content): Promise<void>;
  /** Drops an answer and what follows it, and asks again. */
  regenerate(messageId: string): Promise<void>;
  /**
   * Asks again after the last reply failed: the user's message is sent once more where nothing of a
   * reply arrived, and stored once; what arrived of one is dropped.
   */
  retry(): Promise<void>;
}

/**
 * The turns of a chat whose transport has `turnRequest`. They are made of what the page shows at this
 * moment, so make them anew in each render.
 *
 * @example
 * const chat = useChat({ transport });
 * const { send, retry } = turnsOf(chat);
 */
export function turnsOf<Message extends MessageShape, C extends Chat<Message>>(
  chat: C & Chat<Message>,
): Turns<NonNullable<Parameters<C["sendMessage"]>[0]>> {
  const { messages } = chat;

  /** What the server is told of a turn that this message begins. */
  const bodyOf = (questionId: string) => ({ after: lastKnown(messages, questionId) });

  /** Asks once more, where the chat ends with the question afterwards. */
  function ask(answerId: string | undefined, drop: boolean): Promise<void> {
    const answer = messages.findIndex(({ id }) => id === answerId);
    const question = messages.slice(0, answer + 1).findLast(({ role }) => role === "user");
    if (!question) throw new RangeError("messageId: expected a message with one of the user's before it");
    const { id } = question;
    return chat.regenerate({ messageId: id, body: { ...bodyOf(id), ...(drop && { from: id }) } });
  }

  return {
    send: (content) => chat.sendMessage(content, { body: { after: lastKnown(messages) } }),
    edit: (messageId, content) =>
      chat.sendMessage({ ...content, messageId }, { body: { ...bodyOf(messageId), from: messageId } }),
    regenerate: async (messageId) => ask(messageId, true),
    async retry() {
      const last = messages.at(-1);
      // Whether a message without any answer reached the server is not known here: there may be nothing to drop.
      return ask(last?.id, last?.role === "assistant" && hasContent(last));
    },
  };
}

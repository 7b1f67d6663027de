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

  const replace = (questionId: string) => ({
    body: { after: lastKnown(messages, questionId), from: questionId },
  });

  const questionOf = (messageId: string) =>
    messages
      .slice(0, messages.findIndex(({ id }) => id === messageId) + 1)
      .findLast(({ role }) => role === "user");

  async function regenerate(messageId: string): Promise<void> {
    const question = questionOf(messageId);
    if (!question)
      throw new RangeError("messageId: expected the id of a message that follows one of the user's");
    await chat.regenerate({ messageId, ...replace(question.id) });
  }

  return {
    send: (content) => chat.sendMessage(content, { body: { after: lastKnown(messages) } }),
    edit: (messageId, content) => chat.sendMessage({ ...content, messageId }, replace(messageId)),
    regenerate,
    async retry() {
      const last = messages.at(-1);
      if (!last) throw new RangeError("messages: expected at least 1 message");
      if (last.role === "assistant" && hasContent(last)) return regenerate(last.id);
      // Not `from`: whether the message reached the server is not known here.
      const after = lastKnown(messages, questionOf(last.id)?.id);
      await chat.regenerate({ messageId: last.id, body: { after } });
    },
  };
}

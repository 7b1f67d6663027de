import type { MessageShape } from "../messages.js";
import { interruption } from "./interruption.js";
import { hasContent } from "./parts.js";
import { canContinue, isAnswered } from "./tool-answers.js";
import { SHOWN, shownOf } from "./turn-request.js";

/** The result of useChat, or a Chat, of ai v5, v6 or v7, as far as it is used here. */
export interface Chat<Message extends MessageShape> {
  messages: Message[];
  error: Error | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: each version of the AI SDK has its own type for what can be sent
  sendMessage(message?: any, options?: { body?: object; messageId?: string }): Promise<void>;
  regenerate(options?: { messageId?: string; body?: object }): Promise<void>;
}

/**
 * What a user does in a chat besides `sendMessage`. Like a `sendMessage` call, each call is refused with
 * `conflict` if the conversation continued elsewhere.
 */
export interface Turns<Content> {
  /**
   * Replaces one of the user's messages with `content`, which is what `sendMessage` takes, drops everything
   * after it, and requests a new answer.
   */
  edit(messageId: string, content: Content): Promise<void>;
  /**
   * Drops an answer, other answers to the same message and everything after them, and requests a new answer.
   */
  regenerate(messageId: string): Promise<void>;
  /**
   * Requests the answer again after a failure. A partial answer is dropped. If no part of it arrived, the
   * user's message is sent again, and stored once. If the answer ends with results of tools, the model
   * continues from there. A first message creates its session again if that was deleted.
   */
  retry(): Promise<void>;
}

/**
 * The turns of a chat whose transport has `turnRequest`. They depend on what the page shows, so create
 * them in each render.
 *
 * @throws RangeError in regenerate and retry, if none of the user's messages precedes the message
 * @example
 * const chat = useChat({ transport });
 * const { regenerate, retry } = turnsOf(chat);
 */
export function turnsOf<Message extends MessageShape, C extends Chat<Message>>(
  chat: C & Chat<Message>,
): Turns<NonNullable<Parameters<C["sendMessage"]>[0]>> {
  const { messages } = chat;

  /** What the page shows before the AI SDK drops what is replaced. */
  const withShown = (more: object = {}) => ({ body: { [SHOWN]: shownOf(messages), ...more } });

  /** The user's message that the message is or answers. */
  function questionOf(messageId: string | undefined): string {
    const index = messages.findIndex(({ id }) => id === messageId);
    const question = messages.slice(0, index + 1).findLast(({ role }) => role === "user");
    if (!question)
      throw new RangeError("messageId: expected a message that follows one of the user's messages");
    return question.id;
  }

  /** Keeps the question even if there are several answers to it. */
  async function regenerate(messageId: string): Promise<void> {
    const question = questionOf(messageId);
    await chat.regenerate({ messageId: question, ...withShown({ from: question }) });
  }

  return {
    edit(messageId, content) {
      const index = messages.findIndex(({ id }) => id === messageId);
      // Not `from` if nothing follows: the message may not have reached the server, and is replaced without.
      const isFollowed = messages.slice(index + 1).some(hasContent);
      return chat.sendMessage({ ...content, messageId }, withShown(isFollowed ? { from: messageId } : {}));
    },
    regenerate,
    async retry() {
      const last = messages.at(-1);
      // Otherwise it continues elsewhere, or the server was stopped and what its tools did is unknown.
      const isToContinue = last && (chat.error ? isAnswered(last) : interruption(last) && canContinue(last));
      if (isToContinue) return chat.sendMessage(undefined, { messageId: last.id });
      if (last?.role === "assistant" && hasContent(last)) return regenerate(last.id);
      // Not `from`: the message may not have reached the server.
      await chat.regenerate({ messageId: questionOf(last?.id), ...withShown() });
    },
  };
}

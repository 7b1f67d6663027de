import type { MessageShape } from "../messages.js";
import { hasContent, interruption } from "./interruption.js";
import { canGoOn, isAnswered } from "./tool-answers.js";
import { SHOWN, shownOf } from "./turn-request.js";

/** What useChat answers, or a Chat, of ai v5, v6 or v7, as far as it is needed here. */
export interface Chat<Message extends MessageShape> {
  messages: Message[];
  error: Error | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: each version of the AI SDK has its own type for what can be sent
  sendMessage(message?: any, options?: { body?: object; messageId?: string }): Promise<void>;
  regenerate(options?: { messageId?: string; body?: object }): Promise<void>;
}

/**
 * What a user does in a chat beside sending a message, which is `sendMessage`. As that, each is refused
 * with `conflict` where the conversation went on elsewhere.
 */
export interface Turns<Content> {
  /** Puts other content, what `sendMessage` takes, in place of one of the user's messages, drops what follows and asks again. */
  edit(messageId: string, content: Content): Promise<void>;
  /** Drops an answer, others to the same message and what follows, and asks again. */
  regenerate(messageId: string): Promise<void>;
  /**
   * Asks again after the last reply failed: the user's message is sent once more where nothing of a
   * reply arrived, and stored once; what arrived of one is dropped. But where it ends with what tools
   * gave, the model goes on from there. A first message makes its session again where that was deleted
   * meanwhile.
   */
  retry(): Promise<void>;
}

/**
 * The turns of a chat whose transport has `turnRequest`. They are made of what the page shows at this
 * moment, so make them anew in each render.
 *
 * @throws RangeError in regenerate and retry, where none of the user's messages is before that message
 * @example
 * const chat = useChat({ transport });
 * const { regenerate, retry } = turnsOf(chat);
 */
export function turnsOf<Message extends MessageShape, C extends Chat<Message>>(
  chat: C & Chat<Message>,
): Turns<NonNullable<Parameters<C["sendMessage"]>[0]>> {
  const { messages } = chat;

  /** What the page shows, before the AI SDK drops what is replaced. */
  const seen = (more: object = {}) => ({ body: { [SHOWN]: shownOf(messages), ...more } });

  /** The user's message that the message is, or answers. */
  function questionOf(messageId: string | undefined): string {
    const place = messages.findIndex(({ id }) => id === messageId);
    const question = messages.slice(0, place + 1).findLast(({ role }) => role === "user");
    if (!question) throw new RangeError("messageId: expected a message with one of the user's before it");
    return question.id;
  }

  /** Keeps the question, also where there are several answers to it. */
  async function regenerate(messageId: string): Promise<void> {
    const question = questionOf(messageId);
    await chat.regenerate({ messageId: question, ...seen({ from: question }) });
  }

  return {
    edit(messageId, content) {
      const place = messages.findIndex(({ id }) => id === messageId);
      // Not `from` where nothing follows: whether it reached the server is not known, and it is replaced without.
      const isFollowed = messages.slice(place + 1).some(hasContent);
      return chat.sendMessage({ ...content, messageId }, seen(isFollowed ? { from: messageId } : {}));
    },
    regenerate,
    async retry() {
      const last = messages.at(-1);
      // Else it goes on elsewhere, or the server was stopped, and what its tools did is not known.
      const goesOn = last && (chat.error ? isAnswered(last) : interruption(last) && canGoOn(last));
      if (goesOn) return chat.sendMessage(undefined, { messageId: last.id });
      if (last?.role === "assistant" && hasContent(last)) return regenerate(last.id);
      // Not `from`: whether the message reached the server is not known here.
      await chat.regenerate({ messageId: questionOf(last?.id), ...seen() });
    },
  };
}

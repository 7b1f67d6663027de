import { JourneyDbError } from "../errors.js";
import { withoutDepthLimit } from "../json.js";
import { isMessage, type MessageShape } from "../messages.js";
import type { UserSessions } from "../user-sessions.js";
import { fromAiSdk4 } from "./from-ai-sdk-4.js";
import { placeOf, Refusal, taken } from "./place.js";
import { continuedAnswer } from "./tool-answers.js";
import type { TurnRequest } from "./turn-request.js";

/** How many of the newest messages are read at least, to tell whether a page is up to date. */
const LOOK = 50;
/** Maximum looks, since the session may change between one and the write. */
const LOOKS = 10;

/** What a turn begins with when the page's message is stored. */
export interface Begun<Message> {
  /** The newest messages, up to what was stored. */
  messages: Message[];
  /** Of the session when it was stored. */
  revision: string;
}

const hasCode = (error: unknown, code: JourneyDbError["code"]) =>
  error instanceof JourneyDbError && error.code === code;

/** What the AI SDK can read of stored messages: those of an older version too, and not what is none. */
const messagesOf = <Message>(stored: readonly Message[]): Message[] =>
  stored.map((message) => fromAiSdk4(message)).filter(isMessage) as Message[];

export const isConflict = (error: unknown) => hasCode(error, "conflict");

/** Looks at the session and writes if it is still the same; if not, looks again. */
async function storeAfterLook<Message>(lookAndStore: () => Promise<Begun<Message>>): Promise<Begun<Message>> {
  for (let looks = 1; ; looks++) {
    try {
      return await lookAndStore();
    } catch (error) {
      if (!isConflict(error) || error instanceof Refusal || looks === LOOKS) throw error;
    }
  }
}

/**
 * Stores a user's message, with the id of the answer that it waits for, if the page that sent it is up to date.
 *
 * @throws JourneyDbError as append
 */
export async function storeQuestion<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  sent: TurnRequest<Message>,
  answerId: string,
  limit: number,
): Promise<Begun<Message>> {
  const question = {
    ...sent.message,
    metadata: { ...(sent.message.metadata as object | undefined), answerId },
  };
  const isFirst = sent.after === null && sent.from === undefined && !sent.isOpen;

  /** The newest messages; undefined where a first message is to create the session. */
  async function look() {
    try {
      return await sessions.messages(id, { limit: Math.max(limit, LOOK) });
    } catch (error) {
      if (isFirst && hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** Whether the conversation has a message with this id before the newest ones. */
  async function isFurtherUp(): Promise<boolean> {
    try {
      await sessions.messages(id, { before: question.id, limit: 1 });
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
  }

  return storeAfterLook(async () => {
    const page = await look();
    if (!page) {
      const { revision } = await sessions.append(id, question, {
        create: true,
        after: null,
        leaveRoom: true,
      });
      return { messages: [question], revision };
    }
    const stored = messagesOf(page.messages);
    const from = placeOf(stored, sent);
    const isSeen = stored.some((message) => message.id === question.id);
    if (page.hasMore && !isSeen && from !== question.id && (await isFurtherUp())) throw taken();
    const { revision } = await sessions.append(id, question, {
      from,
      ifRevision: page.revision,
      leaveRoom: true,
    });
    const cut = stored.findIndex((message) => message.id === from);
    // What it dropped reaches further up than what was read.
    const isBeyond = from !== undefined && cut < 0;
    const before = isBeyond
      ? messagesOf((await sessions.messages(id, { before: question.id, limit })).messages)
      : stored.slice(0, cut < 0 ? stored.length : cut);
    return { messages: [...before.slice(Math.max(before.length - limit + 1, 0)), question], revision };
  });
}

/**
 * Stores what a page says of the tool calls in the last answer, which are then answered for all.
 *
 * @throws JourneyDbError as append, and conflict where they were answered before or the conversation went on
 */
export async function storeToolAnswers<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  id: string,
  sent: Message,
  limit: number,
): Promise<Begun<Message>> {
  return storeAfterLook(async () => {
    const page = await sessions.messages(id, { limit });
    const stored = messagesOf(page.messages);
    const answer = stored.at(-1);
    const isSame = answer?.role === "assistant" && answer.id === sent.id;
    const continued = isSame ? continuedAnswer(answer, sent) : undefined;
    if (!continued)
      throw new Refusal(
        "message: expected answers to all tool calls that wait at the end of the conversation",
      );
    const { revision } = await sessions.append(id, withoutDepthLimit(continued), {
      ifRevision: page.revision,
      leaveRoom: true,
    });
    return { messages: [...stored.slice(0, -1), continued], revision };
  });
}

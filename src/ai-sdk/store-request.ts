import { isMessage, type MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { AppendOptions, UserSessions } from "../sessions/types.js";
import { withoutDepthLimit } from "../validation/json.js";
import { fromAiSdk4 } from "./from-ai-sdk-4.js";
import { answerIdOf, interruption } from "./interruption.js";
import { pause } from "./retry.js";
import { placeOf, Refusal, taken } from "./stale-page.js";
import { continuedAnswer, isOpen } from "./tool-answers.js";
import type { TurnRequest } from "./turn-request.js";

/** Newest messages that are read at least, to tell whether a page is up to date. */
const LOOK = 50;
/** The same where the message to replace may be further up. */
const FAR_LOOK = 1000;
/** Maximum looks, each after a longer pause, since the session may change between one and the write. */
const LOOKS = 20;

/** What a turn begins with when the page's message is stored. */
export interface Begun<Message> {
  /** The newest messages, up to what was stored. */
  messages: Message[];
  /** Of the session when it was stored. */
  revision: string;
  /** The id of the answer that it waits for. */
  answerId: string;
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
    // Not the same for all, so that two do not meet again.
    await pause(Math.random() * 5 * looks);
  }
}

/** Whether the request is to create its session where there is none. */
export const createsSession = (sent: TurnRequest): boolean =>
  sent.message.role === "user" &&
  (sent.after === null || sent.isFirst === true) &&
  sent.from === undefined &&
  !sent.isOpen;

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
  limit: number,
): Promise<Begun<Message>> {
  const { message } = sent;

  /** The newest messages; undefined where a first message is to create the session. */
  async function look() {
    try {
      return await sessions.messages(id, { limit: sent.replaces ? FAR_LOOK : Math.max(limit, LOOK) });
    } catch (error) {
      if (createsSession(sent) && hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** Whether the conversation has a message with this id before the newest ones. */
  async function isFurtherUp(messageId: string): Promise<boolean> {
    try {
      await sessions.messages(id, { before: messageId, limit: 1 });
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
  }

  return storeAfterLook(async () => {
    const page = await look();
    const stored = messagesOf(page?.messages ?? []);
    const from = page && placeOf(stored, sent);
    const isSeen = (messageId: string) =>
      stored.some((one) => one.id === messageId || answerIdOf(one) === messageId);
    const isBefore = async (messageId: string) => page?.hasMore === true && (await isFurtherUp(messageId));
    if (from !== message.id && !isSeen(message.id) && (await isBefore(message.id))) throw taken();

    // What a page chose, unless that is the id of something else.
    const chosen = sent.answerId ?? message.id;
    const isFree = chosen !== message.id && !isSeen(chosen) && !(await isBefore(chosen));
    const answerId = isFree ? chosen : crypto.randomUUID();
    const question = { ...message, metadata: { ...(message.metadata as object | undefined), answerId } };
    const { revision } = await sessions.append(id, question, { leaveRoom: true, ...conditions(page, from) });

    const cut = stored.findIndex((one) => one.id === from);
    // What it dropped reaches further up than what was read.
    const isBeyond = from !== undefined && cut < 0;
    const before = isBeyond
      ? messagesOf((await sessions.messages(id, { before: question.id, limit })).messages)
      : stored.slice(0, cut < 0 ? stored.length : cut);
    const newest = before.slice(Math.max(before.length - limit + 1, 0));
    return { messages: [...newest, question], revision, answerId };
  });

  /** That the conversation is what was looked at. Whatever else changes in the session is no reason to look again. */
  function conditions(page: Awaited<ReturnType<typeof look>>, from: string | undefined): AppendOptions {
    if (!page) return { create: true, after: null };
    const last = page.messages.at(-1);
    // A question that is asked again keeps its id, and an answer that goes on.
    const keepsItsId =
      last !== undefined &&
      (!isMessage(last) ||
        last.role === "user" ||
        isOpen(last) ||
        interruption(last) !== undefined ||
        last.id === message.id);
    if (keepsItsId) return { from, ifRevision: page.revision };
    return { from, after: last?.id ?? null };
  }
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
    return { messages: [...stored.slice(0, -1), continued], revision, answerId: sent.id };
  });
}

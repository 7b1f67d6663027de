import { JourneyDbError } from "../errors.js";
import { isMessage, type MessageShape } from "../messages.js";
import type { UserSessions } from "../user-sessions.js";
import { answerIdOf } from "./store-answer.js";
import { continuedAnswer, isOpen, withoutLostCalls } from "./tool-answers.js";
import { lastKnown, type TurnRequest } from "./turn-request.js";

/** How many of the newest messages are looked at to tell whether a page is up to date. */
const LOOK = 50;
/** How often it is looked anew, since the session changed between the look and the write. */
const LOOKS = 5;

/** What a turn begins with when the page's message is stored. */
export interface Begun<Message> {
  /** The newest messages for the model, up to what was stored. */
  messages: Message[];
  /** Of the session when it was stored. */
  revision: string;
}

const conflict = (problem: string) => new JourneyDbError("conflict", `request.${problem}; nothing changed.`);

export const isConflict = (error: unknown) => error instanceof JourneyDbError && error.code === "conflict";

/**
 * Whether the page's last message is the last that is stored, and has not gone on since. Or the answer
 * that the last one waits for, which a page has before it is stored.
 */
function isUpToDate(stored: MessageShape[], { message, after, isOpen: wasOpen }: TurnRequest): boolean {
  const last = lastKnown(stored, message.id);
  if ((last?.id ?? null) === after) return !wasOpen || (last !== undefined && isOpen(last));
  return answerIdOf(stored.at(-1)) === after;
}

/**
 * Looks at the newest messages, as a page sees them: without elements that are none. Then stores what
 * `choose` makes of them, if the session is still the same.
 */
async function storeAfterLook<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  limit: number,
  choose: (newest: Message[]) => Message,
  from?: string,
): Promise<{ newest: Message[]; message: Message; revision: string }> {
  for (let looks = 1; ; looks++) {
    const page = await sessions.messages(id, { limit });
    const newest = page.messages.filter(isMessage);
    const message = choose(newest);
    try {
      const { revision } = await sessions.append(id, message, { from, ifRevision: page.revision });
      return { newest, message, revision };
    } catch (error) {
      if (!isConflict(error) || looks === LOOKS) throw error;
    }
  }
}

/**
 * Stores a user's message, with the id of the answer that it waits for, if the page that sent it is up to date.
 *
 * @throws JourneyDbError as append
 */
export async function storeQuestion<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  id: string,
  sent: TurnRequest<Message>,
  answerId: string,
  limit: number,
): Promise<Begun<Message>> {
  const { after, from } = sent;
  const question = {
    ...sent.message,
    metadata: { ...(sent.message.metadata as object | undefined), answerId },
  };

  /** @param refusal of a page that is not up to date */
  async function afterLook(refusal: unknown): Promise<string> {
    const choose = (newest: Message[]) => {
      if (isUpToDate(newest, sent)) return question;
      throw refusal;
    };
    return (await storeAfterLook(sessions, id, LOOK, choose, from)).revision;
  }

  async function store(): Promise<string> {
    // An append compares the last message's id alone, which stays when an answer goes on.
    if (sent.isOpen) return afterLook(conflict("isOpen: the last answer has gone on"));
    try {
      // Makes the session where `after` is null and there is no `from`: append does so in no other case.
      return (await sessions.append(id, question, { create: true, after, from })).revision;
    } catch (error) {
      if (!isConflict(error)) throw error;
      return afterLook(error);
    }
  }

  const revision = await store();
  const { messages } = await sessions.messages(id, { limit });
  const place = messages.findIndex((stored) => stored?.id === question.id);
  // What came behind it in this moment is not asked about, however much that is.
  const before = messages.slice(0, Math.max(place, 0)).filter(isMessage);
  return { messages: [...before.map(withoutLostCalls), messages[place] ?? question], revision };
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
  const { newest, message, revision } = await storeAfterLook(sessions, id, limit, (newest) => {
    const answer = newest.at(-1);
    const isSame = answer?.role === "assistant" && answer.id === sent.id;
    const continued = isSame ? continuedAnswer(answer, sent) : undefined;
    if (continued) return continued;
    throw conflict("message: expected answers to all tool calls that wait at the end of the conversation");
  });
  return { messages: [...newest.slice(0, -1).map(withoutLostCalls), message], revision };
}

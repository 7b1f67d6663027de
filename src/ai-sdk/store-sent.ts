import { JourneyDbError } from "../errors.js";
import { isMessage, type MessageShape } from "../messages.js";
import type { UserSessions } from "../user-sessions.js";
import { answerIdOf } from "./store-answer.js";
import { continuedAnswer } from "./tool-answers.js";
import { lastKnown, type TurnRequest } from "./turn-request.js";

/** How many of the newest messages are looked at to tell whether a page is up to date. */
const LOOK = 50;
/** How often it is looked anew, since the session changed between the look and the write. */
const LOOKS = 5;

/** A message that was stored, and the session's revision then. */
export interface Sent<Message> {
  message: Message;
  revision: string;
}

const isConflict = (error: unknown) => error instanceof JourneyDbError && error.code === "conflict";

/**
 * Whether the page's last message is the last that is stored. Or the answer that the last one waits
 * for, which a page has before it is stored.
 */
const isUpToDate = (stored: MessageShape[], after: string | null, questionId: string): boolean =>
  lastKnown(stored, questionId) === after || (after !== null && answerIdOf(stored.at(-1)) === after);

/**
 * Looks at the newest messages, as a page sees them: without elements that are none. Then stores what
 * `choose` makes of them, if the session is still the same.
 */
async function storeAfterLook<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  choose: (stored: Message[]) => Message,
  from?: string,
): Promise<Sent<Message>> {
  for (let looks = 1; ; looks++) {
    const stored = await sessions.messages(id, { limit: LOOK });
    const message = choose(stored.messages.filter(isMessage));
    try {
      const { revision } = await sessions.append(id, message, { from, ifRevision: stored.revision });
      return { message, revision };
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
  { message: sent, after, from }: TurnRequest<Message>,
  answerId: string,
): Promise<Sent<Message>> {
  const message = { ...sent, metadata: { ...(sent.metadata as object | undefined), answerId } };
  try {
    // Makes the session where `after` is null and there is no `from`: append does so in no other case.
    const { revision } = await sessions.append(id, message, { create: true, after, from });
    return { message, revision };
  } catch (error) {
    if (!isConflict(error)) throw error;
    const choose = (stored: Message[]) => {
      if (!isUpToDate(stored, after, message.id)) throw error;
      return message;
    };
    return storeAfterLook(sessions, id, choose, from);
  }
}

/**
 * Stores what a page says of the tool calls in the last answer, which are then answered for all.
 *
 * @throws JourneyDbError as append, and conflict where they were answered before or the conversation went on
 */
export function storeToolAnswers<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  id: string,
  sent: Message,
): Promise<Sent<Message>> {
  return storeAfterLook(sessions, id, (stored) => {
    const answer = stored.at(-1);
    const continued = answer?.id === sent.id ? continuedAnswer(answer, sent) : undefined;
    if (continued) return continued;
    throw new JourneyDbError(
      "conflict",
      "request.message: no tool call at the end of the conversation waits for it; nothing changed.",
    );
  });
}

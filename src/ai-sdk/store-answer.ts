import { JourneyDbError } from "../errors.js";
import type { MessageShape } from "../messages.js";
import type { Appended, UserSessions } from "../user-sessions.js";

/** How often an answer is tried to be stored, each time after a longer pause: nobody else has it any more. */
const TRIES = 10;
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** The answer that a user's message waits for. An older program may have left elements that are no messages. */
export const answerIdOf = (stored: MessageShape | null | undefined): unknown =>
  (stored?.metadata as { answerId?: unknown } | null | undefined)?.answerId;

/**
 * Stores the answer in place of its beginning, or else behind its question, whatever followed meanwhile;
 * null where the session was deleted, its beginning dropped, or no question waits for this answer.
 *
 * @param answerId what its question names; undefined where its beginning was stored, without which it has no place
 * @param revision the session's when what the answer is to was stored
 * @throws JourneyDbError as append; conflict and a database that is away only after several tries
 */
export async function storeAnswer<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  answer: Message,
  answerId: string | undefined,
  revision: string,
): Promise<Appended | null> {
  /** Looks where it belongs now. */
  async function putInPlace(): Promise<Appended | null> {
    const session = await sessions.get(id);
    if (!session) return null;
    const { messages, revision: ifRevision } = session;
    if (messages.some((stored) => stored?.id === answer.id))
      return sessions.append(id, answer, { ifRevision });
    const place = messages.findIndex((stored) => answerIdOf(stored) === answerId);
    if (answerId === undefined || place < 0) return null;
    const following = messages.slice(place + 1);
    return sessions.append(id, [answer, ...following], { from: following[0]?.id, ifRevision });
  }

  for (let tries = 1; ; tries++) {
    try {
      // At first as if nothing had changed since the page's message was stored.
      if (tries === 1) return await sessions.append(id, answer, { ifRevision: revision });
      return await putInPlace();
    } catch (error) {
      if (!(error instanceof JourneyDbError)) throw error;
      if (error.code === "not_found") return null;
      const mayPass = error.code === "conflict" || error.retryable;
      if (!mayPass || tries === TRIES) throw error;
    }
    if (tries > 1) await pause(50 * tries);
  }
}

import type { MessageShape } from "../messages.js";
import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import { type Appended, heldByAnother, type UserSessions, type Witness } from "../sessions/types.js";
import { withoutDepthLimit } from "../validation/json.js";
import { answerIdOf, markInterrupted } from "./interruption.js";
import { offerBeginnings } from "./partial-answer.js";
import { pause } from "./retry.js";

/** Maximum attempts to store an answer, each after a longer pause: nobody else has it any more. */
const TRIES = 10;

/** After these another look tells more: the answer may be stored or not, or its place is another one, or gone. */
const MAY_PASS = new Set<JourneyDbErrorCode>(["conflict", "internal", "not_found", "timeout", "unavailable"]);

/** The answer itself is refused, so that the same one will always be. */
export const isRefusal = (error: unknown): error is JourneyDbError =>
  error instanceof JourneyDbError && (error.code === "invalid_input" || error.code === "too_large");

/** What tells where an answer belongs. */
export interface AnswerTarget<Message> {
  id: string;
  /** What the question of a new answer names. */
  answerId: string;
  /** What is stored of an answer that goes on: without that it has no place. */
  begun: Message | undefined;
  /** The session's when what the answer is to was stored. */
  revision: string;
}

/**
 * Stores the answer in place of its beginning, or else behind its question, whatever followed meanwhile;
 * null where the session was deleted, its beginning dropped, or no question waits for this answer.
 *
 * Where the outcome of an attempt is unknown it looks, and puts the answer in its place by its id: once. An
 * answer that the application's schema refuses, or that is too large, is stored as far as it is not, marked as failed.
 *
 * @throws JourneyDbError as append; conflict and a database that is away only after several tries; invalid_input
 *   and too_large also where a beginning was stored; not_found where another user has the session now
 */
export async function storeAnswer<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  target: AnswerTarget<Message>,
  answer: Message,
): Promise<Appended | null> {
  try {
    return await store(sessions, target, answer);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (!(await storeBeginning(sessions, target, answer))) throw error;
    const reason = error.message.replace(/; nothing changed\.$/, ".");
    throw new JourneyDbError(error.code, `A beginning of the answer is stored, marked as failed. ${reason}`);
  }
}

async function store<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  { id, answerId, begun, revision }: AnswerTarget<Message>,
  given: Message,
): Promise<Appended | null> {
  const answer = withoutDepthLimit(given);
  let isUnknown = false;
  let isMoved = false;

  /** Looks where it belongs now. */
  async function putInPlace(): Promise<Appended | null> {
    const session = await sessions.get(id);
    if (!session) {
      isMoved = (await (sessions as Witness)[heldByAnother]?.(id)) === true;
      if (!isMoved) return null;
      const outcome = isUnknown ? "whether the answer is stored is unknown" : "the answer is not stored";
      throw new JourneyDbError("not_found", `Another user has the session now; ${outcome}.`);
    }
    const { messages, revision: ifRevision } = session;
    if (messages.some((stored) => stored?.id === answer.id))
      return sessions.append(id, answer, { ifRevision });
    const question = messages.findIndex((stored) => answerIdOf(stored) === answerId);
    if (begun || question < 0) return null;
    const following = messages.slice(question + 1).map(withoutDepthLimit);
    if (following.length > 0) {
      try {
        return await sessions.append(id, [answer, ...following], { from: following[0]?.id, ifRevision });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // They may be what is refused: an older rule let them in.
      }
    }
    return sessions.append(id, answer, { ifRevision });
  }

  for (let tries = 1; ; tries++) {
    let isAway = false;
    try {
      // At first as if nothing had changed since the page's message was stored.
      if (tries === 1) return await sessions.append(id, answer, { ifRevision: revision });
      return await putInPlace();
    } catch (error) {
      if (!(error instanceof JourneyDbError)) throw error;
      if (isMoved || !MAY_PASS.has(error.code) || tries === TRIES) throw error;
      isAway = error.code === "unavailable";
      isUnknown ||= error.code !== "conflict" && error.code !== "not_found";
    }
    // A server that restarts needs some seconds, another writer a moment.
    if (tries > 1) await pause(isAway ? Math.min(50 * 2 ** tries, 2_000) : 50 * tries);
  }
}

/** Whether a beginning of the answer could be stored: as much of it as is not refused, with its metadata or else without. */
async function storeBeginning<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  target: AnswerTarget<Message>,
  answer: Message,
): Promise<boolean> {
  const offerWith = (metadata: unknown) => async (parts: MessageShape["parts"]) => {
    try {
      const marked = markInterrupted({ ...answer, parts, metadata }, "failed");
      return (await store(sessions, target, marked)) !== null;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  };

  const begun = target.begun?.parts ?? [];
  for (const metadata of [answer.metadata, undefined]) {
    if (await offerBeginnings(answer.parts, begun.length, offerWith(metadata))) return true;
  }
  return begun.length > 0 && (await offerWith(target.begun?.metadata)(begun));
}

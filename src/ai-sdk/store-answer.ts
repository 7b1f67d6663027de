import type { MessageShape } from "../messages.js";
import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import type { JourneyTable } from "../schema.js";
import type { Appended } from "../sessions/append.js";
import type { MessageLayout } from "../sessions/types.js";
import type { UserSessions } from "../sessions/verbs.js";
import { heldByAnother, type Witness } from "../sessions/witness.js";
import { withoutDepthLimit } from "../validation/json.js";
import { markInterrupted } from "./interruption.js";
import { storeMostParts } from "./partial-answer.js";
import { retry } from "./retry.js";
import { answerIdOf } from "./turn-request.js";

/** A user's sessions in either layout, with metadata, phases and own columns of any type. */
export type AnySessions<
  Message,
  Layout extends MessageLayout = MessageLayout,
  // biome-ignore lint/suspicious/noExplicitAny: types of the application, which are not read here
  Table extends JourneyTable = any,
  // biome-ignore lint/suspicious/noExplicitAny: likewise
> = UserSessions<Message, any, any, Table, Layout>;

/** Maximum attempts to store an answer, each after a longer pause: no other copy of the answer exists. */
const ATTEMPTS = 10;

/** After these another attempt can succeed: the answer may be stored or not, or its place has changed. */
const MAY_PASS = new Set<JourneyDbErrorCode>(["conflict", "internal", "not_found", "timeout", "unavailable"]);

/** Whether the write was refused for a reason that repeating it would not change. */
export const isRefusal = (error: unknown): error is JourneyDbError =>
  error instanceof JourneyDbError && (error.code === "invalid_input" || error.code === "too_large");

/** Where an answer belongs. */
export interface AnswerTarget<Message> {
  /** Of the session. */
  id: string;
  /** The id that the question of a new answer names. */
  answerId: string;
  /** The stored message that the answer continues: without it, there is no place for the answer. */
  begun: Message | undefined;
  /** Of the session when the page's message was stored; undefined if others may have written since. */
  revision: string | undefined;
  /** Whether a stored message with the answer's id gives way to it: others may have stored it. @default always */
  replaces?: ((stored: Message, isLast: boolean) => boolean) | undefined;
}

/**
 * Stores the answer in place of the message that it continues, or else directly after its question, even if
 * other messages follow the question by now. Returns null if the session was deleted, the message to continue
 * was dropped, or no question waits for this answer.
 *
 * After an attempt with an unknown outcome it reads the session and puts the answer in its place by its id,
 * so that it is stored once. If the application's schema refuses the answer, or if it is too large, as much
 * of it as is accepted is stored, marked as failed.
 *
 * @throws JourneyDbError as append; conflict and unavailable only after several attempts; invalid_input
 *   and too_large also if a part of the answer was stored; not_found if another user has the session now
 */
export async function storeAnswer<Message extends MessageShape, Layout extends MessageLayout>(
  sessions: AnySessions<Message, Layout>,
  target: AnswerTarget<Message>,
  answer: Message,
): Promise<Appended<Layout> | null> {
  try {
    return await store(sessions, target, answer);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (!(await storePartially(sessions, target, answer))) throw error;
    const reason = error.message.replace(/; nothing changed\.$/, ".");
    throw new JourneyDbError(error.code, `Part of the answer is stored, marked as failed. ${reason}`);
  }
}

async function store<Message extends MessageShape, Layout extends MessageLayout>(
  sessions: AnySessions<Message, Layout>,
  { id, answerId, begun, revision, replaces = () => true }: AnswerTarget<Message>,
  message: Message,
): Promise<Appended<Layout> | null> {
  const answer = withoutDepthLimit(message);
  let isUnknown = false;
  let isTransferred = false;

  /** Reads the session to find where the answer belongs now. */
  async function storeInPlace(): Promise<Appended<Layout> | null> {
    const session = await sessions.get(id);
    if (!session) {
      isTransferred = (await (sessions as Witness)[heldByAnother]?.(id)) === true;
      if (!isTransferred) return null;
      const outcome = isUnknown ? "whether the answer is stored is unknown" : "the answer is not stored";
      throw new JourneyDbError("not_found", `Another user has the session now; ${outcome}.`);
    }
    const { messages, revision: ifRevision } = session;
    const known = messages.findLast((stored) => stored?.id === answer.id);
    if (known) {
      // An attempt whose outcome is unknown may have stored it.
      const givesWay = isUnknown || replaces(known, known === messages.at(-1));
      return givesWay ? sessions.append(id, answer, { ifRevision }) : null;
    }
    const question = messages.findIndex((stored) => answerIdOf(stored) === answerId);
    if (begun || question < 0) return null;
    const following = messages.slice(question + 1).map(withoutDepthLimit);
    if (following.length > 0) {
      try {
        return await sessions.append(id, [answer, ...following], { from: following[0]?.id, ifRevision });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // The messages that follow may be what is refused: an older rule accepted them.
      }
    }
    return sessions.append(id, answer, { ifRevision });
  }

  return retry(
    // The first attempt assumes that nobody has changed the session since the page's message was stored.
    (n) => (n === 1 && revision ? sessions.append(id, answer, { ifRevision: revision }) : storeInPlace()),
    (error, n) => {
      if (!(error instanceof JourneyDbError) || !MAY_PASS.has(error.code)) return undefined;
      if (isTransferred || n === ATTEMPTS) return undefined;
      isUnknown ||= error.code !== "conflict" && error.code !== "not_found";
      if (n === 1) return 0;
      // A server that restarts needs some seconds, another writer a moment.
      return error.code === "unavailable" ? Math.min(50 * 2 ** n, 2_000) : 50 * n;
    },
  );
}

/** Stores as much of the answer as is accepted, with its metadata or else without. Returns whether any was. */
async function storePartially<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  target: AnswerTarget<Message>,
  answer: Message,
): Promise<boolean> {
  const storeWith = (metadata: unknown) => async (parts: MessageShape["parts"]) => {
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
    if (await storeMostParts(answer.parts, begun.length, storeWith(metadata))) return true;
  }
  return begun.length > 0 && (await storeWith(target.begun?.metadata)(begun));
}

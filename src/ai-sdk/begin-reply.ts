import type { MessageShape } from "../messages.js";
import type { Replies } from "../sessions/replies.js";
import { closeReply, removeLater, repliesOf } from "./close-reply.js";
import { retry } from "./retry.js";
import type { AnySessions } from "./store-answer.js";
import { type Begun, hasCode, isConflict, SessionExists } from "./store-request.js";

/** Attempts to begin while a reply that somebody stopped, or whose producer is lost, comes to its end. */
const ATTEMPTS = 40;
/** Milliseconds between them. */
const PAUSE = 250;

/** Rounds in which others create the session that a first message is to create, and delete it again. */
const MOST_ROUNDS = 3;

/**
 * Begins a reply and stores the turn's message. Before anything is stored, since a turn is refused while another reply is
 * running; only a session that is there has one.
 *
 * @param createsSession whether the message may create the session
 * @param store stores the message; `isNew`: only if that creates the session
 */
export async function beginTurn<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  createsSession: boolean,
  store: (isNew?: boolean) => Promise<Begun<Message>>,
): Promise<Begun<Message> & { replyId: string }> {
  for (let round = 1; ; round++) {
    const replyId = await beginReply(sessions, id).catch((error) => {
      if (createsSession && hasCode(error, "not_found")) return undefined;
      throw error;
    });
    try {
      const begun = await store(replyId === undefined && round < MOST_ROUNDS);
      return {
        ...begun,
        replyId: replyId ?? (await beginReply(sessions, id, { messageId: begun.answerId })),
      };
    } catch (error) {
      if (replyId) await cancelReply(repliesOf(sessions), id, replyId);
      if (!(error instanceof SessionExists)) throw error;
    }
  }
}

/**
 * Begins a reply. Waits for the end of one that was stopped, and closes one whose producer is lost.
 *
 * @param message what is known of the message that it makes, as in `replies.start`
 * @returns its id
 * @throws JourneyDbError conflict while another reply is running; not_found for the session
 */
async function beginReply<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  message: Parameters<Replies["start"]>[2] = {},
): Promise<string> {
  const replies = repliesOf(sessions);
  const replyId = crypto.randomUUID();
  let isRunning = false;
  await retry(
    async () => {
      try {
        await replies.start(id, replyId, message);
      } catch (error) {
        if (!isConflict(error)) throw error;
        const other = await replies.read(id);
        if (other?.isLost) await closeReply(sessions, id, other);
        // One without the id of its message is of a turn that is being stored, which may be refused.
        else isRunning = other?.state === "running" && other.messageId !== null;
        throw error;
      }
    },
    (error, n) => (isConflict(error) && !isRunning && n < ATTEMPTS ? PAUSE : undefined),
  );
  return replyId;
}

/** Ends a reply whose turn was refused before it produced anything. */
async function cancelReply(replies: Replies, id: string, replyId: string): Promise<void> {
  await replies.write(id, replyId, { n: 0, chunks: "", state: "ended" }).catch(() => {});
  removeLater(replies, id, replyId);
}

import type { MessageShape } from "../messages.js";
import type { Replies } from "../sessions/replies.js";
import { closeReply, removeLater, repliesOf } from "./close-reply.js";
import { retry } from "./retry.js";
import type { AnySessions } from "./store-answer.js";
import { isConflict } from "./store-request.js";

/** Attempts to begin while a reply that somebody stopped, or whose producer is lost, comes to its end. */
const ATTEMPTS = 40;
/** Milliseconds between them. */
const PAUSE = 250;

/**
 * Begins a reply. Waits for the end of one that was stopped, and closes one whose producer is lost.
 *
 * @param message what is known of the message that it makes, as in `replies.start`
 * @returns its id
 * @throws JourneyDbError conflict while another reply is running; not_found for the session
 */
export async function beginReply<Message extends MessageShape>(
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
        else isRunning = other?.state === "running";
        throw error;
      }
    },
    (error, n) => (isConflict(error) && !isRunning && n < ATTEMPTS ? PAUSE : undefined),
  );
  return replyId;
}

/** Ends a reply whose turn was refused before it produced anything. */
export async function cancelReply(replies: Replies, id: string, replyId: string): Promise<void> {
  await replies.write(id, replyId, { n: 0, chunks: "", state: "ended" }).catch(() => {});
  removeLater(replies, id, replyId);
}

/** Lets a stored question wait for the answer of the reply that is running. */
export async function handOver<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  question: Message,
): Promise<void> {
  const running = await repliesOf(sessions).read(id);
  if (!running?.messageId) return;
  const metadata = { ...(question.metadata as object | undefined), answerId: running.messageId };
  await sessions.append(id, { ...question, metadata }).catch(() => {});
}

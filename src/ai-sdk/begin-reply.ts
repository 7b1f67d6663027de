import type { MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { closeReply, repliesOf } from "./close-reply.js";
import type { OnError } from "./error-response.js";
import { type Producer, replyProducer } from "./reply-producer.js";
import { retry } from "./retry.js";
import type { AnySessions } from "./store-answer.js";

/** Attempts to begin while a reply that somebody stopped, or whose producer is lost, comes to its end. */
const ATTEMPTS = 10;
/** Milliseconds to wait for that, before each. */
const WAIT = 1_000;

/**
 * Begins a reply. Waits for the end of one that was stopped, and closes one whose producer is lost.
 *
 * @param continues the number of parts of the stored message that it continues
 * @throws JourneyDbError conflict while another reply is running; not_found for the session
 */
export async function beginReply<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  continues: number | undefined,
  onError: OnError | undefined,
): Promise<Producer> {
  const replies = repliesOf(sessions);
  const replyId = crypto.randomUUID();
  let isEnding = true;
  await retry(
    async () => {
      try {
        return await replies.start(id, replyId, { continues });
      } catch (error) {
        if (!(error instanceof JourneyDbError && error.code === "conflict")) throw error;
        const other = await replies.read(id);
        if (other?.isLost) await closeReply(sessions, id, other);
        else if (other?.state === "running") isEnding = false;
        else if (other)
          await replies.read(id, { replyId: other.replyId, after: other.batches, waitMs: WAIT });
        throw error;
      }
    },
    (error, n) =>
      isEnding && n < ATTEMPTS && error instanceof JourneyDbError && error.code === "conflict"
        ? 0
        : undefined,
  );
  return replyProducer(replies, id, replyId, onError);
}

import type { MessageShape } from "../messages.js";
import { closeReply, repliesOf } from "./close-reply.js";
import type { AnySessions } from "./store-answer.js";

/**
 * Stops the reply that is being produced, in whatever process: from any tab, also after a reload. Its producer learns it
 * within a second, aborts `turn.signal`, and stores what had arrived, marked as stopped; all pages that read the reply see
 * its end.
 *
 * @returns false if no reply is running
 * @throws JourneyDbError as append, and configuration without durable replies
 * @example
 * export const DELETE = async (_request, { params }) => Response.json(await stopTurn(sessions, (await params).id));
 */
export async function stopTurn<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
): Promise<boolean> {
  const reply = await repliesOf(sessions).stop(id);
  if (reply?.isLost) await closeReply(sessions, id, reply);
  return reply !== null;
}

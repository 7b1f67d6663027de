import { isMessage, type MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { ReadReply, Replies, ReplyStatus } from "../sessions/replies.js";
import { type Interruption, interruptionOf, markInterrupted, withoutStreaming } from "./interruption.js";
import { hasContent } from "./parts.js";
import { type Chunk, chunksOf, endOf, errorEvent, LAST_EVENT, messageOf } from "./reply-chunks.js";
import { type AnySessions, isRefusal, storeAnswer } from "./store-answer.js";

/** Milliseconds for which an ended reply is kept, for those who have not read its end. */
const KEPT = 10_000;

/** Removes an ended reply, later. A process that ends before leaves that to the session's next reply, or to `prune`. */
export const removeLater = (replies: Replies, id: string, replyId: string): void =>
  void setTimeout(() => void replies.delete(id, replyId).catch(() => {}), KEPT).unref();

/** @throws JourneyDbError configuration without durable replies */
export function repliesOf({ replies }: { readonly replies?: Replies | undefined }): Replies {
  if (replies) return replies;
  throw new JourneyDbError(
    "configuration",
    "Durable replies need the option `replies` of defineJourney: replyTables(table).replies of @aigos/journey-db/durable-replies.",
  );
}

/** All that is written of a reply. */
async function readWhole(replies: Replies, id: string, replyId: string): Promise<string> {
  let chunks = "";
  let read: ReadReply | null = null;
  do {
    read = await replies.read(id, { replyId, after: read?.after });
    chunks += read?.chunks ?? "";
  } while (read?.chunks);
  return chunks;
}

/** Stores the message that the chunks make, unless it is stored. Returns how it was interrupted. */
async function storeWritten<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  chunks: readonly Chunk[],
  { messageId, continues, state }: ReplyStatus,
): Promise<Interruption | undefined> {
  if (state === "stored") return undefined;
  const finish = chunks.find(({ type }) => type === "finish");
  const isAborted = state === "stopping" || chunks.some(({ type }) => type === "abort");
  const session = messageId === null ? null : await sessions.get(id);
  if (messageId === null || !session) return "failed";
  const stored = session.messages.find((message) => isMessage(message) && message.id === messageId);
  // Its producer may have stored it, and died then.
  const isContinued = (message: Message) => continues !== null && message.parts.length <= continues;
  if (stored ? !isContinued(stored) : continues !== null) return undefined;
  const message = (await messageOf(chunks, messageId, stored)) as Message | undefined;
  if (!message || !hasContent(message)) return "failed";
  const how =
    finish || isAborted ? interruptionOf({ responseMessage: message, isAborted, ...finish }) : "failed";
  const target = { id, answerId: messageId, begun: stored, revision: undefined, replaces: isContinued };
  await storeAnswer(sessions, target, how ? markInterrupted(message, how) : withoutStreaming(message));
  return how;
}

/**
 * Ends a reply whose producer is lost: what was written becomes the stored message, marked as failed, or as stopped if
 * somebody had asked for that. Of many that try at once, one does it.
 *
 * @throws JourneyDbError as append
 */
export async function closeReply<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  reply: ReplyStatus,
): Promise<void> {
  const replies = repliesOf(sessions);
  const { replyId } = reply;
  if (!(await replies.close(id, replyId))) return;
  const chunks = chunksOf(await readWhole(replies, id, replyId));
  const how = await storeWritten(sessions, id, chunks, reply).catch((error) => {
    // Others try again, after a while.
    if (!isRefusal(error)) throw error;
    return "failed" as const;
  });
  const end = endOf(how) + (how === "failed" ? errorEvent("The reply was interrupted.") : "") + LAST_EVENT;
  await replies.write(id, replyId, { n: reply.batches + 1, chunks: end, state: "ended", closes: true });
  removeLater(replies, id, replyId);
}

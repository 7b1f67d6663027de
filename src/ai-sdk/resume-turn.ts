import { isMessage, type MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { ReadReply } from "../sessions/replies.js";
import { HELD, holdReader, type Witness } from "../sessions/witness.js";
import { closeReply, repliesOf } from "./close-reply.js";
import { eventResponse } from "./event-response.js";
import { partChunks } from "./part-chunks.js";
import { errorEvent, LAST_EVENT, splitStart, startEvent, toEvent, withoutSigns } from "./reply-chunks.js";
import type { AnySessions } from "./store-answer.js";

/** Milliseconds after which a look for more chunks ends, so that a reader who is gone is noticed. */
const LOOK = 5_000;
/** Milliseconds between attempts while the database is not available, and how many fail at most. */
const PAUSE = 1_000;
const MOST_FAILURES = 60;
/** Looks at a reply whose turn is being stored, within a pause. */
const MOST_LOOKS = 10;

/** Those by which the AI SDK's transport knows a stream of chunks. */
const HEADERS = { connection: "keep-alive", "x-vercel-ai-ui-message-stream": "v1" };

/** What a reply continues, as chunks: the page that resumes it begins the message anew. */
async function begunOf<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  { messageId, continues }: ReadReply,
): Promise<string> {
  if (continues === null) return "";
  // Others may follow it.
  const { messages } = await sessions.messages(id, { limit: 100 });
  const begun = messages.find((message) => isMessage(message) && message.id === messageId);
  const chunks = (begun?.parts.slice(0, continues) ?? []).flatMap(partChunks);
  return chunks.map(toEvent).join("");
}

/** The reply from its beginning to its end. */
async function* eventsOf<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  first: ReadReply,
  left: AbortSignal,
): AsyncGenerator<string> {
  const replies = repliesOf(sessions);
  const { replyId } = first;
  let reply: ReadReply | null = first;
  let begun: string | undefined;
  let isBegun = false;
  let isComplete = false;
  for (let failures = 0; !left.aborted; ) {
    if (!reply || reply.after > reply.batches) {
      // Removed with its session, or while this page was more than a megabyte behind.
      if (!isComplete) yield errorEvent("The reply is over.") + LAST_EVENT;
      return;
    }
    const chunks = isBegun ? reply.chunks : withoutSigns(reply.chunks);
    if (chunks !== "" && begun !== undefined) {
      const [start, rest] = splitStart(chunks);
      yield isBegun ? chunks : (start || startEvent(first.messageId ?? "")) + begun + rest;
      isBegun = true;
      isComplete = chunks.endsWith(LAST_EVENT);
      // Sent.
      reply = { ...reply, chunks: "" };
    }
    if (begun !== undefined && reply.state === "ended" && reply.after >= reply.batches) {
      // The next turn has begun before the last event was written.
      if (!isComplete) yield LAST_EVENT;
      return;
    }
    try {
      if (begun === undefined) {
        begun = await begunOf(sessions, id, first);
        continue;
      }
      if (reply.isLost) await closeReply(sessions, id, reply);
      reply = await replies.read(id, { replyId, after: reply.after, waitMs: LOOK, [HELD]: true } as object);
      failures = 0;
    } catch (error) {
      if (!(error instanceof JourneyDbError && error.retryable) || ++failures > MOST_FAILURES) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

/**
 * The response for a page that asks for the reply that is being produced (`useChat({ resume: true })`): the reply from its
 * beginning, then as it arrives, to its end. 204 if there is none: the page shows what is stored.
 *
 * Many pages may read a reply, in any process; one that is slow or gone holds nobody up. If the reply's producer
 * is lost, the first who notices, after about ten seconds, stores what had been written as a failed answer, and the stream ends
 * with an error.
 *
 * @param request if its URL has `after`, the id of the last message that the page shows: a reply that ended a moment ago is
 *   returned too, unless the page shows it
 * @throws JourneyDbError as get; unavailable if 100 of the user's pages follow replies in this process; configuration without
 *   durable replies
 * @example
 * export const GET = async (request, { params }) => resumeTurn(sessions, (await params).id, request);
 */
export async function resumeTurn<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  request: { url?: string | undefined },
): Promise<Response> {
  let reply = await repliesOf(sessions).read(id);
  for (let looks = 0; reply?.state === "running" && !reply.messageId && looks < MOST_LOOKS; looks++) {
    // Its turn is being stored.
    await new Promise((resolve) => setTimeout(resolve, PAUSE / MOST_LOOKS));
    reply = await repliesOf(sessions).read(id);
  }
  if (!reply?.messageId) return new Response(null, { status: 204 });
  const after = new URL(request.url ?? "/", "http://localhost").searchParams.get("after");
  // A message that is continued keeps its id.
  const isShown = after === null || (after === reply.messageId && reply.continues === null);
  if (reply.state === "ended" && isShown) return new Response(null, { status: 204 });
  const release = (sessions as Witness)[holdReader]?.();
  const left = new AbortController();
  return eventResponse(eventsOf(sessions, id, reply, left.signal), HEADERS, () => {
    left.abort();
    release?.();
  });
}

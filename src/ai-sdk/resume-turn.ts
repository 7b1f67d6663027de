import { isMessage, type MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { ReadReply } from "../sessions/replies.js";
import { closeReply, repliesOf } from "./close-reply.js";
import { partChunks } from "./part-chunks.js";
import { errorEvent, LAST_EVENT, messageIdOf, toEvent } from "./reply-chunks.js";
import type { AnySessions } from "./store-answer.js";

/** Milliseconds after which a look for more chunks ends, so that a reader who is gone is noticed. */
const LOOK = 5_000;
/** Milliseconds between attempts while the database is not available, and how many fail at most. */
const PAUSE = 1_000;
const MOST_FAILURES = 60;

/** Those of the AI SDK, by which its transport knows a stream of chunks. */
const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  connection: "keep-alive",
  "x-vercel-ai-ui-message-stream": "v1",
  // nginx would hold it back.
  "x-accel-buffering": "no",
};

/** A server-sent event without content, which keeps proxies from closing the connection. */
export const KEEP_ALIVE = ":\n\n";

/** A response with server-sent events. The browser's connection ends the iteration. */
export function eventResponse(
  events: AsyncGenerator<string>,
  headers: Record<string, string> = HEADERS,
  onCancel = () => {},
): Response {
  const encoder = new TextEncoder();
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    // Not as fast as the browser reads: chunks that it has not read yet would be removed.
    async start(controller) {
      try {
        for await (const event of events) {
          if (isCancelled) return;
          controller.enqueue(encoder.encode(event));
        }
        controller.close();
      } catch (error) {
        if (!isCancelled) controller.error(error);
      }
    },
    cancel() {
      isCancelled = true;
      onCancel();
    },
  });
  return new Response(body, { headers });
}

/** What a reply continues, as chunks: the page that resumes it begins the message anew. */
async function begunOf<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  messageId: string | undefined,
  continues: number | null,
): Promise<string> {
  if (continues === null) return "";
  const { messages } = await sessions.messages(id, { limit: 1 });
  const begun = messages.find((message) => isMessage(message) && message.id === messageId);
  const chunks = (begun?.parts.slice(0, continues) ?? []).flatMap(partChunks);
  return chunks.map(toEvent).join("");
}

/** The reply from its beginning to its end. */
async function* eventsOf<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  first: ReadReply,
): AsyncGenerator<string> {
  const replies = repliesOf(sessions);
  const { replyId } = first;
  let reply: ReadReply | null = first;
  let isBegun = false;
  for (let failures = 0; ; ) {
    if (reply?.replyId !== replyId) {
      // Removed with its session, or as one of long ago.
      yield errorEvent("The reply is over.") + LAST_EVENT;
      return;
    }
    if (reply.chunks === "") yield KEEP_ALIVE;
    else if (isBegun) yield reply.chunks;
    else {
      isBegun = true;
      const start = reply.chunks.indexOf("\n\n") + 2;
      yield reply.chunks.slice(0, start);
      yield await begunOf(sessions, id, messageIdOf(reply.chunks), reply.continues);
      yield reply.chunks.slice(start);
    }
    if (reply.state === "ended" && reply.after >= reply.batches) return;
    const { after, isLost } = reply;
    try {
      if (isLost) await closeReply(sessions, id, reply);
      reply = await replies.read(id, { replyId, after, waitMs: LOOK });
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
 * Any number of pages may read a reply, in any process; one that is slow or gone holds nobody up. If the reply's producer
 * is lost, the first who notices, after about ten seconds, stores what had been written as a failed answer, and the stream ends
 * with an error.
 *
 * @param request if its URL has `after`, the id of the last message that the page shows: a reply that ended a moment ago is
 *   returned too, unless the page shows it
 * @throws JourneyDbError as get, and configuration without durable replies
 * @example
 * export const GET = async (request, { params }) => resumeTurn(sessions, (await params).id, request);
 */
export async function resumeTurn<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  request: { url?: string | undefined },
): Promise<Response> {
  const reply = await repliesOf(sessions).read(id);
  const after = new URL(request.url ?? "/", "http://localhost").searchParams.get("after");
  const isShown = after === null || (reply && after === messageIdOf(reply.chunks));
  if (!reply || (reply.state === "ended" && isShown)) return new Response(null, { status: 204 });
  return eventResponse(eventsOf(sessions, id, reply));
}

import type { MessageShape } from "../messages.js";
import type { SessionChange } from "../sessions/watch.js";
import { eventResponse } from "./event-response.js";
import { toEvent } from "./reply-chunks.js";
import type { AnySessions } from "./store-answer.js";

/** What a page reads of a session's changes, as JSON of each event; null when the session is deleted. */
export interface SessionEvent {
  revision: string;
  /** Of the reply that is being produced; null if there is none. */
  replyId: string | null;
}

const eventOf = ({ revision, reply }: SessionChange): SessionEvent => ({
  revision,
  replyId: reply?.replyId ?? null,
});

async function* eventsOf(
  first: SessionChange,
  changes: AsyncIterator<SessionChange>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (
    let change: IteratorResult<SessionChange> = { value: first };
    !change.done;
    change = await changes.next()
  )
    yield toEvent(eventOf(change.value));
  if (!signal.aborted) yield toEvent(null);
}

/**
 * The response for a page that follows a session with the browser's `EventSource`: one event with the session as it is,
 * and one after each change. Each is JSON, `{ revision, replyId }`: with another revision the page reads the session again;
 * with a reply that it does not show it calls `resumeStream`. 204 if the user has no such session, which ends an
 * EventSource.
 *
 * @throws JourneyDbError as watch
 * @example
 * export const GET = async (request, { params }) => watchResponse(sessions, (await params).id, request);
 */
export async function watchResponse<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  { signal }: { signal: AbortSignal },
): Promise<Response> {
  // Not every platform aborts the request's signal when the browser leaves.
  const left = new AbortController();
  const either = AbortSignal.any([signal, left.signal]);
  const changes = sessions.watch(id, { signal: either })[Symbol.asyncIterator]();
  const first = await changes.next();
  if (first.done) return new Response(null, { status: 204 });
  return eventResponse(eventsOf(first.value, changes, either), {}, () => {
    left.abort();
    // Nobody may have read the first event, and then nobody ends the iteration.
    void changes.return?.();
  });
}

import { EMPTY_EVENT } from "./reply-chunks.js";

/** Bytes that a page may be behind, and that wait here. Nothing more is read until the page has read some of them. */
const MOST_WAITING = 1024 * 1024;
/** Milliseconds after which something is sent, so that no proxy closes the connection. */
const SILENCE = 15_000;

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  // nginx would hold it back.
  "x-accel-buffering": "no",
};

/**
 * A response with server-sent events.
 *
 * @param onEnd called once, when the events have ended or the page has left
 */
export function eventResponse(
  events: AsyncGenerator<string>,
  headers: Record<string, string>,
  onEnd: () => void,
): Response {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  let isEnded = false;
  function end() {
    clearInterval(timer);
    if (!isEnded) onEnd();
    isEnded = true;
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        timer = setInterval(() => controller.enqueue(encoder.encode(EMPTY_EVENT)), SILENCE).unref();
      },
      async pull(controller) {
        try {
          const { value, done } = await events.next();
          if (!done) return controller.enqueue(encoder.encode(value));
          end();
          controller.close();
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      cancel() {
        end();
        void events.return(undefined);
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
  );
  return new Response(body, { headers: { ...HEADERS, ...headers } });
}

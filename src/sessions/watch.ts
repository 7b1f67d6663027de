import type { JourneyDbError } from "../model/errors.js";
import { options, signalSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import type { ReplyStatus } from "./replies.js";
import { always, type Verb } from "./verb.js";

interface WatchOptions {
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
}

/** A session as it is now. */
export interface SessionChange {
  revision: string;
  /** The reply that is being produced; null if there is none, or without durable replies. */
  reply: ReplyStatus | null;
}

export interface Watch {
  /**
   * The session as it is, and again after each change of it or of its reply. Changes in quick succession may come as one. The
   * iteration ends when the session is deleted or the signal is aborted; of a session that the user does not have it is
   * empty.
   *
   * It waits for notifications of the server if the durable replies' migrations are applied and `connect` has a direct
   * connection, or `defineJourney` a `listener`: all calls of a process share one. Else it looks every two seconds.
   * If the server is not available later, it tries again, for up to a minute.
   *
   * @example for await (const { revision, reply } of sessions.watch(id, { signal: request.signal })) …
   * @throws unavailable if 100 of the user's calls wait in this process, or `close` of `connect` is called
   */
  watch(id: string, options?: WatchOptions): AsyncIterable<SessionChange>;
}

/** Milliseconds between attempts while the server is not available, and how many fail at most. */
const PAUSE = 1_000;
const MOST_FAILURES = 60;

const optionsSchema = options<WatchOptions>()({ signal: signalSchema });

export const verb: Verb<Watch["watch"]> = {
  takes: ["id", "options"],
  isRepeatable: always,
  isStream: true,
  async *run(handle, id, given) {
    const { signal: own } = parse(optionsSchema, given);
    const values = { id: handle.sessionId(id) };
    const signals = [own, handle.signal].filter((one) => one !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    const changes = handle.changes(values.id, "session");
    let last: string | undefined;
    let failures = 0;
    // As with any call, a handle whose signal was aborted before refuses it.
    const isEnded = () => own?.aborted || (last !== undefined && signal?.aborted);
    try {
      while (!isEnded()) {
        const found = await handle
          .withinDeadline(() => handle.send(handle.watched, values))
          .catch((error: JourneyDbError) => {
            const mayPass = last !== undefined && error.retryable && ++failures <= MOST_FAILURES;
            if (!isEnded() && !mayPass) throw error;
            return undefined;
          });
        if (!found) {
          await changes.next(PAUSE, signal);
          continue;
        }
        failures = 0;
        const [row] = found;
        if (!row) return;
        const { revision, state, ...status } = row;
        const isRunning = state && status.messageId !== null && state !== "stored" && state !== "ended";
        const reply = isRunning ? ({ ...status, state } as ReplyStatus) : null;
        // Not its batches, which are read with `replies.read`.
        const key = JSON.stringify([revision, reply?.replyId, reply?.state, reply?.isLost]);
        if (key !== last) yield { revision, reply };
        last = key;
        if (!signal?.aborted) await changes.next(Number.POSITIVE_INFINITY, signal);
      }
    } finally {
      changes.end();
    }
  },
};

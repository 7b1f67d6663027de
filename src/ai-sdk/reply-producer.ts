import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import type { Replies } from "../sessions/replies.js";
import { removeLater } from "./close-reply.js";
import { type OnError, report } from "./error-response.js";

/** Milliseconds between two batches: a reader is that far behind, and a reply costs so many statements. */
const INTERVAL = 250;
/** Characters that are written without waiting for that. */
const LARGE_BATCH = 64 * 1024;
/** Milliseconds between two signs of life while there is nothing to write: Stop is seen that late. */
const HEARTBEAT = 1_000;
/** Characters that may wait to be written, while the database is not available; beyond, the reply is no longer durable. */
const MOST_PENDING = 16 * 1024 * 1024;
/** Milliseconds until a reply without a stream ends: its route has failed. */
const UNTIL_STREAM = 60_000;
/** Milliseconds for which the stream's end waits until the next turn may begin. */
const LONGEST_STORING = 5_000;
/** Milliseconds between two attempts to write, at first and at most. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

/** Writes the chunks of one reply while they are produced. */
export interface Producer {
  /** Aborted when somebody stops the reply, and when it is over for another reason. */
  readonly signal: AbortSignal;
  /** Whether the reply was taken away before its end: closed by others, or gone with its session. */
  readonly lost: boolean;
  /** Reads the reply's chunks to their end, as fast as they come. */
  consume(stream: ReadableStream<string>): Promise<void>;
  /** Shows that the message is stored, after these last chunks. Resolves when everybody can see it, or after a while. */
  stored(last: string): Promise<void>;
  /** Removes a reply whose turn failed before it had a stream. */
  cancel(): Promise<void>;
  /** Resolves when the last chunk is written, or nothing more can be. */
  readonly done: Promise<void>;
}

type Batch = Parameters<Replies["write"]>[2];

/** Errors that come back with each attempt. */
const LASTING = new Set<JourneyDbErrorCode>(["invalid_input", "configuration", "migration"]);

/** Begins to write a reply that has been started. */
export function replyProducer(
  replies: Replies,
  id: string,
  replyId: string,
  onError: OnError | undefined,
): Producer {
  const abort = new AbortController();
  let pending = "";
  let n = 0;
  let isConsumed = false;
  let isStored = false;
  let isFinished = false;
  /** Whether nothing more is written, and whether that is because others took the reply away. */
  let isOver = false;
  let isLost = false;
  let written: Batch["state"];
  let wake = () => {};
  let onStored = () => {};

  function end(lost = false) {
    isOver = true;
    isLost = lost;
    pending = "";
    onStored();
    wake();
    if (lost) abort.abort();
  }

  async function cancel() {
    end();
    await replies.delete(id, replyId).catch(() => {});
  }

  /** What must be written without waiting for the next batch. */
  const isUrgent = () =>
    isOver || isFinished || (isStored && written === undefined) || pending.length >= LARGE_BATCH;

  /** Waits until it is time to write again. */
  async function due(since: number): Promise<void> {
    for (;;) {
      const wait = (pending === "" ? HEARTBEAT : INTERVAL) - (performance.now() - since);
      if (isUrgent() || wait <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait).unref();
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Writes one batch, however long the database is not available. */
  async function write(batch: Batch): Promise<void> {
    for (let pause = FIRST_PAUSE; !isOver; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const { isStopping } = await replies.write(id, replyId, batch);
        if (isStopping) abort.abort();
        return;
      } catch (error) {
        // Given up meanwhile.
        if (isOver) return;
        const { code } = error as JourneyDbError;
        if (code === "not_found") return end(true);
        if (LASTING.has(code)) throw error;
        await new Promise<void>((resolve) => void setTimeout(resolve, pause).unref());
      }
    }
  }

  async function run(): Promise<void> {
    const begun = performance.now();
    for (let since = begun - INTERVAL; ; ) {
      await due(since);
      if (isOver) return;
      since = performance.now();
      if (!isConsumed && since - begun > UNTIL_STREAM) return cancel();
      const chunks = pending;
      pending = "";
      if (chunks !== "") n++;
      const state = isFinished ? "ended" : isStored ? "stored" : undefined;
      await write({ n, chunks, state });
      written = state;
      if (written) onStored();
      if (written === "ended") return;
    }
  }

  const done = run()
    .catch((error: JourneyDbError) => {
      end();
      return report(error, onError);
    })
    .then(() => {
      if (written === "ended") removeLater(replies, id, replyId);
    });

  return {
    signal: abort.signal,
    get lost() {
      return isLost;
    },
    done,
    cancel,
    async consume(stream) {
      isConsumed = true;
      try {
        for await (const chunk of stream) {
          if (isOver) continue;
          pending += chunk;
          wake();
          if (pending.length <= MOST_PENDING) continue;
          await cancel();
          const message =
            "The reply could not be written while it streams, so nobody can resume it; its message is stored at its end.";
          void report(new JourneyDbError("unavailable", message), onError);
        }
      } catch {
        // The stream broke off. Its message is stored as far as it came.
      }
      isFinished = true;
      wake();
    },
    async stored(last) {
      if (isOver) return;
      pending += last;
      await new Promise<void>((resolve) => {
        isStored = true;
        onStored = resolve;
        setTimeout(resolve, LONGEST_STORING).unref();
        wake();
      });
    },
  };
}

import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import type { Replies } from "../sessions/replies.js";
import { removeLater } from "./close-reply.js";
import { type OnError, report } from "./error-response.js";
import { EMPTY_EVENT, errorEvent, LAST_EVENT } from "./reply-chunks.js";

/** Milliseconds between two batches: a reader is that far behind, and a reply costs so many statements. */
const INTERVAL = 250;
/** Characters that are written without waiting for that. */
const LARGE_BATCH = 64 * 1024;
/** Milliseconds between two signs of life while there is nothing to write: Stop is seen that late. */
const HEARTBEAT = 1_000;
/** Characters that may wait to be written, as while the database is away; beyond, the reply is no longer durable. */
const MOST_PENDING = 32 * 1024 * 1024;
/** Milliseconds until a reply without a stream is no longer durable: its route has probably failed. */
const UNTIL_STREAM = 60_000;
/** Milliseconds for which the stream's end waits until the next turn may begin. */
const LONGEST_STORING = 5_000;
/** Milliseconds between two attempts to write, at first and at most, and for how long they are made. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;
const LONGEST_WRITING = 10 * 60_000;

/** Writes the chunks of one reply while they are produced. */
export interface Producer {
  /** Aborted when somebody stops the reply, and when others have ended it. */
  readonly signal: AbortSignal;
  /** Whether others have ended the reply: it was closed, or is gone with its session. */
  readonly lost: boolean;
  /** Reads the reply's chunks to their end, as fast as they come. */
  consume(stream: ReadableStream<string>): Promise<void>;
  /** Shows that the message is stored, after these last chunks. Resolves when everybody can see it, or after a while. */
  stored(last: string): Promise<void>;
  /** Resolves when the last chunk is written, or nothing more can be. */
  readonly done: Promise<void>;
}

type Batch = Parameters<Replies["write"]>[2];

/** Errors that come back with each attempt. */
const LASTING = new Set<JourneyDbErrorCode>(["invalid_input", "configuration", "migration"]);

const unreferenced = (resolve: () => void, milliseconds: number) => setTimeout(resolve, milliseconds).unref();

/** Begins to write a reply that has been started. `message`: what it makes, as in `replies.write`. */
export function replyProducer(
  replies: Replies,
  id: string,
  replyId: string,
  message: { messageId: string; continues: number | undefined },
  onError: OnError | undefined,
): Producer {
  const abort = new AbortController();
  let pending = "";
  let n = 0;
  let isNamed = false;
  let isConsumed = false;
  let isStored = false;
  let isFinished = false;
  /** Whether nothing more is written, and whether that is because others have ended the reply. */
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

  /** Goes on without writing. Those who follow are told. */
  async function giveUp(why: string) {
    end();
    const message = `${why}, so nobody can follow or stop the reply any more; its message is stored at its end.`;
    void report(new JourneyDbError("unavailable", message), onError);
    const chunks = errorEvent("The reply cannot be followed any more.") + LAST_EVENT;
    await replies.write(id, replyId, { n: ++n, chunks, state: "ended" }).catch(() => {});
    removeLater(replies, id, replyId);
  }

  /** Whether something must be written without waiting for the next batch. */
  const isUrgent = () =>
    isOver || !isNamed || isFinished || (isStored && written === undefined) || pending.length >= LARGE_BATCH;

  /** Waits until it is time to write again. */
  async function due(since: number): Promise<void> {
    for (;;) {
      const wait = (pending === "" ? HEARTBEAT : INTERVAL) - (performance.now() - since);
      if (isUrgent() || wait <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = unreferenced(resolve, wait);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Writes one batch, also if the database is away for a while. */
  async function write(batch: Batch): Promise<void> {
    const until = performance.now() + LONGEST_WRITING;
    for (let pause = FIRST_PAUSE; !isOver; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const { isStopping } = await replies.write(id, replyId, batch);
        if (isStopping) abort.abort();
        return;
      } catch (error) {
        // Given up meanwhile.
        if (isOver) return;
        const { code } = error as JourneyDbError;
        // Once its message is stored, the next turn may take its place.
        if (code === "not_found") return end(!isStored);
        if (LASTING.has(code) || performance.now() > until) throw error;
        await new Promise<void>((resolve) => unreferenced(resolve, pause));
      }
    }
  }

  async function run(): Promise<void> {
    const begun = performance.now();
    for (let since = begun; ; ) {
      await due(since);
      if (isOver) return;
      since = performance.now();
      if (!isConsumed && since - begun > UNTIL_STREAM)
        return giveUp("No stream was begun within a minute of startTurn");
      const chunks = pending;
      pending = "";
      if (chunks !== "") n++;
      const state = isFinished ? "ended" : isStored ? "stored" : undefined;
      await write({ n, chunks, state, ...(!isNamed && message) });
      isNamed = true;
      written = state;
      if (written) onStored();
      if (written === "ended") return removeLater(replies, id, replyId);
    }
  }

  const done = run().catch((error: JourneyDbError) =>
    giveUp(`The reply could not be written (${error.code})`),
  );

  return {
    signal: abort.signal,
    get lost() {
      return isLost;
    },
    done,
    async consume(stream) {
      isConsumed = true;
      // From now on the reply gives way to no other, also before its first chunk.
      pending = EMPTY_EVENT;
      wake();
      try {
        for await (const chunk of stream) {
          if (isOver) continue;
          pending += chunk;
          wake();
          if (pending.length > MOST_PENDING)
            await giveUp("The reply could not be written as fast as it streams");
        }
      } catch {
        // The stream broke off. Its message is stored as far as it came.
      }
      isFinished = true;
      wake();
    },
    async stored(last) {
      // What the AI SDK has sent before it called onFinish arrives here a little later.
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      if (isOver) return;
      pending += last;
      await new Promise<void>((resolve) => {
        isStored = true;
        onStored = resolve;
        unreferenced(resolve, LONGEST_STORING);
        wake();
      });
    },
  };
}

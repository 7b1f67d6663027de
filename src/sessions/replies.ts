/**
 * `stopping`: somebody asked for its end. `closing`: its producer is lost, and somebody stores what it had written.
 * `stored`: its message is stored, and the session takes the next turn. `ended`: nothing more is written; it is kept for a
 * moment, for those who still read it.
 */
export const REPLY_STATES = ["running", "stopping", "closing", "stored", "ended"] as const;
export type ReplyState = (typeof REPLY_STATES)[number];

/** A reply that is being produced, or has just ended. */
export interface ReplyStatus {
  replyId: string;
  /** The id of the message that it makes; null until it is known. */
  messageId: string | null;
  state: ReplyState;
  /** Whether its producer has shown no sign of life for 10 s: whoever sees that may close it. */
  isLost: boolean;
  /** The number of parts of the stored message that it continues; null for a new message. */
  continues: number | null;
  /** The number of its last batch. */
  batches: number;
}

export interface ReadReply extends ReplyStatus {
  /** The chunks of the batches after `after`: all of them, or as many as one statement returns. */
  chunks: string;
  /** The number of the last of these batches. */
  after: number;
}

/**
 * The running replies of one user's sessions: at most one each, written in batches of chunks that anybody who has the
 * session can read meanwhile. Every statement filters by owner. `startTurn` of `@aigos/journey-db/ai-sdk` does all of
 * this for the AI SDK; use these calls for another protocol.
 */
export interface Replies {
  /**
   * Begins a reply. One that has written nothing for 3 s gives way to it.
   *
   * @param replyId a new id: 1–256 characters
   * @param options `messageId`: the id of the message that it makes, if that is known already: `watch` does not show the
   *   reply before. `continues`: the number of parts of the stored message that it continues
   * @throws not_found for the session; conflict while another reply is running
   */
  start(
    id: string,
    replyId: string,
    options?: { messageId?: string | undefined; continues?: number | undefined },
  ): Promise<void>;
  /**
   * Writes a batch of chunks, or without chunks only shows that the producer lives: at least every 5 s.
   *
   * @param batch `n`: its number, from 1, or without chunks that of the last one; the same number again is written once.
   *   `chunks`: well-formed text without U+0000, at most 64 Mi characters. `messageId` and `continues`: as in `start`. `state`: the reply's
   *   state from then on. `closes`: after `close`
   * @returns whether somebody asked to stop it
   * @throws not_found if the reply is over: stopped being the session's, or closed, or deleted with its session
   */
  write(
    id: string,
    replyId: string,
    batch: {
      n: number;
      chunks: string;
      messageId?: string | undefined;
      continues?: number | undefined;
      state?: "stored" | "ended" | undefined;
      closes?: boolean | undefined;
    },
  ): Promise<{ isStopping: boolean }>;
  /**
   * The session's reply, with what was written after a batch; null if there is none.
   *
   * @param options `replyId`: the reply that the caller reads; one that another has followed is `ended`. `after`: the batch
   *   up to which the caller has read it. `waitMs`: how long to wait for more, 0–10,000, while it
   *   is running. @default 0
   * @throws unavailable if 100 of the user's calls wait in this process, or `close` of `connect` is called
   */
  read(
    id: string,
    options?: { replyId?: string | undefined; after?: number | undefined; waitMs?: number | undefined },
  ): Promise<ReadReply | null>;
  /** Asks the producer to stop, which learns it with its next batch; null if no reply is running. */
  stop(id: string): Promise<ReplyStatus | null>;
  /** Takes over a reply whose producer is lost, to store what it had written. Of many that try at once, one gets true. */
  close(id: string, replyId: string): Promise<boolean>;
  /** Removes a reply and its chunks; false if there is none. */
  delete(id: string, replyId: string): Promise<boolean>;
}

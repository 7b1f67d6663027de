import type { JourneyTable, journeySessions, Own } from "../schema.js";

interface SummaryColumns<Metadata, Phase extends string> {
  id: string;
  userId: string;
  phase: Phase;
  /** Any key may be absent: a session that `append` creates may have none. */
  metadata: Partial<Metadata>;
  createdAt: Date;
  updatedAt: Date;
  /** Opaque. Every change of the session changes it; values never repeat. */
  revision: string;
}

/**
 * A session without its messages, with the application's own columns as Drizzle selects them. Times are truncated
 * to milliseconds; `revision` is exact.
 */
export type SessionSummary<
  Metadata = unknown,
  Phase extends string = string,
  Table extends JourneyTable = typeof journeySessions,
> = SummaryColumns<Metadata, Phase> & Own<Table>;

/** A session with all its messages, in conversation order. */
export type Session<
  Message = unknown,
  Metadata = unknown,
  Phase extends string = string,
  Table extends JourneyTable = typeof journeySessions,
> = SessionSummary<Metadata, Phase, Table> & { messages: Message[] };

/** Where a handle keeps messages: in the column `messages` of their session, or in rows of a table of their own. */
export type MessageLayout = "column" | "rows";

/** The size of a conversation after a write. With messages in rows nothing counts it. */
export type Size<Layout extends MessageLayout> = [Layout] extends ["column"]
  ? {
      /** Bytes of the conversation as jsonb, uncompressed; `maxSessionBytes` limits them. */
      bytes: number;
    }
  : [Layout] extends ["rows"]
    ? unknown
    : { bytes?: number };

/** What every write returns. */
export interface Written {
  id: string;
  /** The session's revision after the write. */
  revision: string;
  updatedAt: Date;
}

/** A precondition of every write on an existing session. */
export interface IfRevision {
  /** Writes only if the session still has this revision; otherwise `conflict`, and nothing changes. */
  ifRevision?: string | undefined;
}

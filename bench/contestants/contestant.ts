import type { JourneyMessage } from "../../src/index.js";

/**
 * A way to store conversations. A workload without a method is not measured, and the tables show a dash.
 */
export interface Contestant {
  /** As the tables and plots show it. */
  readonly name: string;
  /**
   * ours: this package. floor: its own statements through the bare driver. published: the code of an
   * npm package. statements: what a design sends, written here.
   */
  readonly kind: "ours" | "floor" | "published" | "statements";
  /** One line: the version, or what is sent. */
  readonly about: string;
  /** The runs that it takes part in: direct, or through a transaction pooler. */
  readonly through?: "pooler";
  /** Messages in the longest session that it is measured with: beyond, a call takes seconds. */
  readonly longest?: number | undefined;
  /** Opens it on an empty database of its own, which it fills with its tables. */
  open(options: { url: string; connections: number }): Promise<Store>;
}

export interface Session {
  userId: string;
  /** A UUID. */
  id: string;
}

/** Each method returns what it wrote or read, so that the benchmark can check it. */
export interface Store {
  /** Creates a session with these messages, unmeasured. */
  seed(session: Session, messages: JourneyMessage[]): Promise<void>;
  /** The first message of a session that does not exist yet. */
  first?(session: Session, message: JourneyMessage): Promise<void>;
  /** The user's message is stored, then the assistant's. */
  turn?(session: Session, user: JourneyMessage, assistant: JourneyMessage): Promise<void>;
  /** One more message. */
  append?(session: Session, message: JourneyMessage): Promise<void>;
  /** An answer that is stored several times while it grows: the versions have one id. */
  grow?(session: Session, versions: JourneyMessage[]): Promise<void>;
  /** All messages. Returns their number. */
  open?(session: Session): Promise<number>;
  /** The last 20 messages, in conversation order. Returns their number. */
  last?(session: Session): Promise<number>;
  /** The user's 20 newest sessions, without messages if the design allows. Returns their number. */
  list?(userId: string): Promise<number>;
  /** The 20 sessions of the user that changed last, likewise. Returns their number. */
  updated?(userId: string): Promise<number>;
  /** Merges a key into the session's metadata. */
  merge?(session: Session, patch: Record<string, unknown>): Promise<void>;
  /** A new session with all the messages. */
  fork?(session: Session, newId: string): Promise<void>;
  /** The tables that hold the conversations, for sizes and the share of HOT updates. */
  readonly tables: readonly string[];
  close(): Promise<void>;
}

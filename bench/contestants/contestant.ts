import type { JourneyMessage } from "../../src/index.js";

/**
 * One way of keeping conversations, as the benchmark drives it. A workload that a contestant has no
 * method for is not measured of it, and the tables say so with a dash.
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
  /** In which of the runs it takes part: directly, or through a transaction pooler. */
  readonly through?: "pooler";
  /** Opens it on an empty database of its own, which it fills with its tables. */
  open(options: { url: string; connections: number }): Promise<Store>;
}

export interface Session {
  userId: string;
  /** A UUID. */
  id: string;
}

/** Each method answers what it wrote or read, so that the benchmark sees that it was done. */
export interface Store {
  /** Makes a session with these messages, outside any measurement. */
  seed(session: Session, messages: JourneyMessage[]): Promise<void>;
  /** The first message of a session that is not there yet. */
  first?(session: Session, message: JourneyMessage): Promise<void>;
  /** The user's message is stored, then the assistant's. */
  turn?(session: Session, user: JourneyMessage, assistant: JourneyMessage): Promise<void>;
  /** One message more; what the writers of the throughput runs do. */
  append?(session: Session, message: JourneyMessage): Promise<void>;
  /** All messages. Answers their number. */
  open?(session: Session): Promise<number>;
  /** The last 20 messages, in conversation order. Answers their number. */
  last?(session: Session): Promise<number>;
  /** The 20 newest sessions of the user, without messages where the design can. Answers their number. */
  list?(userId: string): Promise<number>;
  /** Merges a key into the session's metadata. */
  merge?(session: Session, patch: Record<string, unknown>): Promise<void>;
  /** A new session with all the messages. */
  fork?(session: Session, newId: string): Promise<void>;
  /** The tables that hold the conversations, for sizes and the share of HOT updates. */
  readonly tables: readonly string[];
  close(): Promise<void>;
}

/** What `bench/results.json` holds, and what the tables and plots are made from. */
export interface Results {
  /** ISO date. */
  made: string;
  /** What was run to get this. */
  command: string;
  quick: boolean;
  machine: { cpu: string; cores: number; memoryBytes: number; os: string };
  node: string;
  /** Of the packages under measurement, by name. */
  versions: Record<string, string>;
  servers: ServerResults[];
  coldStarts: ColdStart[];
}

export interface ServerResults {
  /** e.g. "PostgreSQL 18.4". */
  version: string;
  /** "npm" for the one that the benchmark brought along. */
  from: "npm" | "given";
  hasLz4: boolean;
  /** Every setting that is not the default. */
  settings: Record<string, string>;
  contestants: { name: string; kind: "ours" | "floor" | "published" | "statements"; about: string }[];
  calls: Call[];
  throughput: Throughput[];
  growth: Growth[];
  storage: StorageCost[];
  conversions: Conversion[];
}

/** One contestant at one workload. */
export interface Call {
  /** e.g. "turn". */
  workload: string;
  /**
   * Messages in the session before the call. For the list by creation, bytes a session; by last change, sessions.
   * Null where it has no size.
   */
  size: number | null;
  /** Kind of text: prose of about 2 kB a message, or tool results of 40 kB. */
  text: "prose" | "tool";
  contestant: string;
  /** Interleaved with every other contestant of the workload. */
  loopback: Times;
  /** The same with 10 ms a round trip between client and server. */
  delayed: Times | null;
  /** Measured one contestant at a time; null through a pooler or where the server is remote. */
  cost: Cost | null;
}

/** Milliseconds. */
export interface Times {
  calls: number;
  median: number;
  p5: number;
  p95: number;
}

/** Means over the calls of one contestant alone. */
export interface Cost {
  roundTrips: number;
  bytesSent: number;
  bytesReceived: number;
  walBytes: number;
  /** Shared buffers hit or read. */
  buffers: number;
  /** Of the server's backends, milliseconds. */
  serverCpu: number | null;
  heapBytes: number;
}

export interface Throughput {
  /** All on one session, each on its own, or all on one that grows to hundreds of messages. */
  sessions: "one" | "each" | "busy";
  writers: number;
  contestant: string;
  appendsPerSecond: number;
  /** Appends that were acknowledged and are not there. */
  lost: number;
  /** Appends that were refused (a conflict, a serialization failure). */
  refused: number;
}

/** What 1,000 appends leave behind. */
export interface Growth {
  contestant: string;
  appends: number;
  /** Of the updates, 0–1; null where the design makes none. */
  hotShare: number | null;
  before: Sizes;
  afterVacuum: Sizes;
}

/** Bytes. */
export interface Sizes {
  table: number;
  toast: number;
  indexes: number;
}

/** What one append costs by the way the server stores the document. */
export interface StorageCost {
  storage: "pglz" | "lz4" | "uncompressed";
  messages: number;
  loopback: Times;
  serverCpu: number | null;
  walBytes: number;
  /** Of the stored session. */
  bytes: number;
}

/** Sessions of one length, converted from one layout to the other. */
export interface Conversion {
  to: "rows" | "column";
  /** In each session. */
  messages: number;
  sessions: number;
  /** Of all conversations, as JSON text. */
  bytes: number;
  /** Of all sessions. */
  time: Times;
}

/** A new process: importing the package, then the first call on a server that is up. */
export interface ColdStart {
  name: string;
  importMs: Times;
  firstCallMs: Times;
  files: number;
  bytes: number;
}

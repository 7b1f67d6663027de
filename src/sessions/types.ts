import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import type { ListOrder } from "../queries/list.js";
import type { RequestOptions } from "../validation/options.js";

/** A session without its messages. Times are cut to the millisecond; `revision` is exact. */
export interface SessionSummary<Metadata = unknown, Phase extends string = string> {
  id: string;
  userId: string;
  phase: Phase;
  /** Any key may be absent: a session that `append` makes has none. */
  metadata: Partial<Metadata>;
  createdAt: Date;
  updatedAt: Date;
  /** Opaque; another one after every change of the session, and never the same again in its life. */
  revision: string;
}

/** A session with all its messages, in conversation order. */
export interface Session<Message = unknown, Metadata = unknown, Phase extends string = string>
  extends SessionSummary<Metadata, Phase> {
  messages: Message[];
}

/** What every write answers. */
export interface Written {
  id: string;
  /** The session's revision after the write. */
  revision: string;
  updatedAt: Date;
}

/** A precondition of every write on an existing session. */
export interface IfRevision {
  /** Writes only if the session still has this revision; else `conflict`, and nothing changes. */
  ifRevision?: string | undefined;
}

export interface AppendOptions extends IfRevision {
  /**
   * Makes the session where nobody has its id, in the same statement. For the user's first message
   * only: an answer that is stored after its session was deleted must not bring it back.
   * @default false
   */
  create?: boolean | undefined;
  /**
   * Appends only if, apart from the messages of this call, the stored conversation ends with this
   * message (null: is empty); else `conflict`. It is looked at before `from` drops anything.
   */
  after?: string | null | undefined;
  /** Drops this message and what follows it, then appends, in one step: edit and regenerate. */
  from?: string | undefined;
  /**
   * Refuses also, with `too_large`, where less than an eighth of `maxSessionBytes` (of 64 KiB, where that is less)
   * would be left: before a model is asked, whose answer must find room.
   * @default false
   */
  leaveRoom?: boolean | undefined;
}

export interface Appended extends Written {
  /** Whether this call made the session. */
  created: boolean;
  /** Messages in the conversation now. */
  messageCount: number;
  /** Bytes of the conversation as jsonb, uncompressed; `maxSessionBytes` bounds them. */
  bytes: number;
}

export interface ListOptions<Phase extends string = string> {
  /** Sessions a page, 1–100. @default 20 */
  limit?: number | undefined;
  /** `nextCursor` of the page before, for the same `orderBy`. */
  cursor?: string | undefined;
  /** Newest first by this time. `updated` sorts all of the owner's sessions for each page. @default "created" */
  orderBy?: ListOrder | undefined;
  /** Only sessions in this phase. */
  phase?: Phase | undefined;
}

/** Where a text was found. */
export interface SearchHit<Metadata = unknown, Phase extends string = string> {
  session: SessionSummary<Metadata, Phase>;
  /** The newest message of the session that has the text. */
  messageId: string;
  /**
   * The match as it was written, with up to 80 characters of the same part on either side. Where the
   * part goes on beyond those, there is an ellipsis (…).
   */
  excerpt: { before: string; match: string; after: string };
}

/** A change to metadata: a value replaces the key's, null removes the key. */
export type MetadataPatch<Metadata> = { [Key in keyof Metadata]?: Metadata[Key] | null };

/**
 * The sessions of one user. Every statement carries the owner: a session of somebody else and an
 * id that nobody has get the same answer.
 *
 * Each call is one SQL statement (export one for each batch), and throws JourneyDbError: besides the codes named below,
 * `invalid_input` before anything is sent, `corrupt` for a row that an older program left in
 * another shape, and `unavailable`, `timeout`, `configuration`, `migration` or `internal`.
 */
export interface UserSessions<Message, Metadata, Phase extends string> {
  /**
   * Adds messages at the end of the conversation; one whose id is already there replaces that one
   * in its place, so that a repeated call leaves the messages as they are.
   *
   * @example await sessions.append(id, message, { create: true }) // the first message makes the session
   * @throws not_found, conflict (`ifRevision`, `after`), too_large
   */
  append(id: string, messages: Message | readonly Message[], options?: AppendOptions): Promise<Appended>;

  /**
   * Makes a session, empty unless told otherwise, with a random id unless one is given. Repeat a
   * call that was interrupted only if it names its id.
   *
   * @throws conflict where the id is taken by anyone; too_large
   */
  create(session?: {
    id?: string | undefined;
    /** @default the first of `phases`, or "setup" */
    phase?: Phase | undefined;
    messages?: readonly Message[] | undefined;
    metadata?: Metadata | undefined;
  }): Promise<Session<Message, Metadata, Phase>>;

  /** The session with all its messages, or null. */
  get(id: string): Promise<Session<Message, Metadata, Phase> | null>;

  /**
   * One page of the conversation, in conversation order: the newest messages, or those just before
   * the message `before`. Ask for the page before with the id of this page's first message. What else
   * the session has comes along, as it was at the same moment.
   *
   * @param options `limit` 1–1000, by default 50
   * @throws not_found for the session or the message `before`
   */
  messages(
    id: string,
    options?: { limit?: number | undefined; before?: string | undefined },
  ): Promise<{
    session: SessionSummary<Metadata, Phase>;
    messages: Message[];
    hasMore: boolean;
    /** The session's. */
    revision: string;
  }>;

  /** The session that was created last, with all its messages, or null. */
  latest(): Promise<Session<Message, Metadata, Phase> | null>;

  /**
   * A page of sessions without their messages, newest first. No row is skipped or repeated while
   * others are added; ordered by update, one that is written to meanwhile moves to the front.
   */
  list(options?: ListOptions<Phase>): Promise<{
    sessions: SessionSummary<Metadata, Phase>[];
    /** Absent on the last page. */
    nextCursor?: string;
  }>;

  /** How many sessions the user has. */
  count(): Promise<number>;

  /**
   * Finds the text, taken literally and without regard to case, in text parts of the user's
   * messages: one hit a session, sessions newest created first. It is looked for within one part,
   * in messages whose id is a text; upper and lower case are paired as the database's collation
   * pairs them.
   *
   * No index helps: the conversations are read from the newest session on until `limit` of them have
   * the text, all of them where it is rare. That took about 10 ms a megabyte of prose.
   *
   * @param text 1–1000 characters
   * @param options `limit`: sessions, 1–100, by default 20
   * @example
   * for (const { session, messageId, excerpt } of await sessions.search("invoice")) …
   */
  search(text: string, options?: { limit?: number | undefined }): Promise<SearchHit<Metadata, Phase>[]>;

  /**
   * All sessions with all their messages, oldest created first, in memory that does not grow with
   * their number: about a megabyte is read at a time, or one session that is larger.
   *
   * A session that is there from beginning to end comes exactly once, whole, as it was at one moment,
   * each batch at its own. One that is made or deleted meanwhile may come or not. Each batch is one
   * statement with the handle's deadline; each `for await` begins anew.
   *
   * @example for await (const session of sessions.export()) file.write(`${JSON.stringify(session)}\n`);
   * @throws corrupt after all others have come, if sessions had to be left out
   */
  export(): AsyncIterable<Session<Message, Metadata, Phase>>;

  /**
   * @param options `from`: only if the session is in this phase
   * @throws not_found, conflict
   */
  setPhase(id: string, phase: Phase, options?: IfRevision & { from?: Phase | undefined }): Promise<Written>;

  /**
   * Merges top-level keys into the metadata; null removes a key.
   *
   * @param options `ifMatch`: only if each of its keys equals the stored value, null meaning absent
   * @throws not_found, conflict, too_large
   */
  mergeMetadata(
    id: string,
    patch: MetadataPatch<Metadata>,
    options?: IfRevision & { ifMatch?: MetadataPatch<Metadata> | undefined },
  ): Promise<Written & { metadata: Partial<Metadata> }>;

  /** Puts these messages in place of all others. @throws not_found, conflict, too_large */
  replaceMessages(
    id: string,
    messages: readonly Message[],
    options?: IfRevision,
  ): Promise<Written & { messageCount: number; bytes: number }>;

  /** Drops the message `from` and what follows it. @throws not_found for the session or the message, conflict */
  truncate(id: string, options: IfRevision & { from: string }): Promise<Written & { messageCount: number }>;

  /**
   * Copies phase, metadata and messages into a new session of the same user.
   *
   * @param options `through`: the last message to copy, by default all; `id`: of the new session
   * @throws not_found for the session or the message, conflict where the new id is taken by anyone
   */
  fork(
    id: string,
    options?: { through?: string | undefined; id?: string | undefined },
  ): Promise<Session<Message, Metadata, Phase>>;

  /** Deletes the session; false where there was none. @throws conflict (`ifRevision`) */
  delete(id: string, options?: IfRevision): Promise<boolean>;

  /** Deletes all of the user's sessions and answers their number: account erasure. */
  deleteAll(): Promise<number>;
}

/** What each call takes. */
const TAKES: Record<keyof UserSessions<unknown, unknown, string>, readonly string[]> = {
  append: ["id", "messages", "options"],
  create: ["session"],
  get: ["id"],
  messages: ["id", "options"],
  latest: [],
  list: ["options"],
  count: [],
  search: ["text", "options"],
  export: [],
  setPhase: ["id", "phase", "options"],
  mergeMetadata: ["id", "patch", "options"],
  replaceMessages: ["id", "messages", "options"],
  truncate: ["id", "options"],
  fork: ["id", "options"],
  delete: ["id", "options"],
  deleteAll: [],
};

/**
 * An argument that would be ignored means something to whoever passed it, such as a dry run.
 *
 * @throws JourneyDbError invalid_input
 */
export function refuseMore(name: keyof typeof TAKES, args: readonly unknown[]): void {
  const takes = TAKES[name];
  if (args.slice(takes.length).every((one) => one === undefined)) return;
  const more = takes.includes("options") ? "nothing more" : "no options";
  throw new JourneyDbError("invalid_input", `${name}(${takes.join(", ")}) takes ${more}; nothing was sent.`);
}

export const heldByAnother = Symbol("heldByAnother");

/**
 * What a handle has besides, for the chat alone: whether another user has the session. Its calls answer the same
 * then as where nobody has it, and an answer must not be lost in silence because its session was transferred. It
 * tells no more than `create` does, which refuses an id that is taken by anyone.
 */
export interface Witness {
  [heldByAnother]?(id: string): Promise<boolean>;
}

/** The door to the rows, with the application's own types. */
export interface Journey<Message, Metadata, Phase extends string> {
  /**
   * The sessions of one user. A handle is cheap: make one a request.
   *
   * @param db a Drizzle PostgreSQL database or transaction
   * @param userId the owner: 1–255 characters, equal to its own `trim()`
   * @throws JourneyDbError invalid_input for a user id that is not usable
   */
  forUser(db: Database, userId: string, options?: RequestOptions): UserSessions<Message, Metadata, Phase>;
}

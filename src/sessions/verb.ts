import type { Layout, OfTable } from "../queries/layout.js";
import type { Statement, Values } from "../queries/statement.js";
import type { Write } from "../queries/write.js";
import type { Arguments } from "../validation/arguments.js";
import type { Changes } from "./changes.js";
import type { ReplyStatus } from "./replies.js";

/** The values of a statement without the owner, which the handle adds. */
export type Sent = Omit<Values, "userId">;

/** A session's revision, and the state of its reply if there is one. */
export type WatchedRow = { revision: string } & (ReplyStatus | { [Name in keyof ReplyStatus]?: null });

/** The handle of one user, as a verb sees it. */
export interface Handle extends Arguments {
  /** How the sessions keep their messages. */
  readonly layout: Layout;
  /** Sends one statement with the owner, and returns its rows. */
  send<Row>(statement: OfTable<Statement<Row>>, values?: Sent): Promise<Row[]>;
  /**
   * Sends a write and returns its rows. If it wrote nothing, one more query finds out why.
   *
   * A write to messages in rows may find that they are in the column, and moves them first, unless `moves` is
   * false; what cannot be moved is written to in the column. If others wrote at the same moment, it is sent again.
   *
   * @param writeOf the write, of the handle's layout or of the column's
   * @throws JourneyDbError for the reason found
   */
  change<Row>(
    writeOf: (layout: Layout) => OfTable<Write<Row>>,
    values: Sent,
    moves?: boolean,
  ): Promise<[Row, ...Row[]]>;
  /** Sends a part of a call with a deadline of its own, such as one batch of a stream. */
  withinDeadline<T>(send: () => Promise<T>): Promise<T>;
  readonly signal: AbortSignal | undefined;
  /** The statement of `watch`. */
  readonly watched: OfTable<Statement<WatchedRow>>;
  /**
   * Begins to wait for changes of a session, or also of its reply.
   *
   * @param isHeld whether the caller holds a place among those that wait
   * @throws JourneyDbError unavailable if too many wait
   */
  changes(id: string, of: "session" | "reply", isHeld?: boolean): Changes;
}

/** A method of a handle. `Call` is its public type; `run` gets the unchecked arguments. */
export interface Verb<Call extends (...args: never[]) => unknown> {
  /** The names of its arguments. More arguments are refused. */
  readonly takes: readonly string[];
  /** Whether a call with these options may be repeated without harm. */
  readonly isRepeatable: (options: Record<string, unknown>) => boolean;
  /** Whether it deletes sessions: a constraint error then comes from the application's own tables. */
  readonly deletes?: true;
  /** Whether `run` returns an async iterable. Each of its batches has the handle's deadline. */
  readonly isStream?: true;
  run(handle: Handle, ...args: unknown[]): ReturnType<Call>;
}

/** Repeating the call leaves one copy of everything. */
export const always = () => true;

/** Repeating the call may create a second session, fail because the first call succeeded, or undo a write of others. */
export const never = () => false;

/** Only without these options: preconditions that no longer hold after the call. */
export const without =
  (...names: string[]) =>
  (options: Record<string, unknown>) =>
    names.every((name) => options[name] === undefined);

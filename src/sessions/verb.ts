import type { Statement, Values } from "../queries/statement.js";
import type { Write } from "../queries/write.js";
import type { Arguments } from "../validation/arguments.js";

/** What a statement is filled with; the handle adds the owner. */
export type Sent = Omit<Values, "userId">;

/** What a verb works with: the handle of one user. */
export interface Handle extends Arguments {
  /** Sends one statement with the owner, and returns its rows. */
  send<Row>(statement: Statement<Row>, values?: Sent): Promise<Row[]>;
  /**
   * Sends a write, and returns its one row. Where it wrote nothing, one more read tells why.
   *
   * @throws JourneyDbError for what the read says
   */
  change<Row>(write: Write<Row>, values: Sent): Promise<Row>;
  /** Sends one batch of a stream, with the handle's deadline. */
  batch<T>(send: () => Promise<T>): Promise<T>;
  readonly signal: AbortSignal | undefined;
}

/** A method of a handle. `Call` is its public type; its arguments are what a user passed, not checked yet. */
export interface Verb<Call extends (...args: never[]) => unknown> {
  /** The names of its arguments. What is passed beyond them is refused. */
  readonly takes: readonly string[];
  /** Whether the same call may be sent again without harm, by the options that it was made with. */
  readonly isRepeatable: (options: Record<string, unknown>) => boolean;
  /** Whether it deletes sessions, which no constraint of their own rows can refuse. */
  readonly deletes?: true;
  /** Whether `run` returns an iterable, each batch of which has the handle's deadline. */
  readonly isStream?: true;
  run(handle: Handle, ...args: unknown[]): ReturnType<Call>;
}

/** A repetition leaves one copy of everything. */
export const always = () => true;

/** A repetition creates a second session, fails because the first one succeeded, or undoes what others wrote. */
export const never = () => false;

/** Not with one of these: a precondition that the call itself ends makes a repetition fail. */
export const without =
  (...names: string[]) =>
  (options: Record<string, unknown>) =>
    names.every((name) => options[name] === undefined);

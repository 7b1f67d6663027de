import { fromDriver, JourneyDbError } from "./errors.js";

/** How long one call may take, and what it may be told to stop by. */
export interface Deadline {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `send` until it ends, the time is up or the signal is aborted, and translates whatever the
 * driver throws. The caller is freed at once; the server's own statement timeout frees the
 * connection, since a statement that was sent cannot be taken back on every driver.
 *
 * @param repeatable whether sending the call twice does no harm
 */
async function within<T>(deadline: Deadline, repeatable: boolean, send: () => Promise<T>): Promise<T> {
  const { timeoutMs, signal } = deadline;
  if (signal?.aborted) {
    throw new JourneyDbError("timeout", "The signal was already aborted; nothing was sent.", {
      retryable: true,
    });
  }
  const tooLate = (what: string) =>
    new JourneyDbError("timeout", `${what}; whether the call took effect is unknown.`, {
      retryable: repeatable,
    });
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    const onAbort = () => reject(tooLate("The signal was aborted"));
    const timer = setTimeout(() => reject(tooLate(`No answer within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
  });
  try {
    return await Promise.race([send(), stopped]);
  } catch (error) {
    throw fromDriver(error, repeatable);
  } finally {
    stop();
  }
}

/** A repetition of these makes a second session, or fails because of the first one's success. */
const NEVER_REPEATABLE = new Set(["create", "fork", "truncate"]);
const NOT_REPEATABLE_WITH = ["from", "ifMatch", "ifRevision"];

/** The third argument of a write holds its preconditions: one that the call itself ends makes a repetition fail. */
const isRepeatable = (name: string, args: readonly unknown[]): boolean => {
  const options = (args[2] ?? {}) as Record<string, unknown>;
  return !NEVER_REPEATABLE.has(name) && NOT_REPEATABLE_WITH.every((option) => options[option] === undefined);
};

/** The same methods, each within the deadline. */
export function bounded<Calls extends object>(calls: Calls, deadline: Deadline): Calls {
  const bound = Object.entries(calls).map(([name, call]) => [
    name,
    async (...args: unknown[]) => within(deadline, isRepeatable(name, args), () => call(...args)),
  ]);
  return Object.fromEntries(bound);
}

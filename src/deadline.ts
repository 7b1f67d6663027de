import { fromDriver, JourneyDbError } from "./errors.js";
import { DriverFailure } from "./queries/statement.js";

/** How long one call may take, and what it may be told to stop by. */
export interface Deadline {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** A repetition of these makes a second session, fails because of the first one's success, or undoes what others wrote. */
const NEVER_REPEATABLE = new Set(["create", "fork", "truncate", "replaceMessages"]);
const NOT_REPEATABLE_WITH = ["from", "ifMatch", "ifRevision"];

/** The third argument of a write holds its preconditions: one that the call itself ends makes a repetition fail. */
const isRepeatable = (name: string, args: readonly unknown[]): boolean => {
  const options = (args[2] ?? {}) as Record<string, unknown>;
  return !NEVER_REPEATABLE.has(name) && NOT_REPEATABLE_WITH.every((option) => options[option] === undefined);
};

/**
 * The same methods, each ending by itself, when the time is up or when the signal is aborted, and
 * throwing nothing but JourneyDbError. The caller is freed at once; the server's own statement
 * timeout frees the connection, since a statement that was sent cannot be taken back on every driver.
 */
export function bounded<Calls extends object>(calls: Calls, deadline: Deadline): Calls {
  const bound: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(calls)) {
    bound[name] = (...args: unknown[]) => within(deadline, name, args, call);
  }
  return bound as Calls;
}

/** @param name of the method that is called with `args`, which decide whether it may be repeated */
export async function within<T>(
  { timeoutMs, signal }: Deadline,
  name: string,
  args: unknown[],
  call: (...args: unknown[]) => Promise<T>,
): Promise<T> {
  let repeatable = false;
  let stop = () => {};
  try {
    repeatable = isRepeatable(name, args);
    if (signal?.aborted) {
      throw new JourneyDbError("timeout", "The signal was already aborted; nothing was sent.", {
        retryable: true,
      });
    }
    return await new Promise<T>((resolve, reject) => {
      const tooLate = (what: string) =>
        reject(
          new JourneyDbError("timeout", `${what}; whether the call takes effect is unknown.`, {
            retryable: repeatable,
          }),
        );
      const onAbort = () => tooLate("The signal was aborted");
      const timer = setTimeout(() => tooLate(`No answer within ${timeoutMs} ms`), timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      stop = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      call(...args).then(resolve, reject);
    });
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    if (error instanceof DriverFailure) throw fromDriver(error.thrown, repeatable);
    // A getter, a Proxy or a schema of the caller's.
    throw new JourneyDbError("invalid_input", "The arguments threw an error while they were read.");
  } finally {
    stop();
  }
}

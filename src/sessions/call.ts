import { type CallEnd, callWith } from "../model/call-end.js";
import { fromDriver, JourneyDbError } from "../model/errors.js";
import { DriverFailure } from "../queries/statement.js";

/** How long one call may take, and what it may be told to stop by. */
export interface Deadline {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** A repetition of these makes a second session, fails because of the first one's success, or undoes what others wrote. */
const NEVER_REPEATABLE = new Set(["create", "fork", "truncate", "replaceMessages"]);
const NOT_REPEATABLE_WITH = ["from", "ifMatch", "ifRevision"];

/** The calls and jobs whose statement deletes sessions. */
const DELETES = new Set(["delete", "deleteAll", "admin_delete_due"]);

/** The third argument of a write holds its preconditions: one that the call itself ends makes a repetition fail. */
const isRepeatable = (name: string, args: readonly unknown[]): boolean => {
  const options = (args[2] ?? {}) as Record<string, unknown>;
  return !NEVER_REPEATABLE.has(name) && NOT_REPEATABLE_WITH.every((option) => options[option] === undefined);
};

/**
 * The same methods, each ending by itself, when the time is up or when the signal is aborted, and
 * throwing nothing but JourneyDbError. The caller is freed at once; the connection is by cancelling the
 * statement where it is connect()'s, and by the server's own statement timeout elsewhere.
 *
 * @param check refuses arguments before anything is sent
 */
export function bounded<Calls extends object>(
  calls: Calls,
  deadline: Deadline,
  check: (name: keyof Calls, args: readonly unknown[]) => void,
): Calls {
  const bound: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(calls)) {
    const checked = (...args: unknown[]) => {
      check(name as keyof Calls, args);
      return call(...args);
    };
    bound[name] = (...args: unknown[]) => within(deadline, name, args, checked);
  }
  return bound as Calls;
}

/** What each signal ends, behind one listener: Node takes more than ten for a leak. */
const ends = new WeakMap<AbortSignal, { calls: Set<() => void>; listener: () => void }>();

/** @returns what takes it back */
function whenAborted(signal: AbortSignal, end: () => void): () => void {
  let known = ends.get(signal);
  if (!known) {
    const calls = new Set<() => void>();
    known = { calls, listener: () => calls.forEach((endCall) => void endCall()) };
    ends.set(signal, known);
  }
  const { calls, listener } = known;
  // Adds it once, however often it is called.
  signal.addEventListener("abort", listener);
  calls.add(end);
  return () => {
    calls.delete(end);
    if (calls.size === 0) signal.removeEventListener("abort", listener);
  };
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
    const callEnd: CallEnd = { ended: false };
    return await new Promise<T>((resolve, reject) => {
      const end = (reason: string) => {
        const message = `${reason}; whether the call takes effect is unknown.`;
        reject(new JourneyDbError("timeout", message, { retryable: repeatable }));
        callEnd.ended = true;
        callEnd.onEnd?.();
      };
      const timer = setTimeout(() => end(`No answer within ${timeoutMs} ms`), timeoutMs);
      const forget = signal && whenAborted(signal, () => end("The signal was aborted"));
      stop = () => {
        clearTimeout(timer);
        forget?.();
      };
      callWith(callEnd, () => call(...args)).then(resolve, reject);
    });
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    if (error instanceof DriverFailure) throw fromDriver(error.thrown, repeatable, DELETES.has(name));
    // A getter, a Proxy or a schema of the caller's.
    throw new JourneyDbError("invalid_input", "The arguments threw an error while they were read.");
  } finally {
    stop();
  }
}

import { type CallEnd, callWith } from "../model/call-end.js";
import { fromDriver } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { DriverFailure } from "../queries/statement.js";

/** How long one call may take, and what may stop it. */
export interface Deadline {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Properties of a call that its error depends on. */
export interface Kind {
  /** Whether the same call may be sent again without harm. */
  isRepeatable(): boolean;
  /** Whether it deletes sessions. */
  deletes?: true | undefined;
  /** The name of its table. */
  table: string;
}

/** The calls that each signal ends, with one listener per signal: Node warns of a leak at more than ten. */
const ends = new WeakMap<AbortSignal, { calls: Set<() => void>; listener: () => void }>();

/** @returns a function that unregisters `end` */
function whenAborted(signal: AbortSignal, end: () => void): () => void {
  let known = ends.get(signal);
  if (!known) {
    const calls = new Set<() => void>();
    known = { calls, listener: () => calls.forEach((endCall) => void endCall()) };
    ends.set(signal, known);
  }
  const { calls, listener } = known;
  // Adding the same listener again has no effect.
  signal.addEventListener("abort", listener);
  calls.add(end);
  return () => {
    calls.delete(end);
    if (calls.size === 0) signal.removeEventListener("abort", listener);
  };
}

/**
 * Makes a call that rejects at its deadline or when the signal is aborted, and throws only JourneyDbError.
 * The caller does not wait for the statement: a connection of connect() cancels it, and any other stays busy
 * until the server's own statement timeout.
 */
export async function within<T>(
  { timeoutMs, signal }: Deadline,
  kind: Kind,
  call: () => Promise<T>,
): Promise<T> {
  let repeatable = false;
  let stop = () => {};
  try {
    repeatable = kind.isRepeatable();
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
      callWith(callEnd, call).then(resolve, reject);
    });
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    if (error instanceof DriverFailure) throw fromDriver(error.thrown, repeatable, kind);
    // Thrown by a getter, a Proxy or a schema of the caller.
    throw new JourneyDbError("invalid_input", "Reading the arguments threw an error.");
  } finally {
    stop();
  }
}

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
export async function within<T>(deadline: Deadline, repeatable: boolean, send: () => Promise<T>): Promise<T> {
  const { timeoutMs, signal } = deadline;
  if (signal?.aborted) {
    throw new JourneyDbError("timeout", "The signal was already aborted; nothing was sent.", { retryable: true });
  }
  const tooLate = (what: string) =>
    new JourneyDbError("timeout", `${what}; whether the call took effect is unknown.`, { retryable: repeatable });
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

let current: AbortSignal | undefined;

/** What ends the call that is being made right now; undefined outside of one, and after its first `await`. */
export const signalOfCall = (): AbortSignal | undefined => current;

/**
 * Makes a call that `signal` ends. Drizzle has no way to hand a signal to the driver, and everything
 * from here to the driver runs before the first `await`.
 */
export function callWith<T>(signal: AbortSignal, call: () => T): T {
  const outer = current;
  current = signal;
  try {
    return call();
  } finally {
    current = outer;
  }
}

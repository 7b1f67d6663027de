/**
 * How a call is told that nobody waits for it any more. As light as it can be, since each call has one: an
 * AbortController costs a tenth of a call on loopback.
 */
export interface CallEnd {
  ended: boolean;
  /** What is to be done then, by whoever is at it. */
  onEnd?: (() => void) | undefined;
}

let current: CallEnd | undefined;

/** Of the call that is being made right now; undefined outside of one, and after an `await`. */
export const endOfCall = (): CallEnd | undefined => current;

/**
 * Makes a call, or a later part of one, that can be ended. Drizzle has no way to hand this on to the driver,
 * and everything from here to the driver runs before the first `await`.
 */
export function callWith<T>(end: CallEnd | undefined, call: () => T): T {
  const outer = current;
  current = end;
  try {
    return call();
  } finally {
    current = outer;
  }
}

/**
 * Tells a call that its caller no longer waits. Each call has one; an AbortController would add a tenth to the time of a
 * call on loopback.
 */
export interface CallEnd {
  ended: boolean;
  /** Set by the code that is working on the call. */
  onEnd?: (() => void) | undefined;
}

let current: CallEnd | undefined;

/** The end of the call that is being made; undefined outside of a call and after an `await`. */
export const endOfCall = (): CallEnd | undefined => current;

/**
 * Makes a call, or a later part of one, whose code gets `end` from `endOfCall`. Drizzle cannot pass it to the driver as
 * an argument; the driver is reached before the first `await`.
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

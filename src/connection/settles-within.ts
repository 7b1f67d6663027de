import { setTimeout as delay } from "node:timers/promises";

/** Waits at most `timeoutMs` for a promise that does not reject. Returns whether it resolved in time. */
export async function settlesWithin(timeoutMs: number, promise: Promise<unknown>): Promise<boolean> {
  const inTime = new AbortController();
  const late = delay(timeoutMs, false, { signal: inTime.signal }).catch(() => false);
  const settled = await Promise.race([promise.then(() => true), late]);
  inTime.abort();
  return settled;
}

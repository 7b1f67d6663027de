/**
 * Repeats a call until it succeeds.
 *
 * @param attempt called with the number of the attempt, from 1
 * @param pauseAfter returns milliseconds until the next attempt; undefined throws the error
 */
export async function retry<T>(
  attempt: (n: number) => Promise<T>,
  pauseAfter: (error: unknown, n: number) => number | undefined,
): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await attempt(n);
    } catch (error) {
      const milliseconds = pauseAfter(error, n);
      if (milliseconds === undefined) throw error;
      await new Promise((done) => setTimeout(done, milliseconds));
    }
  }
}

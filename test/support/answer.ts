/** What a call answers: of an iterable, all that it gives. */
export async function answerOf(called: unknown): Promise<unknown> {
  if (typeof called !== "object" || called === null || !(Symbol.asyncIterator in called)) return called;
  return all(called as AsyncIterable<unknown>);
}

/** The first thing that an iterable gives, if any: some never end. */
export async function first<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  for await (const one of iterable) return [one];
  return [];
}

/** Everything that an iterable gives. */
export async function all<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const given: T[] = [];
  for await (const one of iterable) given.push(one);
  return given;
}

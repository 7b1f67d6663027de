import type { Times } from "./results.js";

/** One contestant in a loop. */
export interface Runner<Material> {
  readonly name: string;
  /** Prepares the call, untimed, and returns it. */
  prepare(material: Material): Promise<() => Promise<void>>;
}

export interface Rounds {
  /** At most. */
  rounds: number;
  /** However long they take. */
  atLeast: number;
  /** Milliseconds. After two calls, a contestant that has taken a quarter of it is left out of further rounds. */
  budgetMs: number;
}

export type Samples = Map<string, number[]>;

export const elapsedMs = (since: bigint) => Number(process.hrtime.bigint() - since) / 1e6;

/** A different one is first each time, and every other round is reversed, so that none always follows the same one. */
export function orderOf<T>(items: readonly T[], round: number): T[] {
  const first = round % items.length;
  const order = [...items.slice(first), ...items.slice(0, first)];
  return round % 2 === 0 ? order : order.reverse();
}

/** One call of each in turn. Returns milliseconds by name. */
async function round<Material>(
  runners: readonly Runner<Material>[],
  material: Material,
  n: number,
  distance: { begin(): void; end(): void },
): Promise<[name: string, ms: number][]> {
  const calls = await Promise.all(
    runners.map(async (runner) => ({ name: runner.name, call: await runner.prepare(material) })),
  );
  // Collects the garbage of the preparation before the call.
  globalThis.gc?.({ type: "minor" });
  const times: [string, number][] = [];
  distance.begin();
  for (const { name, call } of orderOf(calls, n)) {
    const start = process.hrtime.bigint();
    await call();
    times.push([name, elapsedMs(start)]);
  }
  distance.end();
  return times;
}

/**
 * Calls all contestants in turn, with the same data in each round, so that disturbances of the machine affect
 * all of them alike. Returns milliseconds by name.
 *
 * @param draw creates the data of a round
 * @param distance called around the calls of each round, not around their preparation
 */
export async function interleaved<Material>(
  runners: readonly Runner<Material>[],
  draw: () => Material,
  { rounds, atLeast, budgetMs }: Rounds,
  distance = { begin() {}, end() {} },
): Promise<Samples> {
  const times: Samples = new Map(runners.map(({ name }) => [name, []]));
  const of = (name: string) => times.get(name) as number[];
  const goesOn = ({ name }: { name: string }) =>
    of(name).length < Math.min(2, atLeast) || of(name).reduce((sum, ms) => sum + ms, 0) < budgetMs / 4;
  const start = process.hrtime.bigint();
  for (let n = 0; n < rounds && (n < atLeast || elapsedMs(start) < budgetMs); n++) {
    for (const [name, ms] of await round(runners.filter(goesOn), draw(), n, distance)) of(name).push(ms);
  }
  return times;
}

export function summary(samples: readonly number[]): Times {
  const sorted = samples.toSorted((a, b) => a - b);
  /** Interpolates between two values. */
  const at = (share: number) => {
    const place = (sorted.length - 1) * share;
    const below = sorted[Math.floor(place)] ?? Number.NaN;
    const above = sorted[Math.ceil(place)] ?? below;
    return below + (above - below) * (place - Math.floor(place));
  };
  return { calls: sorted.length, median: at(0.5), p5: at(0.05), p95: at(0.95) };
}

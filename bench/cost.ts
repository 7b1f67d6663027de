import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { GCProfiler, getHeapStatistics } from "node:v8";
import type { Store } from "./contestants/contestant.js";
import type { Entrant } from "./entrant.js";
import type { Traffic } from "./proxy.js";
import type { Cost } from "./results.js";
import type { BenchServer } from "./server.js";

type Call = () => Promise<void>;

/** A contestant whose calls are counted. */
export interface Costed {
  entrant: Entrant;
  /** Milliseconds that a call takes. */
  median: number;
  prepare(): Promise<Call>;
  /** Whether it makes a session. */
  prepareSeeds: boolean;
  /** On the database behind the proxy. */
  prepareDistant(): Promise<Call>;
  /** Seeds something that no call reads. */
  seedOther(store: Store): Promise<void>;
}

/** Milliseconds for the calls of one contestant. */
const BUDGET = { full: 600, quick: 60 };
/** Milliseconds; PGSTAT_MIN_INTERVAL of PostgreSQL is 1000. */
const SILENCE = 1100;
const COUNTED_ON_THE_WAY = 3;
/** Milliseconds. Of longer calls, only one is counted. */
const SLOW = 100;

/**
 * The cost of the calls of one contestant; nothing if the server's processes are on another machine.
 *
 * A backend reports the buffers that it read at the end of a transaction, at most once per second. So two
 * calls, each after more than a second of silence, mark the beginning and the end: the reports between them
 * cover the calls between them and one of the two.
 *
 * @param seeded when sessions were made last, before those of `prepare`
 * @param meanwhile what is done by way of the proxies during the two silences
 */
export async function costs(
  all: readonly Costed[],
  server: BenchServer,
  quick: boolean,
  seeded: number,
  [beforeOpening, beforeClosing]: [() => Promise<void>, () => Promise<void>],
): Promise<Map<string, Cost>> {
  const costed = server.isLocal ? all.filter(({ entrant }) => !entrant.contestant.through) : [];
  const ready = await Promise.all(
    costed.map(async (one) => {
      const [opening, closing, ...calls] = await prepared(countOf(one, quick) + 2, one.prepare);
      return { ...one, opening: opening as Call, closing: closing as Call, calls };
    }),
  );
  const silence = async (since: number, meanwhile?: () => Promise<void>) => {
    await meanwhile?.();
    if (costed.length > 0) await delay(Math.max(0, since + SILENCE - performance.now()));
  };
  const setAutovacuum = (on: boolean) =>
    Promise.all([server, ...all.map(({ entrant }) => entrant)].map((one) => one.setAutovacuum(on)));
  await setAutovacuum(false);
  // A contestant that seeds on another connection makes that one report now.
  await silence(costed.some(({ prepareSeeds }) => prepareSeeds) ? performance.now() : seeded);
  for (const { entrant, seedOther } of ready) await seedOther(entrant.direct);
  await silence(performance.now(), beforeOpening);
  const begun = [];
  for (const one of ready) {
    await one.opening();
    const buffers = await buffersOf(server, one.entrant);
    const spent = await spentBy(server, one.entrant.database.name, one.calls);
    begun.push({ ...one, buffers, spent });
  }
  await silence(performance.now(), beforeClosing);
  const costs = new Map<string, Cost>();
  for (const { entrant, closing, calls, buffers, spent, ...one } of begun) {
    await closing();
    costs.set(entrant.contestant.name, {
      ...(await trafficOf(entrant, one)),
      ...spent,
      buffers: ((await buffersOf(server, entrant)) - buffers) / (calls.length + 1),
    });
  }
  await setAutovacuum(true);
  return costs;
}

const countOf = ({ median }: Costed, quick: boolean): number =>
  Math.min(Math.max(Math.ceil(BUDGET[quick ? "quick" : "full"] / median), 1), quick ? 5 : 20);

async function prepared(count: number, prepare: () => Promise<Call>): Promise<Call[]> {
  const calls: Call[] = [];
  for (let n = 0; n < count; n++) calls.push(await prepare());
  return calls;
}

async function trafficOf(
  { proxy }: Entrant,
  { median, prepareDistant }: Pick<Costed, "median" | "prepareDistant">,
): Promise<Traffic> {
  const calls = await prepared(median > SLOW ? 1 : COUNTED_ON_THE_WAY, prepareDistant);
  const before = proxy.traffic();
  for (const call of calls) await call();
  const after = proxy.traffic();
  const mean = (name: keyof Traffic) => (after[name] - before[name]) / calls.length;
  return {
    roundTrips: mean("roundTrips"),
    bytesSent: mean("bytesSent"),
    bytesReceived: mean("bytesReceived"),
  };
}

/** Means over sequential calls on an otherwise idle server. */
export async function spentBy(server: BenchServer, database: string, calls: readonly Call[]) {
  const backends = await backendsOf(server, database);
  const [wal] = await server.admin<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
  globalThis.gc?.({ type: "minor" });
  const profiler = new GCProfiler();
  profiler.start();
  const heap = getHeapStatistics().used_heap_size;
  const cpu = cpuOf(backends, database);
  for (const call of calls) await call();
  const heapAfter = getHeapStatistics().used_heap_size;
  const freed = (profiler.stop()?.statistics ?? []).map(
    ({ beforeGC, afterGC }) => beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize,
  );
  const cpuAfter = cpuOf(backends, database);
  const [written] = await server.admin<{ bytes: number }[]>`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), ${wal?.lsn ?? null}::text::pg_lsn)::float8 as bytes`;
  const mean = (total: number) => total / calls.length;
  return {
    walBytes: mean(written?.bytes ?? Number.NaN),
    serverCpu: cpu === null || cpuAfter === null ? null : mean(cpuAfter - cpu),
    heapBytes: mean(heapAfter - heap + freed.reduce((sum, bytes) => sum + bytes, 0)),
  };
}

/**
 * Shared buffers of the tables that were hit or read so far, as reported by the backends. Not of the whole
 * database, since autovacuum reads its catalogs.
 */
async function buffersOf(server: BenchServer, { database }: Entrant): Promise<number> {
  const [told] = await server.on(
    database.url,
    (sql) => sql<{ buffers: number }[]>`
      select sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)
        + coalesce(toast_blks_hit + toast_blks_read + tidx_blks_hit + tidx_blks_read, 0))::float8 as buffers
      from pg_statio_user_tables`,
  );
  return told?.buffers ?? Number.NaN;
}

async function backendsOf({ admin }: BenchServer, database: string): Promise<number[]> {
  const backends = await admin<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = ${database} and backend_type = 'client backend'`;
  return backends.map(({ pid }) => pid);
}

/** CPU milliseconds of these backends so far; null where Linux does not report them, as for a container. */
function cpuOf(backends: readonly number[], database: string): number | null {
  try {
    const spent = backends.map((pid) => {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(database))
        throw new Error("another process");
      return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
    });
    return spent.reduce((sum, one) => sum + one, 0);
  } catch {
    return null;
  }
}

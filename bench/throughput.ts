import type { Contestant, Session, Store } from "./contestants/contestant.js";
import { elapsedMs, orderOf, summary } from "./measure.js";
import type { Throughput } from "./results.js";
import { type BenchServer, drop, MOST_CONNECTIONS, wayTo } from "./server.js";
import type { Texts } from "./texts.js";
import { newSession } from "./workloads.js";

/** In every session before. */
const SEEDED = 20;
/** Appends on each connection. Servers choose the plan of a prepared statement at its sixth call. */
const WARM_UP = 8;

/** Milliseconds after which no writer starts another append. */
const MOST_TIME = 1000;

interface Extent {
  rounds: number;
  writers: number[];
  /**
   * That every session is given, by one writer or by all together. A number for each writer would let a
   * session with many of them grow longer, and that would look like their contention.
   */
  appends: number;
  /** Sessions that all writers are sent to, one after another, to have some time to measure. */
  commonSessions: number;
  /** Of each of the most writers, on one session that grows by all of them. */
  busyAppends: number;
}

const FULL: Extent = {
  rounds: 3,
  writers: [1, 2, 4, 8, 16, MOST_CONNECTIONS],
  appends: 32,
  commonSessions: 4,
  busyAppends: 25,
};
const QUICK: Extent = { rounds: 1, writers: [1, 4], appends: 12, commonSessions: 2, busyAppends: 5 };

interface Run {
  milliseconds: number;
  acknowledged: number;
  refused: number;
  lost: number;
}

/** Appends per second of many concurrent writers; contestants in turn, in several rounds. */
export async function throughput(
  contestants: readonly Contestant[],
  server: BenchServer,
  texts: Texts,
  quick: boolean,
): Promise<Throughput[]> {
  const extent = quick ? QUICK : FULL;
  const connections = Math.max(...extent.writers);
  const runs = new Map<
    string,
    { of: Omit<Throughput, "appendsPerSecond" | "lost" | "refused">; runs: Run[] }
  >();
  for (let round = 0; round < extent.rounds; round++) {
    for (const contestant of orderOf(contestants, round)) {
      await withStore(contestant, server, connections, async (store) => {
        // Opens every connection and prepares its statements.
        await onSessionsOfTheirOwn(store, connections, WARM_UP, texts);
        for (const writers of extent.writers) {
          for (const [sessions, run] of await runsOf(store, writers, extent, texts)) {
            const key = `${sessions} ${writers} ${contestant.name}`;
            const kept = runs.get(key) ?? {
              of: { sessions, writers, contestant: contestant.name },
              runs: [],
            };
            runs.set(key, { ...kept, runs: [...kept.runs, run] });
          }
        }
      });
    }
  }
  return [...runs.values()].map(({ of, runs }) => ({
    ...of,
    appendsPerSecond: summary(runs.map((run) => (1000 * run.acknowledged) / run.milliseconds)).median,
    lost: sum(runs, "lost"),
    refused: sum(runs, "refused"),
  }));
}

async function runsOf(
  store: Store,
  writers: number,
  extent: Extent,
  texts: Texts,
): Promise<[Throughput["sessions"], Run][]> {
  const { appends, busyAppends } = extent;
  const runs: [Throughput["sessions"], Run][] = [
    ["one", await onCommonSessions(store, writers, extent, texts)],
    ["each", await onSessionsOfTheirOwn(store, writers, appends, texts)],
  ];
  if (writers === Math.max(...extent.writers)) {
    runs.push(["busy", await write(store, Array(writers).fill(newSession()), busyAppends, texts)]);
  }
  return runs;
}

const sum = (runs: readonly Run[], name: keyof Run) => runs.reduce((total, run) => total + run[name], 0);

async function withStore(
  contestant: Contestant,
  server: BenchServer,
  connections: number,
  work: (store: Store) => Promise<void>,
): Promise<void> {
  const { name, url } = await server.createDatabase();
  const store = await contestant.open({
    url: wayTo(server, contestant, url),
    connections,
  });
  await work(store);
  await store.close();
  await drop(server, contestant, name);
}

async function onCommonSessions(
  store: Store,
  writers: number,
  { commonSessions, appends }: Extent,
  texts: Texts,
): Promise<Run> {
  const runs: Run[] = [];
  for (let n = 0; n < commonSessions && sum(runs, "milliseconds") < MOST_TIME; n++) {
    const session = newSession();
    runs.push(await write(store, Array(writers).fill(session), appends / writers, texts));
  }
  return {
    milliseconds: sum(runs, "milliseconds"),
    acknowledged: sum(runs, "acknowledged"),
    refused: sum(runs, "refused"),
    lost: sum(runs, "lost"),
  };
}

const onSessionsOfTheirOwn = (store: Store, writers: number, appends: number, texts: Texts) =>
  write(
    store,
    Array.from({ length: writers }, () => newSession()),
    appends,
    texts,
  );

/** Runs one writer per entry concurrently, then compares the stored messages with the acknowledged ones. */
async function write(
  store: Store,
  sessions: readonly Session[],
  appends: number,
  texts: Texts,
): Promise<Run> {
  const distinct = [...new Set(sessions)];
  for (const session of distinct) await store.seed(session, texts.conversation(SEEDED, "prose"));
  const work = sessions.map((session) => ({ session, messages: texts.conversation(appends, "prose") }));
  let acknowledged = 0;
  let refused = 0;
  const start = process.hrtime.bigint();
  await Promise.all(
    work.map(async ({ session, messages }) => {
      for (const message of messages) {
        if (elapsedMs(start) > MOST_TIME) break;
        await store.append?.(session, message).then(
          () => acknowledged++,
          () => refused++,
        );
      }
    }),
  );
  const milliseconds = elapsedMs(start);
  if (acknowledged === 0) throw new Error("every append was refused");
  let there = 0;
  for (const session of distinct) there += ((await store.open?.(session)) ?? 0) - SEEDED;
  return { milliseconds, acknowledged, refused, lost: Math.max(0, acknowledged - there) };
}

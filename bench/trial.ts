import type { Store } from "./contestants/contestant.js";
import { type Costed, costs } from "./cost.js";
import type { Entrant } from "./entrant.js";
import { interleaved, type Rounds, type Samples, summary } from "./measure.js";
import type { Call, Times } from "./results.js";
import type { BenchServer } from "./server.js";
import { type Stage, setStage } from "./stage.js";
import type { Texts } from "./texts.js";
import { drawMaterial, newSession, shared, takesPart, type Workload } from "./workloads.js";

/** Milliseconds each way: 10 per round trip. */
const DISTANCE = 5;
/** Limits for one workload. Times are in milliseconds per loop. */
const FULL = {
  warmUp: 5000,
  loopback: 10_000,
  atLeast: 5,
  /** Twice. */
  delayed: 3000,
  delayedRounds: 10,
};
const QUICK: typeof FULL = {
  warmUp: 800,
  loopback: 1000,
  atLeast: 2,
  delayed: 300,
  delayedRounds: 1,
};
/** Of a quick run. */
const ROUNDS_IN_QUICK = 12;
/**
 * Untimed calls: connections open (again, after a pause), code is compiled, and servers choose the plan of a
 * prepared statement at its sixth call.
 */
const WARM_UPS = 8;

/** Times and costs of all contestants that have the call. */
export async function tryOut(
  workload: Workload,
  all: readonly Entrant[],
  server: BenchServer,
  texts: Texts,
  quick: boolean,
): Promise<Call[]> {
  const entrants = all.filter(
    ({ contestant, direct }) => takesPart(workload, contestant) && direct[workload.workload],
  );
  const draw = () => drawMaterial(workload, texts);
  const extent = quick ? QUICK : FULL;
  const sessions = shared(workload, texts, quick);
  const stagesOn = (pick: (entrant: Entrant) => Store) =>
    Promise.all(
      entrants.map((entrant) => setStage(workload, entrant.contestant.name, pick(entrant), sessions)),
    );
  // The first change of a page after a checkpoint writes the whole page to the WAL; pages seeded from here on
  // have been changed. It needs a privilege.
  await server.admin`checkpoint`.catch(() => {});
  const near = await stagesOn(({ direct }) => direct);
  const seeded = performance.now();
  const far = await stagesOn(({ distant }) => distant);

  const warm: Rounds = { rounds: WARM_UPS, atLeast: 1, budgetMs: extent.warmUp };
  await interleaved(near, draw, warm);
  await Promise.all(entrants.map((entrant) => entrant.analyze()));
  if (!quick) await interleaved(near, draw, { ...warm, rounds: 2 });
  const loopback = summaries(
    await interleaved(near, draw, {
      rounds: quick ? ROUNDS_IN_QUICK : workload.rounds,
      atLeast: extent.atLeast,
      budgetMs: extent.loopback,
    }),
  );

  const setDistance = (milliseconds: number) => {
    for (const { proxy } of entrants) proxy.setDelay(milliseconds);
  };
  const delayed: Samples = new Map(far.map(({ name }) => [name, []]));
  const atADistance = async () => {
    const rounds = { rounds: extent.delayedRounds, atLeast: 1, budgetMs: extent.delayed };
    const samples = await interleaved(far, draw, rounds, {
      begin: () => setDistance(DISTANCE),
      end: () => setDistance(0),
    });
    for (const [name, times] of samples) delayed.get(name)?.push(...times);
  };
  const costed: Costed[] = entrants.map((entrant, n) => ({
    entrant,
    median: loopback.get(entrant.contestant.name)?.median ?? 0,
    prepare: () => (near[n] as Stage).prepare(draw()),
    prepareSeeds: workload.before === "own session",
    prepareDistant: () => (far[n] as Stage).prepare(draw()),
    seedOther: (store) => store.seed(newSession(), texts.ofSize(100)),
  }));
  const cost = await costs(costed, server, quick, seeded, [
    async () => {
      await interleaved(far, draw, warm);
      await atADistance();
    },
    atADistance,
  ]);
  for (const stage of near) await stage.check();
  await Promise.all(entrants.map((entrant) => entrant.clear()));

  return entrants.flatMap(({ contestant: { name } }) => {
    const times = loopback.get(name);
    if (!times) return [];
    const { workload: named, size, text } = workload;
    return [
      {
        workload: named,
        size,
        text,
        contestant: name,
        loopback: times,
        delayed: summaries(delayed).get(name) ?? null,
        cost: cost.get(name) ?? null,
      },
    ];
  });
}

const summaries = (samples: Samples): Map<string, Times> =>
  new Map([...samples].map(([name, times]) => [name, summary(times)]));

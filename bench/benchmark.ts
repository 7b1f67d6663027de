import type { Contestant } from "./contestants/contestant.js";
import { contestants as all } from "./contestants/index.js";
import { conversions } from "./convert.js";
import { type Entrant, enter } from "./entrant.js";
import { growth } from "./growth.js";
import { inRows } from "./report-contestants.js";
import type { Call, ServerResults } from "./results.js";
import type { BenchServer } from "./server.js";
import { storageCosts } from "./storage.js";
import { makeTexts } from "./texts.js";
import { throughput } from "./throughput.js";
import { tryOut } from "./trial.js";
import { warmUp } from "./warm-up.js";
import { workloads } from "./workloads.js";

export interface Selection {
  quick: boolean;
  /** Of what is measured: a workload's name, size and text, or throughput, growth, storage, convert, cold starts. */
  only: RegExp | undefined;
  contestant: RegExp | undefined;
}

const SEED = 1;

export const chosen = (pattern: RegExp | undefined, name: string): boolean => pattern?.test(name) ?? true;

export const nameOf = ({ workload, size, text }: Pick<Call, "workload" | "size" | "text">): string =>
  [workload, size, text === "tool" && text].filter(Boolean).join(" ");

/** Everything that is measured on one server. */
export async function measureOn(server: BenchServer, selection: Selection): Promise<ServerResults> {
  const { quick, only } = selection;
  const texts = makeTexts(SEED);
  const contestants = all.filter(
    ({ name, through }) =>
      chosen(selection.contestant, name) && (through !== "pooler" || server.throughPooler !== null),
  );
  const own = contestants.filter(({ kind }) => kind === "ours");
  const ours = own.find((contestant) => !inRows(contestant));
  // One contestant per design: all of them leave the server in the same state.
  const designs = contestants.filter(
    (contestant) =>
      contestant === ours || contestant === own.find(inRows) || !["ours", "floor"].includes(contestant.kind),
  );
  const part = async <T>(name: string, work: () => Promise<T[]>): Promise<T[]> =>
    chosen(only, name) ? timed(name, work) : [];
  const results = {
    ...server.about,
    contestants: contestants.map(({ name, kind, about }) => ({ name, kind, about })),
    calls: await calls(contestants, server, selection),
    throughput: await part("throughput", () => throughput(contestants, server, texts, quick)),
    // In parallel, since nothing is timed.
    growth: await part("growth", () => Promise.all(designs.map((one) => growth(one, server, texts, quick)))),
    storage: await part("storage", async () => (ours ? storageCosts(ours, server, texts, quick) : [])),
    conversions: await part("convert", async () => (ours ? conversions(server, texts, quick) : [])),
  };
  return results;
}

async function calls(
  contestants: readonly Contestant[],
  server: BenchServer,
  { quick, only }: Selection,
): Promise<Call[]> {
  const texts = makeTexts(SEED);
  const selected = workloads.filter(
    (workload) => chosen(only, nameOf(workload)) && (!quick || workload.quick),
  );
  if (selected.length === 0) return [];
  const entrants: Entrant[] = await timed("opening", () =>
    Promise.all(contestants.map((contestant) => enter(contestant, server))),
  );
  await timed("warm-up", () => warmUp(entrants, texts, quick));
  const results: Call[] = [];
  for (const workload of selected) {
    results.push(...(await timed(nameOf(workload), () => tryOut(workload, entrants, server, texts, quick))));
  }
  for (const entrant of entrants) await entrant.close();
  return results;
}

/** Prints the duration on stderr. */
export async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  process.stderr.write(`${name.padEnd(16)} ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  return result;
}

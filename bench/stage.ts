import type { Session, Store } from "./contestants/contestant.js";
import type { Runner } from "./measure.js";
import { call, found, left, type Material, type shared, type Workload } from "./workloads.js";

/** A contestant in a workload, on one of its databases. */
export interface Stage extends Runner<Material> {
  /** Throws if something that was written is missing. Sessions that some take half a minute to open are not checked. */
  check(): Promise<void>;
}

const LONGEST_CHECKED = 10_000;

/** Creates the sessions that exist before all calls. */
export async function setStage(
  workload: Workload,
  name: string,
  store: Store,
  sessions: ReturnType<typeof shared>,
): Promise<Stage> {
  for (const { session, messages } of sessions) await store.seed(session, messages);
  const common = sessions.at(-1)?.session;
  const expected = found(workload);
  const must = (what: string, number: number | undefined, right: number) => {
    if (number !== right) throw new Error(`${name}, ${what}: expected ${right}, received ${number}`);
  };
  /** The last session written to, and how often. */
  let written: { session: Session; calls: number } | undefined;
  return {
    name,
    async prepare(material) {
      const session = common ?? material.session;
      if (workload.before === "own session") await store.seed(session, material.conversation);
      return async () => {
        const number = await call(workload, store, session, material);
        if (expected !== undefined) must(workload.workload, number, expected);
        written = { session, calls: written?.session === session ? written.calls + 1 : 1 };
      };
    },
    async check() {
      const messages = written && left(workload, written.calls);
      if (!written || !store.open || messages === undefined || messages > LONGEST_CHECKED) return;
      must(`${workload.workload}, afterwards`, await store.open(written.session), messages);
    },
  };
}

import type { Contestant, Store } from "./contestants/contestant.js";
import { spentBy } from "./cost.js";
import { interleaved, summary } from "./measure.js";
import type { StorageCost } from "./results.js";
import { type BenchServer, drop } from "./server.js";
import type { Texts } from "./texts.js";
import { newSession } from "./workloads.js";

/** The storage settings of the column. */
export const SETTINGS: Record<StorageCost["storage"], string> = {
  pglz: "set storage extended, alter column messages set compression pglz",
  lz4: "set storage extended, alter column messages set compression lz4",
  uncompressed: "set storage external",
};
const SIZES = [1000, 5000];
const COUNTED = { full: 8, quick: 3 };

interface Kept {
  storage: StorageCost["storage"];
  database: { name: string; url: string };
  store: Store;
}

/** One append of this package for each storage setting. */
export async function storageCosts(
  contestant: Contestant,
  server: BenchServer,
  texts: Texts,
  quick: boolean,
): Promise<StorageCost[]> {
  const ways: Kept[] = [];
  for (const storage of ["pglz", "lz4", "uncompressed"] as const) {
    if (storage === "lz4" && !server.about.hasLz4) continue;
    const database = await server.createDatabase();
    const store = await contestant.open({ url: database.url, connections: 1 });
    const alter = `alter table journey_sessions alter column messages ${SETTINGS[storage]}`;
    await server.on(database.url, (sql) => sql.unsafe(alter));
    ways.push({ storage, database, store });
  }
  const costs: StorageCost[] = [];
  for (const messages of quick ? SIZES.slice(0, 1) : SIZES) {
    costs.push(...(await appendsAt(messages, ways, server, texts, quick)));
  }
  for (const { store, database } of ways) {
    await store.close();
    await drop(server, contestant, database.name);
  }
  return costs;
}

async function appendsAt(
  messages: number,
  ways: readonly Kept[],
  server: BenchServer,
  texts: Texts,
  quick: boolean,
): Promise<StorageCost[]> {
  const session = newSession();
  const conversation = texts.conversation(messages, "prose");
  for (const { store } of ways) await store.seed(session, conversation);
  const draw = () => texts.turn("prose")[0];
  const runners = ways.map(({ storage, store }) => ({
    name: storage,
    prepare: async (message: ReturnType<typeof draw>) => async () => store.append?.(session, message),
  }));
  await interleaved(runners, draw, { rounds: 6, atLeast: 2, budgetMs: 2000 });
  const times = await interleaved(runners, draw, {
    rounds: quick ? 5 : 30,
    atLeast: 5,
    budgetMs: quick ? 1000 : 15_000,
  });
  const costs: StorageCost[] = [];
  for (const { storage, database, store } of ways) {
    const loopback = summary(times.get(storage) ?? []);
    const calls = Array.from({ length: COUNTED[quick ? "quick" : "full"] }, () => {
      const message = draw();
      return async () => store.append?.(session, message);
    });
    const { serverCpu, walBytes } = await spentBy(server, database.name, calls);
    const [row] = await server.on(
      database.url,
      (sql) => sql<{ bytes: number }[]>`
        select pg_column_size(messages) as bytes from journey_sessions where id = ${session.id}`,
    );
    costs.push({ storage, messages, loopback, serverCpu, walBytes, bytes: row?.bytes ?? 0 });
  }
  return costs;
}

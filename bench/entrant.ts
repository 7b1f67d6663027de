import type { Contestant, Store } from "./contestants/contestant.js";
import { type CountingProxy, startProxy } from "./proxy.js";
import { type BenchServer, drop, wayTo } from "./server.js";

/** A contestant with two databases of its own: one directly, one through a proxy. */
export interface Entrant {
  readonly contestant: Contestant;
  readonly direct: Store;
  /** The direct one. */
  readonly database: { name: string; url: string };
  readonly distant: Store;
  readonly proxy: CountingProxy;
  /** Empties the tables of both. */
  clear(): Promise<void>;
  /** Analyzes the tables, so that plans fit them. */
  analyze(): Promise<void>;
  /** Whether autovacuum may run on the tables. Its reads and writes cannot be separated from those of the calls. */
  setAutovacuum(on: boolean): Promise<void>;
  close(): Promise<void>;
}

/** One connection each, as for a request: a second one would hide waiting. */
const CONNECTIONS = 1;

export async function enter(contestant: Contestant, server: BenchServer): Promise<Entrant> {
  const near = await server.createDatabase();
  const far = await server.createDatabase();
  const proxy = await startProxy(wayTo(server, contestant, far.url));
  const direct = await contestant.open({
    url: wayTo(server, contestant, near.url),
    connections: CONNECTIONS,
  });
  const distant = await contestant.open({ url: proxy.url, connections: CONNECTIONS });
  const tables = direct.tables.map(quoted);
  const onBoth = async (statement: string) => {
    for (const { url } of [near, far]) await server.on(url, (sql) => sql.unsafe(statement));
  };
  return {
    contestant,
    direct,
    database: near,
    distant,
    proxy,
    clear: () => onBoth(`truncate ${tables.join()} cascade`),
    analyze: () => onBoth(`analyze ${tables.join()}`),
    setAutovacuum: (on) =>
      onBoth(
        tables
          .map(
            (table) =>
              `alter table ${table} set (autovacuum_enabled = ${on}, toast.autovacuum_enabled = ${on})`,
          )
          .join(";"),
      ),
    async close() {
      await direct.close();
      await distant.close();
      for (const { name } of [near, far]) await drop(server, contestant, name);
      await proxy.close();
    },
  };
}

/** A table's name as contestants give it: case counts. */
export const quoted = (table: string): string =>
  table
    .split(".")
    .map((name) => `"${name.replaceAll('"', '""')}"`)
    .join(".");

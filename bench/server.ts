import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import postgres, { type Sql } from "postgres";
import { startServer } from "../test/support/child-server.js";
import { pgbouncerVersion, runPgbouncer } from "../test/support/pgbouncer-process.js";
import type { Contestant } from "./contestants/contestant.js";
import type { ServerResults } from "./results.js";

/** Beside the defaults of the tests' server. */
const SETTINGS = [
  // The disk of a virtual machine is so uneven that waiting for it would hide the differences. That
  // flatters designs that commit several times a turn.
  "fsync=off",
  "shared_buffers=512MB",
  "max_wal_size=4GB",
];

/** The same database through the pooler, for a contestant that goes through it. */
export const wayTo = (server: BenchServer, { through }: Contestant, url: string): string =>
  through === "pooler" && server.throughPooler ? server.throughPooler(url) : url;

/** Its store is closed. A pool whose connection the server ends would say so, with nobody to listen; the pooler's may be. */
export async function drop(server: BenchServer, { through }: Contestant, name: string): Promise<void> {
  if (through !== "pooler") await server.untilAlone(name);
  await server.dropDatabase(name);
}

/** As many as the most writers of a run. */
export const MOST_CONNECTIONS = 32;

export interface BenchServer {
  /** The maintenance database. */
  readonly url: string;
  readonly admin: Sql;
  readonly about: Pick<ServerResults, "version" | "from" | "hasLz4" | "settings">;
  /** Whether the server's processes are this machine's. */
  readonly isLocal: boolean;
  /** The same database through a transaction pooler; null where pgbouncer is not installed. */
  readonly throughPooler: ((url: string) => string) | null;
  /** Runs something on a connection of its own to one of the databases. */
  on<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T>;
  /** An empty database, dropped at the end. Answers its name and URL. */
  createDatabase(): Promise<{ name: string; url: string }>;
  dropDatabase(name: string): Promise<void>;
  /** Whether autovacuum may work; of a given server that is its owner's affair. */
  setAutovacuum(on: boolean): Promise<void>;
  /** Until nobody is connected to the database: a backend takes a moment to end. */
  untilAlone(name: string): Promise<void>;
  /** Drops what it created. */
  stop(): Promise<void>;
}

/** @param url of a server that is up; without it, PostgreSQL from npm is started */
export async function openServer(url?: string): Promise<BenchServer> {
  const server = url ? { url, stop: async () => {} } : await startServer(...SETTINGS);
  const admin = postgres(server.url, { max: 1, onnotice: () => {}, fetch_types: false });
  const pooler = pgbouncerVersion()
    ? await runPgbouncer(server.url, { serverConnections: MOST_CONNECTIONS })
    : null;
  const created = new Set<string>();
  const dropDatabase = async (name: string) => {
    await admin`drop database if exists ${admin(name)} with (force)`;
    created.delete(name);
  };
  return {
    url: server.url,
    admin,
    about: { from: url ? "given" : "npm", ...(await describe(admin)) },
    isLocal: ["127.0.0.1", "localhost", "[::1]"].includes(new URL(server.url).hostname),
    throughPooler: pooler ? (direct) => pooler.through(direct) : null,
    async on(database, work) {
      const sql = postgres(database, { max: 1, onnotice: () => {} });
      try {
        return await work(sql);
      } finally {
        await sql.end();
      }
    },
    async createDatabase() {
      const name = `journey_db_bench_${randomUUID().replaceAll("-", "")}`;
      await admin`create database ${admin(name)}`;
      created.add(name);
      const database = new URL(server.url);
      database.pathname = `/${name}`;
      return { name, url: database.href };
    },
    dropDatabase,
    async setAutovacuum(on) {
      if (url) return;
      await admin.unsafe(`alter system set autovacuum = ${on}`);
      await admin`select pg_reload_conf()`;
      const workers = () => admin`select from pg_stat_activity where backend_type = 'autovacuum worker'`;
      while (!on && (await workers()).length > 0) await delay(10);
    },
    async untilAlone(name) {
      while ((await admin`select from pg_stat_activity where datname = ${name}`).length > 0) await delay(10);
    },
    async stop() {
      // The pooler first: it would connect again to what is dropped.
      await pooler?.kill();
      for (const name of created) await dropDatabase(name);
      await admin.end();
      await server.stop();
    },
  };
}

async function describe(admin: Sql): Promise<Omit<BenchServer["about"], "from">> {
  const [server] = await admin<{ version: string; hasLz4: boolean }[]>`
    select split_part(current_setting('server_version'), ' ', 1) as version,
      (select 'lz4' = any (enumvals) from pg_settings where name = 'default_toast_compression') as "hasLz4"`;
  // Of the categories that bear on the figures: others tell of the machine, and of secrets.
  const settings = await admin<{ name: string; value: string }[]>`
    select name, current_setting(name) as value from pg_settings
    where setting is distinct from boot_val and source in ('command line', 'configuration file', 'database', 'user')
      and (category ~ '^(Resource Usage|Query Tuning|Autovacuum|Vacuuming)'
        or category ~ '^Write-Ahead Log' and category !~ 'Archiv|Recovery' or name in ('max_connections', 'jit'))
    order by name`;
  return {
    version: `PostgreSQL ${server?.version}`,
    hasLz4: server?.hasLz4 === true,
    settings: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
  };
}

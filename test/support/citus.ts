import { randomUUID } from "node:crypto";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { inject } from "vitest";
import { distribute } from "../../src/maintenance/distribute.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { asDistributed, journeySessions } from "../../src/schema.js";
import type { OptionalMigrations } from "../../src/validation/options.js";
import { atEnd } from "./at-end.js";
import { TEMPLATES } from "./templates.js";

/** Whether this run is on a cluster. There, an id is unique for a user only. */
export const ON_CLUSTER = process.env.CITUS === "1";

/** The table as the statements of this run see it. */
export const sessionTable = ON_CLUSTER ? asDistributed(journeySessions) : journeySessions;

/** A server of the cluster, as the coordinator and the tests reach it. */
interface Server {
  host: string;
  port: number;
  isCoordinator: boolean;
}

/** The same URL for a database of another server. */
function urlOf(database: string, { host, port }: Pick<Server, "host" | "port">): string {
  const url = new URL(inject("serverUrl"));
  Object.assign(url, { hostname: host, port: String(port), pathname: `/${database}` });
  return url.href;
}

async function run<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await use(sql);
  } finally {
    await sql.end();
  }
}

/** The servers of the cluster, the coordinator first: the only one of a cluster that has not been told of itself. */
export async function clusterServers(): Promise<[Server, ...Server[]]> {
  const { hostname: host, port } = new URL(inject("serverUrl"));
  const [first, ...others] = await run(
    inject("serverUrl"),
    (sql) => sql<Server[]>`select nodename as host, nodeport as port, groupid = 0 as "isCoordinator"
      from pg_dist_node order by groupid`,
  );
  return [first ?? { host, port: Number(port || 5432), isCoordinator: true }, ...others];
}

/**
 * The URL of a database of the test file's own on the cluster that CITUS_URL names, dropped after the file. Citus works in
 * one database: each server gets it, and the coordinator is told of them.
 *
 * @param optional the optional migrations, with which its tables are distributed; undefined for an empty database
 */
export async function clusterDatabase(optional?: readonly OptionalMigrations[]): Promise<string> {
  const name = `journey_db_${randomUUID().replaceAll("-", "")}`;
  const servers = await clusterServers();
  for (const server of servers) {
    const unsafe = (statement: string) =>
      run(urlOf(new URL(inject("serverUrl")).pathname.slice(1), server), async (sql) => {
        await sql.unsafe("set citus.enable_create_database_propagation = off");
        await sql.unsafe(statement);
      });
    await unsafe(`create database ${name}`);
    atEnd(() => unsafe(`drop database if exists ${name} with (force)`));
    await run(urlOf(name, server), (sql) => sql.unsafe("create extension if not exists citus"));
  }
  const [coordinator, ...workers] = servers;
  const url = urlOf(name, coordinator);
  await run(url, async (sql) => {
    await sql`select citus_set_coordinator_host(${coordinator.host}, ${coordinator.port})`;
    for (const { host, port } of workers) await sql`select citus_add_node(${host}, ${port})`;
    if (workers.length === 0)
      await sql`select citus_set_node_property(${coordinator.host}, ${coordinator.port}, 'shouldhaveshards', true)`;
    // Fewer than by default, which is for growth: each test file makes them anew.
    await sql.unsafe(`alter database ${name} set citus.shard_count = 4`);
  });
  if (!optional) return url;
  const client = postgres(url, { max: 1, onnotice: () => {} });
  const db = drizzle({ client });
  await migrate(db, { with: optional });
  await distribute(db);
  await client.end();
  return url;
}

/** A distributed database with every table of the package. */
export const citusDatabase = () => clusterDatabase(TEMPLATES.rowsDurable);

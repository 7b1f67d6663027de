import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzleNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { drizzle as drizzlePostgresJs } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { inject } from "vitest";
import { type ConnectOptions, connect } from "../../src/connection/connect.js";
import { migrate } from "../../src/maintenance/migrate.js";
import type { Database } from "../../src/model/database.js";
import type { OptionalMigrations } from "../../src/validation/options.js";
import { atEnd } from "./at-end.js";
import { clusterDatabase, ON_CLUSTER } from "./citus.js";
import { IN_ROWS, OPTIONAL } from "./layout.js";
import { startPgbouncer } from "./pgbouncer.js";
import { TEMPLATES, type Template } from "./templates.js";

export { atEnd };

const DIRECT = ["postgres.js", "node-postgres", "PGlite"] as const;
const POOLED = ["postgres.js through pgbouncer", "node-postgres through pgbouncer"] as const;
export type Driver = (typeof DIRECT)[number] | (typeof POOLED)[number];

/**
 * The drivers that the query suite runs on. Those through pgbouncer have a run of their own: npm does not bring it along.
 * ONE_DRIVER is for mutation testing, which runs the suite for each of a thousand changes, none of them a driver's.
 */
export const DRIVERS: readonly Driver[] =
  process.env.POOLER === "1"
    ? POOLED
    : process.env.ONE_DRIVER === "1" || ON_CLUSTER
      ? ["postgres.js"]
      : // With messages in rows, node-postgres is tested through pgbouncer.
        DIRECT.filter((driver) => !IN_ROWS || driver !== "node-postgres");

/** Those of the tests that one driver is enough for. */
export const ONE_DRIVER: readonly Driver[] = process.env.POOLER === "1" ? POOLED : ["postgres.js"];

/** Runs SQL on the server's maintenance database. */
export async function onServer(statement: string): Promise<void> {
  const sql = postgres(inject("serverUrl"), { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

async function makeDatabase(template: Template | undefined): Promise<string> {
  if (ON_CLUSTER) return clusterDatabase(template && TEMPLATES[template]);
  const name = `journey_db_${randomUUID().replaceAll("-", "")}`;
  await onServer(
    `create database ${name} template ${template ? inject("templates")[template] : "template0"}`,
  );
  atEnd(() => onServer(`drop database if exists ${name} with (force)`));
  const url = new URL(inject("serverUrl"));
  url.pathname = `/${name}`;
  return url.href;
}

/** A PGlite database that is migrated, to be loaded: the first file of the run to ask makes it, in four times the time. */
async function migratedPglite(optional: readonly OptionalMigrations[]): Promise<Blob> {
  const file = join(process.env.TEST_BUILD as string, `${["pglite", ...optional].join("-")}.tar`);
  if (!existsSync(file)) {
    const client = new PGlite();
    await migrate(drizzlePglite({ client }), { with: optional });
    const data = await client.dumpDataDir("none");
    await client.close();
    // Whole when it is there, also where two make it.
    const unfinished = `${file}-${process.pid}`;
    await writeFile(unfinished, data.stream());
    await rename(unfinished, file);
  }
  return new Blob([await readFile(file)]);
}

/** The URL of a migrated database of the test file's own, dropped after it. */
export const migratedDatabase = () => makeDatabase(IN_ROWS ? "rows" : "column");

/** As migratedDatabase, with the table of messages in rows. */
export const rowsDatabase = () => makeDatabase("rows");

/** As migratedDatabase, with the tables of durable replies. */
export const durableDatabase = () => makeDatabase(IN_ROWS ? "rowsDurable" : "columnDurable");

/** As migratedDatabase, with every table of the package. */
export const wholeDatabase = () => makeDatabase("rowsDurable");

/** As migratedDatabase, but with nothing in it. */
export const emptyDatabase = () => makeDatabase(undefined);

/** A postgres.js client for raw SQL, closed after the file. Never share one with Drizzle, which changes it. */
export function rawClient(url: string, options: postgres.Options<Record<string, never>> = {}) {
  const sql = postgres(url, { max: 4, onnotice: () => {}, ...options });
  // In bounded time, also where the server that the client was told never answers.
  atEnd(() => sql.end({ timeout: 1 }));
  return sql;
}

/** A Drizzle database over postgres.js, closed after the file. */
export function openPostgresJs(url: string, options: postgres.Options<Record<string, never>> = {}): Database {
  return drizzlePostgresJs({ client: rawClient(url, options) });
}

/** A Drizzle database over a node-postgres pool, closed after the file. */
export function openNodePostgres(url: string, options: pg.PoolConfig = {}): Database {
  const client = new pg.Pool({ connectionString: url, max: 4, ...options });
  // The pool tells here of idle connections that the server ended.
  client.on("error", () => {});
  atEnd(() => client.end());
  return drizzleNodePostgres({ client });
}

/** What connect() answers, closed after the file. */
export async function openConnected(url: string, options: ConnectOptions = {}): Promise<Database> {
  const { db, close } = await connect({ url, ...options });
  atEnd(close);
  return db;
}

/** What connect() answers for a transaction pooler, closed after the file. */
export const openPooled = (url: string, max = 4) => openConnected(url, { max, pooled: true });

/**
 * A migrated database behind the driver, closed and dropped after the file.
 *
 * @param durable whether with the tables of durable replies
 */
export async function openMigrated(driver: Driver, durable = false): Promise<Database> {
  const database = durable ? durableDatabase : migratedDatabase;
  switch (driver) {
    case "postgres.js":
      return openPostgresJs(await database());
    case "node-postgres":
      return openNodePostgres(await database());
    case "PGlite": {
      const optional = [...OPTIONAL, ...(durable ? (["durable-replies"] as const) : [])];
      const client = new PGlite({ loadDataDir: await migratedPglite(optional) });
      atEnd(() => client.close());
      return drizzlePglite({ client });
    }
    case "postgres.js through pgbouncer":
    case "node-postgres through pgbouncer": {
      const url = await database();
      // Fewer than clients, so that a client's calls go over one and another.
      const pooler = await startPgbouncer({ serverConnections: 2 });
      const through = pooler.through(url);
      return driver === "postgres.js through pgbouncer" ? openPooled(through) : openNodePostgres(through);
    }
  }
}

/** A user that no other test has. */
export const newUser = () => `user_${randomUUID()}`;

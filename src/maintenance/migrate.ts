import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { is, sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { PgTransaction } from "drizzle-orm/pg-core";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { fromDriver, lacksTransactions } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { databaseSchema, OPTIONAL, type OptionalMigrations, withSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { connectionFailure, migrationFailure } from "./migrate-failure.js";
import { findTable, IS_COMPLETE, read, TABLE } from "./read.js";

/** The migrations of one folder: those that every database has, or optional ones. */
export type MigrationSet = "main" | OptionalMigrations;

/**
 * The journals of applied migrations, one for each folder: tables of our own, also named in drizzle-kit's
 * configuration. An application may use Drizzle's default table, which compares only the newest date: with a later
 * migration of the application there, ours would count as applied.
 */
export const JOURNALS = {
  main: { schema: "drizzle", table: "__journey_db_migrations" },
  "message-rows": { schema: "drizzle", table: "__journey_db_message_rows" },
  "durable-replies": { schema: "drizzle", table: "__journey_db_durable_replies" },
} as const satisfies Record<MigrationSet, object>;

const quotedJournal = (of: MigrationSet) => `"${JOURNALS[of].schema}"."${JOURNALS[of].table}"`;

/** The journal as the subject of a sentence. */
export const theJournal = (of: MigrationSet) => `The journal ${JOURNALS[of].schema}.${JOURNALS[of].table}`;

/** The statements with which drizzle-kit creates the same table. The main journal comes first. */
const createJournal = (of: MigrationSet) => [
  ...(of === "main" ? [`CREATE SCHEMA IF NOT EXISTS "${JOURNALS[of].schema}"`] : []),
  `CREATE TABLE IF NOT EXISTS ${quotedJournal(of)} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
];

const setOf = (migration: Migration): MigrationSet => migration.with ?? "main";

const toEntry = (migration: Migration) =>
  `INSERT INTO ${quotedJournal(setOf(migration))} (hash, created_at) VALUES ('${migration.hash}', ${migration.when})`;

const setsOf = (chosen: readonly OptionalMigrations[]): MigrationSet[] => [
  "main",
  ...OPTIONAL.filter((one) => chosen.includes(one)),
];

/** The advisory lock of processes that migrate: "journeydb" in base 36. */
export const MIGRATION_LOCK = Number.parseInt("journeydb", 36);

/** ALTER TABLE fails while a deferred trigger of the application waits for the end of the transaction. */
export const NOT_DEFERRED = "SET CONSTRAINTS ALL IMMEDIATE";

/** How long to wait for another process that migrates. */
const WAIT_FOR_LOCK = "60s";

/** A migration file of this package. */
export interface Migration {
  /** Its file without `.sql`, e.g. `0000_journey_sessions` or `message-rows/0000_journey_messages`. */
  name: string;
  /** The optional migrations that it belongs to. */
  with?: OptionalMigrations | undefined;
  statements: string[];
  hash: string;
  when: number;
}

/**
 * The shipped migrations of a folder, oldest first.
 *
 * @throws JourneyDbError configuration if the files are not found beside the package
 */
export function shippedMigrations(of: MigrationSet = "main"): Migration[] {
  try {
    // Not `new URL("../../drizzle", import.meta.url)`, which bundlers take for a file to bundle.
    const main = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "drizzle");
    const migrationsFolder = of === "main" ? main : join(main, of);
    const { entries }: { entries: { tag: string }[] } = JSON.parse(
      readFileSync(`${migrationsFolder}/meta/_journal.json`, "utf8"),
    );
    return readMigrationFiles({ migrationsFolder }).map((file, index) => ({
      ...(of === "main"
        ? { name: `${entries[index]?.tag}` }
        : { name: `${of}/${entries[index]?.tag}`, with: of }),
      statements: file.sql.map((statement) => statement.trim()),
      hash: file.hash,
      when: file.folderMillis,
    }));
  } catch {
    const message = "The package's drizzle folder was not found; exclude the package from the bundle.";
    throw new JourneyDbError("configuration", message);
  }
}

/** The dates of the migrations in a journal, null for a row without one; undefined if there is no journal. */
export async function appliedMigrations(
  db: Database,
  of: MigrationSet = "main",
): Promise<(number | null)[] | undefined> {
  const journal = quotedJournal(of);
  try {
    // In two steps: for a schema that the role may not use, to_regclass fails and does not return null.
    const [found] = await read<{ exists: boolean }>(
      db,
      sql`select to_regclass(${journal}) is not null as exists`,
    );
    if (!found?.exists) return undefined;
    const rows = await read<{ created_at: number | null }>(
      db,
      sql`select created_at from ${sql.raw(journal)}`,
    );
    return rows.map(({ created_at }) => created_at);
  } catch (error) {
    const known = fromDriver(error, true);
    if (known.sqlState !== "42703") throw known;
    const message = `${theJournal(of)} is damaged: it has no dates; rename it, and journey-db migrate creates a new one.`;
    throw new JourneyDbError("migration", message, { sqlState: known.sqlState });
  }
}

/** The first migration of a folder creates its table. */
const createsTable = (of: MigrationSet, pending: readonly Migration[]) =>
  pending[0]?.when === shippedMigrations(of)[0]?.when;

export const TABLES: Record<MigrationSet, string> = {
  main: "journey_sessions",
  "message-rows": "journey_messages",
  "durable-replies": "journey_replies",
};

/** There is one journal per database, but a table per schema: migrations applied to one table are not applied to another. */
async function requireTable(db: Database, of: MigrationSet): Promise<void> {
  const { exists, elsewhere } = await findTable(db, TABLES[of]);
  if (exists) return;
  const why = elsewhere
    ? `the table is in schema ${elsewhere}, which is not on the role's search_path: a database has one journal and one table`
    : "the table is gone or not visible to the role";
  throw new JourneyDbError(
    "migration",
    `${theJournal(of)} lists the table as created, but ${why}; nothing was applied. Run journey-db verify.`,
  );
}

/**
 * "create table if not exists" checks only the first schema of the search_path: an empty table there would hide the one
 * in a later schema, and messages or replies would be in another schema than their sessions.
 */
async function requireFirstSchema(
  db: Database,
  of: MigrationSet,
  pending: readonly Migration[],
): Promise<void> {
  if (!createsTable(of, pending)) return;
  const [found] = await read<{ schema: string; first: string }>(
    db,
    sql`select relnamespace::regnamespace::text as schema, quote_ident(current_schema()) as first from pg_class where oid = ${TABLE}
      and relpersistence <> 't' and relnamespace <> (select oid from pg_namespace where nspname = current_schema())
      and ${of === "main" ? sql`not ${IS_COMPLETE}` : sql`true`}`,
  );
  if (!found) return;
  const { schema, first } = found;
  const why =
    of === "main" ? "a new, empty table there would hide it" : `the table ${TABLES[of]} would be there`;
  throw new JourneyDbError(
    "migration",
    `journey_sessions is in schema ${schema}, but schema ${first} comes before it on the search_path, and ${why}; nothing was applied. Put ${schema} first: ?search_path=${schema} in the URL, or alter role … set search_path = ${schema}, ${first}.`,
  );
}

export interface PendingOptions {
  /**
   * Optional migrations to include: `["message-rows"]` for the table of messages, `["durable-replies"]` for those of
   * replies. @default []
   */
  with?: readonly OptionalMigrations[] | undefined;
}

const pendingSchema = z.strictObject({ with: withSchema });

/**
 * The shipped migrations that are not applied yet, oldest first. Changes nothing.
 *
 * @throws JourneyDbError migration if the journal lists the table as created but it is missing, or if a new
 *   table would hide it, because it is not in the first schema of the search_path; invalid_input if `db`
 *   is not a database; unavailable, timeout, configuration
 */
export async function pendingMigrations(db: Database, options: PendingOptions = {}): Promise<Migration[]> {
  parse(databaseSchema, db, "db");
  const all: Migration[] = [];
  for (const of of setsOf(parse(pendingSchema, options).with)) {
    const applied = new Set(await appliedMigrations(db, of));
    const pending = shippedMigrations(of).filter(({ when }) => !applied.has(when));
    if (!createsTable(of, pending)) await requireTable(db, of);
    // If the sessions' table is created too, that is in the first schema.
    if (!createsTable("main", all)) await requireFirstSchema(db, of, pending);
    all.push(...pending);
  }
  return all;
}

/**
 * The migrations as a SQL script for another tool (psql, Supabase's SQL editor), with their journal
 * entries. Run it in one transaction. It fails if it is run a second time.
 */
export function toScript(migrations: readonly Migration[]): string {
  if (migrations.length === 0) return "-- Nothing to apply.\n";
  const sets = (["main", ...OPTIONAL] as const).flatMap((of) => {
    const dates = migrations.filter((one) => setOf(one) === of).map(({ when }) => when);
    return dates.length === 0 ? [] : [{ of, dates }];
  });
  const files = migrations.map((migration) => {
    const statements = [...migration.statements, toEntry(migration)];
    return [`-- ${migration.name}`, ...statements.map((one) => one.replace(/;?$/, ";"))].join("\n");
  });
  return `-- Run as one transaction: psql --single-transaction -v ON_ERROR_STOP=1 -f FILE
DO $$
BEGIN
	PERFORM set_config('lock_timeout', '10s', true);
	PERFORM pg_advisory_xact_lock(${MIGRATION_LOCK});
	${NOT_DEFERRED};
	${sets.flatMap(({ of }) => createJournal(of)).join(";\n\t")};
	IF ${sets.map(({ of, dates }) => `EXISTS (SELECT FROM ${quotedJournal(of)} WHERE created_at IN (${dates.join(", ")}))`).join(" OR ")} THEN
		RAISE EXCEPTION 'already applied, at least in part: create this script again';
	END IF;
END
$$;
${files.join("\n")}
`;
}

export interface MigrateOptions extends PendingOptions {
  /**
   * Milliseconds to wait for a lock on the table, 1–600,000. While ALTER TABLE waits, all other
   * queries on the table wait behind it. @default 10000
   */
  lockTimeoutMs?: number | undefined;
}

const optionsSchema = z.strictObject({
  with: withSchema,
  lockTimeoutMs: z.int().min(1).max(600_000).default(10_000),
});

/**
 * Applies the pending migrations in one transaction. Any number of processes may call it at the same
 * time: a lock lets one of them apply the migrations, and the others wait for up to 60 s. Calling it
 * again is safe and applies nothing.
 *
 * @returns the names of the files that this call applied, oldest first
 * @throws JourneyDbError migration with the file and the SQLSTATE, and nothing applied; invalid_input
 *   for a transaction; configuration for a driver without transactions; unavailable, timeout
 */
export async function migrate(db: Database, options: MigrateOptions = {}): Promise<{ applied: string[] }> {
  const { with: chosen, lockTimeoutMs } = parse(optionsSchema, options);
  requireDatabase(db, "migrate");
  let begun = false;
  let running: string | undefined;
  try {
    return await db.transaction(
      async (tx) => {
        const run = (statement: string) => tx.execute(sql.raw(statement));
        await run("SET LOCAL statement_timeout = 0");
        begun = true;
        // Suppresses the notices "already exists, skipping".
        await run("SET LOCAL client_min_messages = warning");
        await run(`SET LOCAL lock_timeout = '${WAIT_FOR_LOCK}'`);
        await run(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
        await run(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
        await run(NOT_DEFERRED);
        const names: string[] = [];
        for (const of of setsOf(chosen)) {
          const applied = await appliedMigrations(tx, of);
          const pending = shippedMigrations(of).filter(({ when }) => !applied?.includes(when));
          await requireFirstSchema(tx, of, pending);
          running = theJournal(of);
          // "if not exists" needs the privilege to create even if the journal exists.
          if (!applied) for (const statement of createJournal(of)) await run(statement);
          for (const migration of pending) {
            running = `${migration.name}.sql`;
            for (const statement of migration.statements) await run(statement);
            running = theJournal(of);
            await run(toEntry(migration));
            names.push(migration.name);
          }
          running = undefined;
          await requireTable(tx, of);
        }
        return { applied: names };
      },
      // At a higher level, the snapshot would be older than the other process's commit.
      { isolationLevel: "read committed" },
    );
  } catch (error) {
    throw begun || lacksTransactions(error) ? migrationFailure(error, running) : connectionFailure(error);
  }
}

/** @throws JourneyDbError invalid_input for a transaction: few drivers support nested ones, and one of them commits the outer one */
export function requireDatabase(db: Database, call: string): void {
  let usable = false;
  try {
    usable = typeof db?.transaction === "function" && !is(db, PgTransaction);
  } catch {
    // A proxy or a getter that throws.
  }
  if (!usable) {
    throw new JourneyDbError(
      "invalid_input",
      `db: expected a Drizzle PostgreSQL database, not a transaction; ${call} opens its own`,
    );
  }
}

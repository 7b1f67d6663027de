import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { is, sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { bigint, PgTransaction, pgSchema, serial, text } from "drizzle-orm/pg-core";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { fromDriver } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { databaseSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { connectionFailure, lacksTransactions, migrationFailure } from "./migrate-failure.js";

/**
 * Where it is written down which migrations were applied: a table of our own, the same in
 * drizzle.config.ts. Drizzle's default table is the application's too; it compares only the newest
 * date, and would take ours for applied once the application has a later one.
 */
export const JOURNAL = { schema: "drizzle", table: "__journey_db_migrations" } as const;

const journal = pgSchema(JOURNAL.schema).table(JOURNAL.table, {
  id: serial("id").primaryKey(),
  hash: text("hash").notNull(),
  when: bigint("created_at", { mode: "number" }),
});

const journalName = `"${JOURNAL.schema}"."${JOURNAL.table}"`;
const theJournal = `The journal ${JOURNAL.schema}.${JOURNAL.table}`;

/** The statements with which drizzle-kit makes the same table. */
const MAKE_SCHEMA = `CREATE SCHEMA IF NOT EXISTS "${JOURNAL.schema}"`;
const MAKE_TABLE = `CREATE TABLE IF NOT EXISTS ${journalName} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`;

/** What processes that migrate lock, one after the other. Any number that nothing else in the database locks: "journeydb" in base 36. */
export const MIGRATION_LOCK = Number.parseInt("journeydb", 36);

/** How long to wait for another process that migrates. */
const WAIT_FOR_LOCK = "60s";

/** A migration file of this package. */
export interface Migration {
  /** Its file name without `.sql`, e.g. `0000_journey_sessions`. */
  name: string;
  statements: string[];
  hash: string;
  when: number;
}

/**
 * The shipped migrations, oldest first.
 *
 * @throws JourneyDbError configuration where the files do not lie beside the package
 */
export function shippedMigrations(): Migration[] {
  try {
    // Not `new URL("../../drizzle", import.meta.url)`: bundlers take that for a file to bundle.
    const migrationsFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "drizzle");
    const { entries }: { entries: { tag: string }[] } = JSON.parse(
      readFileSync(`${migrationsFolder}/meta/_journal.json`, "utf8"),
    );
    return readMigrationFiles({ migrationsFolder }).map((file, index) => ({
      name: entries[index]?.tag ?? "",
      statements: file.sql.map((statement) => statement.trim()),
      hash: file.hash,
      when: file.folderMillis,
    }));
  } catch {
    throw new JourneyDbError(
      "configuration",
      "The package's drizzle folder is not where it should be; leave the package out of the bundle.",
    );
  }
}

/** The dates of the migrations in the journal, null where a row has none; undefined where there is no journal. */
export async function appliedMigrations(db: Database): Promise<(number | null)[] | undefined> {
  try {
    // In two steps: to_regclass fails, and does not answer null, for a schema without the right to use it.
    const [found] = await db
      .select({ exists: sql<boolean>`to_regclass(${journalName}) is not null` })
      .from(sql`(select) as nothing`);
    if (!found?.exists) return undefined;
    return (await db.select({ when: journal.when }).from(journal)).map(({ when }) => when);
  } catch (error) {
    const known = fromDriver(error, true);
    if (known.sqlState !== "42703") throw known;
    const message = `${theJournal} is damaged: it has no dates; rename it, and journey-db migrate makes another.`;
    throw new JourneyDbError("migration", message, { sqlState: known.sqlState });
  }
}

/** The schemas with a table that is this package's by its name, apart from the one that the search_path leads to. */
export const schemasElsewhere = async (db: Database): Promise<string[]> => {
  const found = await db
    .select({ schema: sql<string>`relnamespace::regnamespace::text` })
    .from(sql`pg_class`)
    .where(
      sql`relname = 'journey_sessions' and relkind in ('r', 'p') and relpersistence <> 't' and oid is distinct from to_regclass('journey_sessions')`,
    )
    .orderBy(sql`1`);
  return found.map(({ schema }) => schema);
};

/** The journal is the database's, the table a schema's: what is applied to one is not to be applied to another. */
async function requireTable(db: Database): Promise<void> {
  const found = await db
    .select({ kind: sql<string>`relkind::text` })
    .from(sql`pg_class`)
    .where(sql`oid = to_regclass('journey_sessions') and relkind in ('r', 'p')`);
  if (found.length > 0) return;
  const schemas = await schemasElsewhere(db);
  const why =
    schemas.length === 0
      ? "the table is gone or the role may not see it"
      : `the table is in schema ${schemas.join(", ")}, which the role's search_path does not lead to: a database has one journal, and one table`;
  throw new JourneyDbError(
    "migration",
    `${theJournal} says that the table was made, but ${why}; nothing was applied. Run journey-db verify.`,
  );
}

/** "create table if not exists" looks only where it would create: a table further on in the search_path would be hidden by an empty one. */
async function requireNoneHidden(db: Database, pending: readonly Migration[]): Promise<void> {
  if (!pending.some(({ when }) => when === shippedMigrations()[0]?.when)) return;
  const [hidden] = await db
    .select({
      schema: sql<string>`relnamespace::regnamespace::text`,
      first: sql<string>`quote_ident(current_schema())`,
    })
    .from(sql`pg_class`)
    .where(
      sql`oid = to_regclass('journey_sessions') and relpersistence <> 't' and relnamespace <> (select oid from pg_namespace where nspname = current_schema())`,
    );
  if (!hidden) return;
  const { schema, first } = hidden;
  throw new JourneyDbError(
    "migration",
    `journey_sessions is in schema ${schema}, but the search_path has schema ${first} before it, where another, empty table would be made that hides it; nothing was applied. Put ${schema} first: ?search_path=${schema} in the URL, or alter role … set search_path = ${schema}, ${first}.`,
  );
}

/**
 * Those of the shipped migrations that the database has not had yet, oldest first. Changes nothing.
 *
 * @throws JourneyDbError migration where the table was made and is not there, or where it is
 *   not in the first schema of the search_path and would be hidden by another; invalid_input for what
 *   is no database; unavailable, timeout, configuration
 */
export async function pendingMigrations(db: Database): Promise<Migration[]> {
  parse(databaseSchema, db, "db");
  const applied = new Set(await appliedMigrations(db));
  const shipped = shippedMigrations();
  const pending = shipped.filter(({ when }) => !applied.has(when));
  // The first of all makes it.
  if (pending[0] !== shipped[0]) await requireTable(db);
  await requireNoneHidden(db, pending);
  return pending;
}

/**
 * The same changes as SQL text for another tool (psql, Supabase's SQL editor), journal rows
 * included. To be run as one transaction, and once: a second time it refuses.
 */
export function toScript(migrations: readonly Migration[]): string {
  if (migrations.length === 0) return "-- Nothing to apply.\n";
  const dates = migrations.map(({ when }) => when).join(", ");
  const lines = [
    "-- Run as one transaction: psql --single-transaction -v ON_ERROR_STOP=1 -f FILE",
    "DO $$",
    "BEGIN",
    "\tPERFORM set_config('lock_timeout', '10s', true);",
    `\tPERFORM pg_advisory_xact_lock(${MIGRATION_LOCK});`,
    "END",
    "$$;",
    `${MAKE_SCHEMA};`,
    `${MAKE_TABLE};`,
    "DO $$",
    "BEGIN",
    `\tIF EXISTS (SELECT FROM ${journalName} WHERE created_at IN (${dates})) THEN`,
    "\t\tRAISE EXCEPTION 'already applied, at least in part: make this script again';",
    "\tEND IF;",
    "END",
    "$$;",
  ];
  for (const { name, statements, hash, when } of migrations) {
    lines.push(`-- ${name}`, ...statements.map((statement) => statement.replace(/;?$/, ";")));
    lines.push(`INSERT INTO ${journalName} (hash, created_at) VALUES ('${hash}', ${when});`);
  }
  return `${lines.join("\n")}\n`;
}

export interface MigrateOptions {
  /**
   * Milliseconds to wait for a lock on the table, 1–600,000. While an ALTER TABLE waits, every
   * query on the table waits behind it. @default 10000
   */
  lockTimeoutMs?: number | undefined;
}

const optionsSchema = z.strictObject({ lockTimeoutMs: z.int().min(1).max(600_000).default(10_000) });

/**
 * Applies the pending migrations in one transaction, under a lock: any number of processes may call
 * it at once, and one of them applies. Repeating it is safe, and applies nothing. It takes up to
 * 60 s to wait for another process.
 *
 * @returns the names of the files that this call applied, oldest first
 * @throws JourneyDbError migration, naming the file and the SQLSTATE, with nothing applied;
 *   invalid_input for a transaction; configuration for a driver without transactions; unavailable, timeout
 */
export async function migrate(db: Database, options: MigrateOptions = {}): Promise<{ applied: string[] }> {
  const { lockTimeoutMs } = parse(optionsSchema, options);
  requireDatabase(db, "migrate");
  let begun = false;
  let running: string | undefined;
  try {
    return await db.transaction(
      async (tx) => {
        const run = (statement: string) => tx.execute(sql.raw(statement));
        await run("SET LOCAL statement_timeout = 0");
        begun = true;
        // "already exists, skipping" is what is meant here.
        await run("SET LOCAL client_min_messages = warning");
        await run(`SET LOCAL lock_timeout = '${WAIT_FOR_LOCK}'`);
        await run(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
        await run(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
        const applied = await appliedMigrations(tx);
        const pending = shippedMigrations().filter(({ when }) => !applied?.includes(when));
        await requireNoneHidden(tx, pending);
        running = theJournal;
        // Not always: "if not exists" needs the right to create even where it skips.
        if (!applied) for (const statement of [MAKE_SCHEMA, MAKE_TABLE]) await run(statement);
        for (const { name, statements, hash, when } of pending) {
          running = `${name}.sql`;
          for (const statement of statements) await run(statement);
          running = theJournal;
          await tx.insert(journal).values({ hash, when });
        }
        running = undefined;
        await requireTable(tx);
        return { applied: pending.map(({ name }) => name) };
      },
      // Under any higher level the snapshot would be older than the wait for the other process.
      { isolationLevel: "read committed" },
    );
  } catch (error) {
    throw begun || lacksTransactions(error) ? migrationFailure(error, running) : connectionFailure(error);
  }
}

/** @throws JourneyDbError invalid_input: nested in a transaction it would work on few drivers, and one commits the outer one */
export function requireDatabase(db: Database, call: string): void {
  let usable = false;
  try {
    usable = typeof db?.transaction === "function" && !is(db, PgTransaction);
  } catch {
    // A Proxy or a getter of the caller's.
  }
  if (!usable) {
    throw new JourneyDbError(
      "invalid_input",
      `db: expected a Drizzle PostgreSQL database, and not a transaction; ${call} opens its own`,
    );
  }
}

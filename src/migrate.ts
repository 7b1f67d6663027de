import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { is, sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { bigint, PgTransaction, pgSchema, serial, text } from "drizzle-orm/pg-core";
import type { Database } from "./database.js";
import { fromDriver, JourneyDbError } from "./errors.js";

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

/** The statements with which drizzle-kit makes the same table. */
const MAKE_JOURNAL = [
  `CREATE SCHEMA IF NOT EXISTS "${JOURNAL.schema}"`,
  `CREATE TABLE IF NOT EXISTS ${journalName} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
];

/** Any number will do, as long as nothing else in the database locks it: "journeydb" in base 36. */
const LOCK_KEY = Number.parseInt("journeydb", 36);

/** How long to wait for another process that migrates, and then for a lock on the table: a waiting ALTER TABLE holds up every query behind it. */
const LOCK_TIMEOUT = { migrating: "60s", table: "10s" };

/** A migration file of this package. */
export interface Migration {
  /** Its file name without `.sql`, e.g. `0000_journey_sessions`. */
  name: string;
  statements: string[];
  hash: string;
  when: number;
}

/** The shipped migrations, oldest first. */
export function shippedMigrations(): Migration[] {
  const migrationsFolder = fileURLToPath(new URL("../drizzle", import.meta.url));
  const { entries }: { entries: { tag: string }[] } = JSON.parse(
    readFileSync(`${migrationsFolder}/meta/_journal.json`, "utf8"),
  );
  return readMigrationFiles({ migrationsFolder }).map((file, index) => ({
    name: entries[index]?.tag ?? "",
    statements: file.sql.map((statement) => statement.trim()),
    hash: file.hash,
    when: file.folderMillis,
  }));
}

/**
 * Those of the shipped migrations that the database has not had yet, oldest first. Changes nothing.
 *
 * @throws JourneyDbError unavailable, timeout, configuration
 */
export async function pendingMigrations(db: Database): Promise<Migration[]> {
  try {
    const [found] = await db
      .select({ exists: sql<boolean>`to_regclass(${journalName}) is not null` })
      .from(sql`(select) as nothing`);
    const applied = found?.exists ? await db.select({ when: journal.when }).from(journal) : [];
    return shippedMigrations().filter(({ when }) => !applied.some((row) => row.when === when));
  } catch (error) {
    throw fromDriver(error, true);
  }
}

/**
 * The same changes as SQL text for another tool (psql, Supabase's SQL editor), journal rows
 * included. To be run as one transaction.
 */
export function toScript(migrations: readonly Migration[]): string {
  if (migrations.length === 0) return "-- Nothing to apply.\n";
  const steps = migrations.flatMap((migration) => [
    `-- ${migration.name}`,
    ...migration.statements.map((statement) => statement.replace(/;?$/, ";")),
    `INSERT INTO ${journalName} (hash, created_at) VALUES ('${migration.hash}', ${migration.when});`,
  ]);
  return [
    "-- Run as one transaction: psql --single-transaction -v ON_ERROR_STOP=1 -f FILE",
    ...MAKE_JOURNAL.map((one) => `${one};`),
    ...steps,
    "",
  ].join("\n");
}

/**
 * Applies the pending migrations in one transaction, under a lock: any number of processes may call
 * it at once, and one of them applies. Repeating it is safe, and applies nothing. It takes up to
 * 60 s to wait for another process, and 10 s to wait for the table.
 *
 * @returns the names of the files that this call applied, oldest first
 * @throws JourneyDbError migration, naming the file and the SQLSTATE, with nothing applied;
 *   invalid_input for a transaction; unavailable, timeout, configuration
 */
export async function migrate(db: Database): Promise<{ applied: string[] }> {
  if (is(db, PgTransaction)) {
    throw new JourneyDbError(
      "invalid_input",
      "db: expected a database, not a transaction; migrate opens its own",
    );
  }
  let running: string | undefined;
  try {
    return await db.transaction(async (tx) => {
      await tx.execute(sql.raw(`SET LOCAL statement_timeout = 0`));
      await tx.execute(sql.raw(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT.migrating}'`));
      await tx.execute(sql.raw(`SELECT pg_advisory_xact_lock(${LOCK_KEY})`));
      await tx.execute(sql.raw(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT.table}'`));
      const pending = await pendingMigrations(tx);
      if (pending.length > 0) for (const statement of MAKE_JOURNAL) await tx.execute(sql.raw(statement));
      for (const { name, statements, hash, when } of pending) {
        running = name;
        for (const statement of statements) await tx.execute(sql.raw(statement));
        await tx.insert(journal).values({ hash, when });
      }
      running = undefined;
      return { applied: pending.map(({ name }) => name) };
    });
  } catch (error) {
    const known = fromDriver(error, true);
    if (running === undefined || known.sqlState === undefined) throw known;
    throw new JourneyDbError("migration", `${running}.sql failed and nothing was applied. ${known.message}`, {
      retryable: known.sqlState === "55P03",
      sqlState: known.sqlState,
      constraint: known.constraint,
    });
  }
}

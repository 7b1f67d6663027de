import { is, sql, TransactionRollbackError } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { lacksTransactions } from "../migrate-failure.js";

/** How long to wait for a lock; and by what the server writes definitions, whatever the role or the database has set. */
const LOCAL: Record<string, string> = {
  lock_timeout: "'3s'",
  quote_all_identifiers: "'off'",
  standard_conforming_strings: "'on'",
  DateStyle: "'ISO'",
  IntervalStyle: "'postgres'",
  bytea_output: "'hex'",
  extra_float_digits: "'1'",
};
/** Where another schema comes first, the names of built-in functions may be written with their schema. */
const BUILT_INS_FIRST = `case current_setting('search_path') when '' then 'pg_catalog' else 'pg_catalog, ' || current_setting('search_path') end`;

const set = (settings: Record<string, string>) =>
  sql.raw(
    Object.entries(settings)
      .map(([name, value]) => `set_config('${name}', ${value}, true)`)
      .join(" || "),
  );

/** A check that compares definitions as the server writes them. */
export const catalogued =
  <T>(use: (tx: Database) => Promise<T>) =>
  async (tx: Database, undone: boolean): Promise<T> => {
    if (undone)
      await tx.select({ set: set({ search_path: BUILT_INS_FIRST }) }).from(sql`(select) as nothing`);
    return use(tx);
  };

/**
 * Runs `use` in a transaction that is rolled back, waiting for each lock no longer than 3 s: even
 * reading what a column's default is waits for one. Where the driver has no transactions it just
 * runs, told so by `undone: false`.
 */
export async function rolledBack<T>(
  db: Database,
  use: (tx: Database, undone: boolean) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined;
  try {
    await db.transaction(async (tx) => {
      await tx.select({ set: set(LOCAL) }).from(sql`(select) as nothing`);
      result = { value: await use(tx, true) };
      tx.rollback();
    });
  } catch (thrown) {
    if (lacksTransactions(thrown)) return use(db, false);
    if (!result || !is(thrown, TransactionRollbackError)) throw thrown;
  }
  return (result as { value: T }).value;
}

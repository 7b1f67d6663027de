import { is, sql, TransactionRollbackError } from "drizzle-orm";
import type { Database } from "../database.js";
import { lacksTransactions } from "../migrate-failure.js";

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
      await tx.execute(sql.raw("SET LOCAL lock_timeout = '3s'"));
      result = { value: await use(tx, true) };
      tx.rollback();
    });
  } catch (thrown) {
    if (lacksTransactions(thrown)) return use(db, false);
    if (!result || !is(thrown, TransactionRollbackError)) throw thrown;
  }
  return (result as { value: T }).value;
}

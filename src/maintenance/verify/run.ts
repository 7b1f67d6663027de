import { is, sql, TransactionRollbackError } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { fromDriver, lacksTransactions } from "../../model/driver-errors.js";
import type { JourneyDbError } from "../../model/errors.js";
import type { Context } from "./check.js";
import { error, type Finding, finding } from "./finding.js";

/** Bounds the wait for a lock, and fixes how the server prints definitions, whatever the role or the database has set. */
const LOCAL: Record<string, string> = {
  lock_timeout: "'3s'",
  quote_all_identifiers: "'off'",
  standard_conforming_strings: "'on'",
  DateStyle: "'ISO'",
  IntervalStyle: "'postgres'",
  bytea_output: "'hex'",
  extra_float_digits: "'1'",
};

const setLocal = (db: Database, settings: Record<string, string>) => {
  const calls = Object.entries(settings).map(([name, value]) => `set_config('${name}', ${value}, true)`);
  return db.select({ set: sql.raw(calls.join(" || ")) }).from(sql`(select) as nothing`);
};

/** If another schema comes before pg_catalog, the server may print built-in functions with their schema. */
export const putBuiltInsFirst = (tx: Database) =>
  setLocal(tx, {
    search_path:
      "case current_setting('search_path') when '' then 'pg_catalog' else 'pg_catalog, ' || current_setting('search_path') end",
  });

/** Limits each statement to 30 s, for checks that read every row. A shorter limit of the role or the connection stays. */
export const limitTime = (tx: Database) =>
  setLocal(tx, {
    statement_timeout:
      "(select case when setting::int between 1 and 30000 then setting else '30000' end from pg_settings where name = 'statement_timeout')",
  });

/**
 * Runs `use` in a transaction that is rolled back. It waits at most 3 s for each lock, since even
 * reading a column's default waits for one. A driver without transactions runs `use` outside of one, with
 * `inTransaction: false`.
 */
export async function rolledBack<T>(
  db: Database,
  use: (tx: Database, inTransaction: boolean) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined;
  try {
    await db.transaction(async (tx) => {
      await setLocal(tx, LOCAL);
      result = { value: await use(tx, true) };
      tx.rollback();
    });
  } catch (thrown) {
    if (lacksTransactions(thrown)) return use(db, false);
    if (!result || !is(thrown, TransactionRollbackError)) throw thrown;
  }
  return (result as { value: T }).value;
}

/** With a savepoint, so that a statement that fails does not end the transaction. */
export const isolated = <T>({ db, inTransaction }: Context, run: (on: Database) => Promise<T>): Promise<T> =>
  inTransaction ? db.transaction(run) : run(db);

/** Whether the server, the connection or a lock is at fault, and not what the statement names. */
export const isOfServer = (sqlState: string): boolean => /^(08|28|3D|53|55|57)/.test(sqlState);

const DISK_FULL = "53100";
/** A lock was not available in time. */
export const LOCKED = "55P03";
/** The statement took too long, perhaps waiting for a lock. */
const TIMED_OUT = "57014";

export const tooLate = ({ sqlState }: JourneyDbError, severity: Finding["severity"] = "warning"): Finding =>
  finding(
    severity,
    "unchecked",
    `A check did not finish in time: SQLSTATE ${sqlState}.`,
    "run journey-db verify again when nothing locks the table",
  );

/**
 * Runs a check. If the server rejects one of its statements, returns the finding that `refused`
 * creates, or `late` for a timeout.
 *
 * @throws JourneyDbError if the server cannot be queried at all: connection, sign-in, shutdown, resources
 */
export async function attempt(
  check: () => Promise<Finding[]>,
  refused: (reason: JourneyDbError) => Finding,
  late: (reason: JourneyDbError) => Finding = (reason) => tooLate(reason),
): Promise<Finding[]> {
  try {
    return await check();
  } catch (thrown) {
    const reason = fromDriver(thrown, true);
    const { sqlState } = reason;
    if (sqlState === DISK_FULL) {
      const message = `The server's disk is full: SQLSTATE ${DISK_FULL}.`;
      return [error("disk_full", message, "make room on the server's disk")];
    }
    if (sqlState === undefined || (sqlState !== TIMED_OUT && /^(08|28|3D|53|57)/.test(sqlState)))
      throw reason;
    return [(sqlState === TIMED_OUT || sqlState === LOCKED ? late : refused)(reason)];
  }
}

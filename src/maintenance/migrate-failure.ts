import { fromDriver } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";

const OTHER_TYPE = "a column of the table that is there has another type; run journey-db verify";
const NAME_TAKEN = "something else has a name that this package needs; rename it";

/** What to do about the refusals that migrating meets. */
const REMEDY: Record<string, string> = {
  "22P02": OTHER_TYPE,
  "23502": "a row lacks a value that it must have; run journey-db verify",
  "25006": "the server or the transaction is read-only",
  "3F000": "the search_path names no schema to create the table in",
  "42501":
    "the role may not do this; migrate as the owner of the table, with CREATE on the database (for schema drizzle) and on the table's schema",
  "42601": "a column of the table that is there is generated or an identity; run journey-db verify",
  "42703": "the table that is there lacks a column; add it, or rename that table",
  "42704": "the table that is there lacks something; run journey-db verify",
  "42710": NAME_TAKEN,
  "42723": NAME_TAKEN,
  "42804": OTHER_TYPE,
  "42809":
    "something else than a plain table has a name that this package needs, and partitioned tables are not supported; rename it",
  "42846": OTHER_TYPE,
  "42883": OTHER_TYPE,
  "42P01": "the table is not in reach; run journey-db verify",
  "42P07": NAME_TAKEN,
  "42P13": "another function has the name of this package's; rename it",
  "55P03": "a lock was not free in time; try again while no long query runs on the table",
};

/** What Drizzle's HTTP drivers throw before anything was sent. */
export const lacksTransactions = (error: unknown): boolean =>
  error instanceof Error && /no transactions support|transactions are not supported/i.test(error.message);

/** A failure of the first statement of all: a refusal is one of the connection then, whatever its SQLSTATE means elsewhere. */
export function connectionFailure(error: unknown): JourneyDbError {
  const known = fromDriver(error, true);
  const { sqlState } = known;
  if (sqlState === undefined || !/^(0A|22|42)/.test(sqlState)) return known;
  const reason =
    sqlState === "42501" ? "the role may not connect to the database" : "check the options that the URL sets";
  const message = `The server refused the connection with SQLSTATE ${sqlState}: ${reason}.`;
  return new JourneyDbError("configuration", message, { sqlState });
}

/** A failure of migrating while it was at `running`, a file or the journal. */
export function migrationFailure(error: unknown, running: string | undefined): JourneyDbError {
  if (lacksTransactions(error)) {
    return new JourneyDbError(
      "configuration",
      "This driver has no transactions; migrate over a direct connection.",
    );
  }
  const known = fromDriver(error, true);
  const { sqlState, constraint } = known;
  // A lost connection or a server that shuts down is no fault of the file.
  if (running === undefined || sqlState === undefined || /^(08|53|57)/.test(sqlState)) return known;
  const remedy = REMEDY[sqlState] ?? "the server refused a statement; run journey-db verify";
  return new JourneyDbError(
    "migration",
    `${running} failed with SQLSTATE ${sqlState} and nothing was applied: ${remedy}.`,
    { retryable: sqlState === "55P03" || known.code === "conflict", sqlState, constraint },
  );
}

import { fromDriver, lacksTransactions } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";

const OTHER_TYPE = "a column of the existing table has another type; run journey-db verify";
const NAME_TAKEN = "another object has a name that this package needs; rename it";

/** The remedy for each SQLSTATE with which a migration is known to fail. */
const REMEDY: Record<string, string> = {
  "22P02": OTHER_TYPE,
  "23502":
    "a row has NULL in a required column; run journey-db verify. A column that the file adds as NOT NULL needs a default, or add it as nullable, fill it, and generate again",
  "25006": "the server or the transaction is read-only",
  "3F000": "the search_path has no schema to create the table in",
  "42501":
    "the role lacks a privilege; migrate as the owner of the table, with CREATE on the database (for schema drizzle) and on the table's schema",
  "42601": "a column of the existing table is generated or an identity column; run journey-db verify",
  "42703": "the existing table lacks a column; add it, or rename that table",
  "42704": "the existing table lacks something; run journey-db verify",
  "42710": NAME_TAKEN,
  "42723": NAME_TAKEN,
  "42804": OTHER_TYPE,
  "42809":
    "an object that is not a plain table has a name that this package needs, and partitioned tables are not supported; rename it",
  "42830":
    "the sessions have another primary key; run journey-db verify. Where they are distributed over servers, run journey-db distribute --undo first, and journey-db distribute again after this",
  "42846": OTHER_TYPE,
  "42883": OTHER_TYPE,
  "42P01": "the table is not on the search_path; run journey-db verify",
  "42P07": NAME_TAKEN,
  "42P13": "another function has the name of this package's function; rename it",
  "55P03": "a lock was not available in time; try again when no long query runs on the table",
  P0001:
    "a trigger or a function of the application raised an error; disable the table's triggers that do (alter table journey_sessions disable trigger …), migrate, and enable them again",
};

/** For a failure of the first statement: the connection was refused, whatever the SQLSTATE means elsewhere. */
export function connectionFailure(error: unknown): JourneyDbError {
  const known = fromDriver(error, true);
  const { sqlState } = known;
  if (sqlState === undefined || !/^(0A|22|42)/.test(sqlState)) return known;
  const reason =
    sqlState === "42501" ? "the role may not connect to the database" : "check the options that the URL sets";
  const message = `The server refused the connection with SQLSTATE ${sqlState}: ${reason}.`;
  return new JourneyDbError("configuration", message, { sqlState });
}

/** @param running the file or the journal at which migrating failed */
export function migrationFailure(error: unknown, running: string | undefined): JourneyDbError {
  if (lacksTransactions(error)) {
    const message = "This driver does not support transactions; migrate over a direct connection.";
    return new JourneyDbError("configuration", message);
  }
  const known = fromDriver(error, true);
  const { sqlState, constraint } = known;
  // A lost connection or a shutdown is not caused by the file.
  if (running === undefined || sqlState === undefined || /^(08|53|57)/.test(sqlState)) return known;
  const remedy = REMEDY[sqlState] ?? "the server rejected a statement; run journey-db verify";
  return new JourneyDbError(
    "migration",
    `${running} failed with SQLSTATE ${sqlState} and nothing was applied: ${remedy}.`,
    { retryable: sqlState === "55P03" || known.code === "conflict", sqlState, constraint },
  );
}

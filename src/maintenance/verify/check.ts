import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import type { OptionalMigrations } from "../../validation/options.js";
import { read } from "../read.js";
import type { DeclaredTable } from "./declared.js";
import { type Finding, type FindingCode, finding, type Remedy } from "./finding.js";

/** How to create what is missing or different. */
export type Applying = Pick<Context, "reapply" | "recreate">;

/** By the migrations that create it. */
export const applying = (context: Context, of: OptionalMigrations | undefined): Applying =>
  of === undefined ? context : context.optional[of];

/** The input of a check. */
export interface Context {
  db: Database;
  /** Whether `db` is a transaction that is rolled back. */
  inTransaction: boolean;
  table: DeclaredTable;
  /** Whether the schema of the application is not known: only what the package needs is checked. */
  packageOnly: boolean;
  /** The application's phases. */
  phases: readonly string[] | undefined;
  /** How to create something again that is missing or different: with its SQL, or by the migrations. */
  reapply: (sql: string) => Remedy;
  /** How to create the table if it is gone. */
  recreate: Remedy;
  /** The same of what the optional migrations create. */
  optional: Record<OptionalMigrations, Applying>;
  /** Called if a session could be created. */
  onInserted: () => void;
}

type Described = [message: string, remedy: Remedy, severity?: Finding["severity"]];

/** One thing that verify checks in the system catalogues. */
export interface Check {
  code: FindingCode;
  /** For each finding that has no severity of its own. @default error */
  severity?: "warning" | "note";
  /** Compares the system catalogues with the declared table, and returns one row per finding. */
  query: SQL;
  /** The message and the remedy for such a row. */
  finding: (row: never, context: Context) => Described | Promise<Described>;
}

/** Runs the queries of all the checks in one round trip. */
export async function runChecks(checks: readonly Check[], context: Context): Promise<Finding[]> {
  const queries = checks.map(
    ({ query }, index) =>
      sql`select ${sql.raw(String(index))} as index, to_jsonb(found) as row from (${query}) as found`,
  );
  const rows = await read<{ index: number; row: never }>(context.db, sql.join(queries, sql` union all `));
  const findings: Finding[] = [];
  for (const { index, row } of rows) {
    const { code, severity = "error", finding: describe } = checks[index] as Check;
    const [message, remedy, own = severity] = await describe(row, context);
    findings.push(finding(own, code, message, remedy));
  }
  return findings;
}

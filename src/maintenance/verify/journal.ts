import type { Database } from "../../model/database.js";
import type { JourneyDbError } from "../../model/errors.js";
import type { OptionalMigrations } from "../../validation/options.js";
import {
  appliedMigrations,
  JOURNALS,
  type Migration,
  type MigrationSet,
  shippedMigrations,
  TABLES,
  theJournal,
} from "../migrate.js";
import { findTable } from "../read.js";
import type { Applying } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import { undoFirst } from "./distributed.js";
import { before, error, type Finding, type Remedy, warning } from "./finding.js";

export const MIGRATE = "run journey-db migrate";
export const migrateWith = (of: OptionalMigrations) => `${MIGRATE} --with ${of}`;

const UPDATE = "update the package first, then run journey-db verify";

export interface Journal extends Applying {
  findings: Finding[];
  /** Whether any migration was applied. */
  begun: boolean;
  /** The migrations to apply. In a workspace they may create what the application declares. */
  pending: readonly Migration[];
}

/** Compares a journal with the shipped migrations. */
export async function checkJournal(
  db: Database,
  of: MigrationSet,
  distributed: DeclaredTable["distributed"],
): Promise<Journal> {
  const run = of === "main" ? MIGRATE : migrateWith(of);
  const journal = `${JOURNALS[of].schema}.${JOURNALS[of].table}`;
  let applied: (number | null)[];
  try {
    applied = (await appliedMigrations(db, of)) ?? [];
  } catch (thrown) {
    const { code, message } = thrown as JourneyDbError;
    if (code !== "migration") throw thrown;
    const rename = `alter table ${journal} rename to old_${JOURNALS[of].table.replace("__journey_db_", "")}`;
    return {
      findings: [error("journal_damaged", message, before(rename, run))],
      begun: true,
      reapply: () => run,
      recreate: run,
      pending: shippedMigrations(of),
    };
  }
  const findings: Finding[] = [];
  const undated = applied.filter((when) => when === null).length;
  if (undated > 0) {
    findings.push(
      error(
        "journal_damaged",
        `${theJournal(of)} is damaged: ${undated} of its rows have no date.`,
        before(`delete from ${journal} where created_at is null`, run),
      ),
    );
  }
  const shipped = shippedMigrations(of);
  const pending = shipped.filter(({ when }) => !applied.includes(when));
  const { exists, elsewhere } = await findTable(db, TABLES[of]);
  // The first migration creates the table. If it is applied already, it does not run again.
  const gone = pending[0] !== shipped[0] && !exists;
  // The first migration adds a table, or constraints, that Citus does not accept beside a distributed one.
  const migrate = distributed && (gone || pending[0] === shipped[0]) ? undoFirst(distributed, run) : run;
  const unknown = applied.filter((when) => when !== null && !shipped.some((one) => one.when === when)).length;
  // A newer version may create the missing objects differently.
  const update = unknown > 0 && (gone || pending.length === 0) ? UPDATE : undefined;
  const recreate =
    update ?? (gone || pending.length === 0 ? before(`delete from ${journal}`, migrate) : migrate);
  // Migrations that are applied do not run again: an application's own, such as ADD COLUMN, would fail.
  const adopts = pending.length === shipped.length;
  const reapply = (sql: string): Remedy => update ?? (adopts && !distributed ? migrate : { sql });
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(", ");
    const remedy =
      gone && elsewhere
        ? `make the table accessible by the search_path first, then ${migrate}`
        : gone
          ? recreate
          : migrate;
    findings.push(error("migrations_pending", `Not applied: ${names}.`, remedy));
  }
  if (unknown > 0) {
    findings.push(
      warning(
        "journal_ahead",
        `The journal has ${unknown} migrations that this version does not know: a newer version was used.`,
        "update the package",
      ),
    );
  }
  // Of the optional migrations: whoever has dropped the table may not want it any more.
  if (of !== "main" && gone && pending.length === 0)
    findings.push(warning("table_missing", `There is no table ${TABLES[of]}.`, recreate));
  return { findings, begun: applied.length > 0, reapply, recreate, pending };
}

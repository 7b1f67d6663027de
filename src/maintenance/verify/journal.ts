import type { Database } from "../../model/database.js";
import type { JourneyDbError } from "../../model/errors.js";
import { appliedMigrations, JOURNALS, type Migration, shippedMigrations, theJournal } from "../migrate.js";
import { findTable } from "../read.js";
import { before, error, type Finding, type Remedy, warning } from "./finding.js";

export const MIGRATE = "run journey-db migrate";

const UPDATE = "update the package first, then run journey-db verify";

const NAME = `${JOURNALS.main.schema}.${JOURNALS.main.table}`;

interface Journal {
  findings: Finding[];
  /** How to create something again that is missing or different. */
  reapply: (sql: string) => Remedy;
  /** How to create the table again. */
  recreate: Remedy;
  /** The migrations to apply. In a workspace they may create what the application declares. */
  pending: readonly Migration[];
}

/** Compares the journal with the shipped migrations. */
export async function checkJournal(db: Database): Promise<Journal> {
  let applied: (number | null)[];
  try {
    applied = (await appliedMigrations(db)) ?? [];
  } catch (thrown) {
    const { code, message } = thrown as JourneyDbError;
    if (code !== "migration") throw thrown;
    const rename = `alter table ${NAME} rename to old_migrations`;
    return {
      findings: [error("journal_damaged", message, before(rename, MIGRATE))],
      reapply: () => MIGRATE,
      recreate: MIGRATE,
      pending: shippedMigrations(),
    };
  }
  const findings: Finding[] = [];
  const undated = applied.filter((when) => when === null).length;
  if (undated > 0) {
    findings.push(
      error(
        "journal_damaged",
        `${theJournal("main")} is damaged: ${undated} of its rows have no date.`,
        before(`delete from ${NAME} where created_at is null`, MIGRATE),
      ),
    );
  }
  const shipped = shippedMigrations();
  const pending = shipped.filter(({ when }) => !applied.includes(when));
  const { exists, elsewhere } = await findTable(db);
  // The first migration creates the table. If it is applied already, it does not run again.
  const gone = pending[0] !== shipped[0] && !exists;
  const unknown = applied.filter((when) => when !== null && !shipped.some((one) => one.when === when)).length;
  // A newer version may create the missing objects differently.
  const update = unknown > 0 && (gone || pending.length === 0) ? UPDATE : undefined;
  const recreate =
    update ?? (gone || pending.length === 0 ? before(`delete from ${NAME}`, MIGRATE) : MIGRATE);
  // Migrations that are applied do not run again: an application's own, such as ADD COLUMN, would fail.
  const adopts = pending.length === shipped.length;
  const reapply = (sql: string): Remedy => update ?? (adopts ? MIGRATE : { sql });
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(", ");
    const remedy =
      gone && elsewhere
        ? `make the table accessible by the search_path first, then ${MIGRATE}`
        : gone
          ? recreate
          : MIGRATE;
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
  return { findings, reapply, recreate, pending };
}

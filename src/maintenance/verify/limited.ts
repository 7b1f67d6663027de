import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { attempt, type Finding, LOCKED, warning } from "./finding.js";

/** How long the server may read rows. Nothing is wrong with a table that takes longer. */
const LONGEST_MS = 30_000;

/**
 * A check that reads every row, within 30 s. No row is sent.
 *
 * @param inTransaction whether a limit can be set for it alone
 * @param what was not checked in time, and how to do it all the same
 */
export const limited = (
  db: Database,
  inTransaction: boolean,
  what: { subject: string; remedy: string },
  check: () => Promise<Finding[]>,
): Promise<Finding[]> =>
  attempt(
    async () => {
      if (inTransaction) await limitTime(db);
      return check();
    },
    (reason) => {
      throw reason;
    },
    (reason) => {
      if (reason.sqlState === LOCKED) throw reason;
      const message = `${what.subject} could not be counted in time: SQLSTATE ${reason.sqlState}.`;
      return warning("unchecked", message, what.remedy);
    },
  );

/** A shorter limit of the role or the connection stays. */
const limitTime = (db: Database) =>
  db
    .select({ set: sql`set_config('statement_timeout', '${sql.raw(String(LONGEST_MS))}', true)` })
    .from(sql`pg_settings`)
    .where(sql`name = 'statement_timeout' and setting::int not between 1 and ${sql.raw(String(LONGEST_MS))}`);

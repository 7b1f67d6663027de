import { sql } from "drizzle-orm";
import type { Database } from "./database.js";
import { appliedMigrations, JOURNAL, requireDatabase, shippedMigrations } from "./migrate.js";
import { attempt, error, type Finding, warning } from "./verify/finding.js";
import { checkOwnRights, checkPublicRights, checkRowSecurity } from "./verify/rights.js";
import { checkRows, probe } from "./verify/rows.js";
import {
  checkColumns,
  checkConstraints,
  checkIndexes,
  readColumns,
  readConstraints,
  type StoredColumn,
  type StoredConstraint,
  TABLE,
} from "./verify/structure.js";
import { checkTrigger } from "./verify/trigger.js";

export type { Finding, FindingCode } from "./verify/finding.js";

/**
 * Checks by hand, as it were, whether this package can work on the database: the server, the
 * migrations, the table with all that belongs to it, the rights on it, the stored rows, and that a
 * row can be inserted and updated as it should. Changes nothing: the row it tries this with is
 * rolled back, or deleted where the driver has no transactions.
 *
 * A table as it was before `migrate`, or none at all, is something to report, not a failure. The
 * rows are read once in full unless validated checks vouch for them.
 *
 * @returns what is not as it should be, gravest first; empty where all is well
 * @throws JourneyDbError invalid_input for a transaction; unavailable, timeout, configuration where
 *   the server cannot be asked
 */
export async function verify(db: Database): Promise<Finding[]> {
  requireDatabase(db, "verify");
  const findings: Finding[] = [];
  const check = async (what: string, run: () => Promise<Finding[]>) => {
    const found = await attempt(run, ({ sqlState }) =>
      warning(
        "unchecked",
        `${what} could not be checked: SQLSTATE ${sqlState}.`,
        "verify with the role that owns the table",
      ),
    );
    findings.push(...found);
    return found;
  };

  await check("The server", () => checkServer(db));
  let reapply = "run journey-db migrate";
  await check(`The journal ${JOURNAL.schema}.${JOURNAL.table}`, async () => {
    const found = await checkJournal(db);
    // Every migration may be run again on a table that has had it.
    if (found.length === 0) reapply = `delete from ${JOURNAL.schema}.${JOURNAL.table}, then ${reapply}`;
    return found;
  });
  const table = await check("The table", () => checkTable(db, reapply));
  if (table.length === 0) {
    let columns: StoredColumn[] = [];
    let constraints: StoredConstraint[] = [];
    await check("The columns", async () => {
      columns = await readColumns(db);
      return checkColumns(columns, reapply);
    });
    await check("The constraints", async () => {
      constraints = await readConstraints(db);
      return checkConstraints(constraints, reapply);
    });
    await check("The indexes", () => checkIndexes(db, reapply));
    await check("The trigger", () => checkTrigger(db, reapply));
    await check("Row level security", () => checkRowSecurity(db));
    await check("The rights of other roles", () => checkPublicRights(db));
    await check("The connected role's rights", () => checkOwnRights(db));
    await check("The stored rows", () => checkRows(db, columns, constraints));
    const refused = findings.some(({ code }) => ["read_only", "role_rights", "rls_active"].includes(code));
    if (!refused) await check("Inserting and updating", () => probe(db));
  }
  return findings.sort((a, b) => Number(b.severity === "error") - Number(a.severity === "error"));
}

/** Whether the server takes writes, and text in every language. */
async function checkServer(db: Database): Promise<Finding[]> {
  const [server] = await db
    .select({
      standby: sql<boolean>`pg_is_in_recovery()`,
      readOnly: sql<boolean>`current_setting('transaction_read_only') = 'on'`,
      encoding: sql<string>`pg_encoding_to_char(encoding)::text`,
    })
    .from(sql`pg_database`)
    .where(sql`datname = current_database()`);
  const findings: Finding[] = [];
  if (server?.standby) {
    findings.push(
      error("read_only", "The server is a standby: it takes no writes.", "connect to the primary"),
    );
  } else if (server?.readOnly) {
    findings.push(
      error(
        "read_only",
        "Transactions are read-only here (default_transaction_read_only).",
        "a host may have set it because the disk is full: make room; else reset it for the role or the database",
      ),
    );
  }
  if (server && server.encoding !== "UTF8") {
    findings.push(
      error(
        "encoding",
        `The database's encoding is ${server.encoding}.`,
        "make a database with encoding UTF8",
      ),
    );
  }
  return findings;
}

async function checkJournal(db: Database): Promise<Finding[]> {
  const applied = (await appliedMigrations(db)) ?? [];
  const shipped = shippedMigrations();
  const pending = shipped.filter(({ when }) => !applied.includes(when));
  const unknown = applied.filter((when) => !shipped.some((migration) => migration.when === when));
  const findings: Finding[] = [];
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(", ");
    findings.push(error("migrations_pending", `Not applied: ${names}.`, "run journey-db migrate"));
  }
  if (unknown.length > 0) {
    findings.push(
      warning(
        "journal_ahead",
        `${unknown.length} applied migrations are not this version's: a newer one was here.`,
        "update the package",
      ),
    );
  }
  return findings;
}

async function checkTable(db: Database, reapply: string): Promise<Finding[]> {
  const [table] = await db
    .select({ kind: sql<string>`relkind::text` })
    .from(sql`pg_class`)
    .where(sql`oid = ${TABLE}`);
  if (table && table.kind !== "r" && table.kind !== "p") {
    return [
      error(
        "not_a_table",
        "journey_sessions is not a table.",
        "rename what has its name, then run journey-db migrate",
      ),
    ];
  }
  if (table) return [];
  const elsewhere = await db
    .select({ schema: sql<string>`relnamespace::regnamespace::text` })
    .from(sql`pg_class`)
    .where(sql`relname = 'journey_sessions' and relkind in ('r', 'p')`);
  const schemas = elsewhere.map(({ schema }) => schema).join(", ");
  return [
    schemas
      ? error(
          "table_missing",
          `The table is in schema ${schemas}, which the connected role's search_path does not lead to.`,
          "grant usage on that schema to the role and put it on its search_path",
        )
      : error("table_missing", "There is no table journey_sessions.", reapply),
  ];
}

import { sql } from "drizzle-orm";
import * as z from "zod";
import type { Database } from "../../model/database.js";
import type { JourneyDbError } from "../../model/errors.js";
import { journeyOptionsSchema } from "../../validation/options.js";
import { parse } from "../../validation/parse.js";
import {
  appliedMigrations,
  JOURNAL,
  requireDatabase,
  schemasElsewhere,
  shippedMigrations,
} from "../migrate.js";
import { connectionFailure } from "../migrate-failure.js";
import { checkColumns, readColumns, type StoredColumn } from "./columns.js";
import {
  attempt,
  before,
  error,
  type Finding,
  type FindingCode,
  LOCKED,
  type Remedy,
  tooLate,
  warning,
} from "./finding.js";
import { checkIndexes } from "./indexes.js";
import { checkLosses } from "./losses.js";
import { checkMessageIds } from "./message-ids.js";
import { checkOlderMessages } from "./older-messages.js";
import { probe } from "./probe.js";
import { checkOwnRights, checkPublicRights, checkRowSecurity, checkViews } from "./rights.js";
import { catalogued, rolledBack } from "./rolled-back.js";
import { checkRows } from "./rows.js";
import { checkStorage } from "./storage.js";
import { checkConstraints, readConstraints, type StoredConstraint, TABLE } from "./structure.js";
import { checkTrigger } from "./trigger.js";

export type { Finding, FindingCode } from "./finding.js";

export interface VerifyOptions {
  /** The phases that `defineJourney` lists: sessions in any other are counted. @default any text */
  phases?: readonly string[] | undefined;
}

const optionsSchema = z.strictObject({ phases: journeyOptionsSchema.out.shape.phases });

/**
 * Checks by hand, as it were, whether this package can work on the database: the server, the
 * migrations, the table with all that belongs to it, the rights on it, the stored rows, and that a
 * row can be inserted, updated and deleted as it should. Changes nothing: the row it tries this with
 * is rolled back, or deleted where the driver has no transactions. After
 * waiting 3 s for a lock it leaves out what is not checked yet (code unchecked).
 *
 * A table as it was before `migrate`, or none at all, is something to report, not a failure. The
 * server reads all conversations twice, for 30 s each at most, to count messages of AI SDK 4 and message ids that repeat, and
 * all rows without them once.
 *
 * @returns what is not as it should be, errors first, in the order in which to put it right; empty where all is well
 * @throws JourneyDbError invalid_input for a transaction; unavailable, timeout, configuration where
 *   the server cannot be asked
 */
export async function verify(db: Database, options: VerifyOptions = {}): Promise<Finding[]> {
  const { phases } = parse(optionsSchema, options);
  requireDatabase(db, "verify");
  const findings = await rolledBack(db, checkServer).catch((thrown) => {
    throw connectionFailure(thrown);
  });
  // The other checks would wait for the same lock, one after the other.
  let locked = false;
  const check = async (
    what: string,
    run: (tx: Database, undone: boolean) => Promise<Finding[]>,
    grade: typeof error = warning,
  ) => {
    if (locked) return [];
    const late = (reason: JourneyDbError) => {
      locked = reason.sqlState === LOCKED;
      return tooLate(reason, locked ? error : grade);
    };
    const found = await attempt(() => rolledBack(db, run), unchecked(what, grade), late);
    findings.push(...found);
    return found;
  };

  let reapply: Remedy = MIGRATE;
  await check(journal, async (tx) => {
    const checked = await checkJournal(tx);
    reapply = checked.reapply;
    return checked.findings;
  });
  const table = await check("The table", (tx) => checkTable(tx, reapply), error);
  if (!table.some(({ severity }) => severity === "error")) {
    let columns: StoredColumn[] = [];
    let constraints: StoredConstraint[] = [];
    await check(
      "The columns",
      catalogued(async (tx) => {
        columns = await readColumns(tx);
        return checkColumns(tx, columns, reapply);
      }),
    );
    await check(
      "The constraints",
      catalogued(async (tx) => {
        constraints = await readConstraints(tx);
        return checkConstraints(tx, constraints, columns, reapply);
      }),
    );
    await check(
      "The indexes",
      catalogued((tx) => checkIndexes(tx, reapply)),
    );
    await check(
      "The trigger",
      catalogued((tx) => checkTrigger(tx, reapply)),
    );
    await check("The storage", (tx) => checkStorage(tx, reapply));
    await check("What loses rows", checkLosses);
    await check("Row level security", checkRowSecurity);
    await check("The rights of other roles", checkPublicRights);
    await check("The views of the table", checkViews);
    await check("The connected role's rights", checkOwnRights);
    await check("The stored rows", (tx, undone) => checkRows(tx, columns, constraints, undone, phases));
    await check("The ids of messages", (tx, undone) => checkMessageIds(tx, columns, undone));
    await check("The stored messages", (tx, undone) => checkOlderMessages(tx, columns, undone));
    const refused = findings.some(({ code }) => ["read_only", "role_rights", "rls_active"].includes(code));
    if (!refused) await check("Inserting, updating and deleting", probe);
  }
  return findings.sort((a, b) => rank(a) - rank(b));
}

/** What the migrations need before they can be applied, and what that needs before. */
const BEFORE_MIGRATE: Partial<Record<FindingCode, number>> = {
  table_elsewhere: 0,
  not_a_table: 0,
  null_values: 0,
  column_type: 0,
  column_default: 1,
  column_missing: 1,
};

/** Errors first, in the order in which their remedies work. */
const rank = ({ severity, code }: Finding) => (severity === "warning" ? 3 : (BEFORE_MIGRATE[code] ?? 2));

const MIGRATE = "run journey-db migrate";

const journal = `The journal ${JOURNAL.schema}.${JOURNAL.table}`;

const unchecked =
  (what: string, grade: typeof error) =>
  ({ sqlState }: JourneyDbError) =>
    grade(
      "unchecked",
      `${what} could not be checked: SQLSTATE ${sqlState}.`,
      sqlState === "42501"
        ? "verify with the role that owns the table"
        : "see the server's log for what it refused",
    );

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

/** Also how to have migrations applied that the journal says were applied. */
async function checkJournal(db: Database): Promise<{ findings: Finding[]; reapply: Remedy }> {
  const name = `${JOURNAL.schema}.${JOURNAL.table}`;
  let applied: (number | null)[];
  try {
    applied = (await appliedMigrations(db)) ?? [];
  } catch (thrown) {
    const { code, message } = thrown as JourneyDbError;
    if (code !== "migration") throw thrown;
    const rename = `alter table ${name} rename to old_migrations`;
    return { findings: [error("journal_damaged", message, before(rename, MIGRATE))], reapply: MIGRATE };
  }
  const shipped = shippedMigrations();
  const pending = shipped.filter(({ when }) => !applied.includes(when));
  const unknown = applied.filter(
    (when) => when !== null && !shipped.some((migration) => migration.when === when),
  );
  const undated = applied.filter((when) => when === null).length;
  // The first of all makes the table: where it has been applied, it is not again.
  const made = pending[0] !== shipped[0];
  const gone = made && !isTable(await readTable(db));
  // Every migration may be run again on a table that has had it.
  const again = before(`delete from ${name}`, MIGRATE);
  // Of a newer version, what is missing may not be this version's to make.
  const updated = "update the package first, then run journey-db verify";
  let reapply: Remedy = MIGRATE;
  if (gone || pending.length === 0) reapply = unknown.length > 0 ? updated : again;
  const findings: Finding[] = [];
  if (undated > 0) {
    const message = `${journal} is damaged: ${undated} of its rows have no date.`;
    const remedy = before(`delete from ${name} where created_at is null`, MIGRATE);
    findings.push(error("journal_damaged", message, remedy));
  }
  if (pending.length > 0) {
    const names = pending.map(({ name }) => name).join(", ");
    const elsewhere = gone && (await schemasElsewhere(db)).length > 0;
    const remedy = elsewhere ? `put the table within reach first, then ${MIGRATE}` : reapply;
    findings.push(error("migrations_pending", `Not applied: ${names}.`, remedy));
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
  return { findings, reapply };
}

interface StoredTable {
  /** That of pg_class.relkind. */
  kind: string;
  /** As SQL writes it. */
  schema: string;
}

const isTable = (found: StoredTable | undefined) => found?.kind === "r" || found?.kind === "p";

async function readTable(db: Database): Promise<StoredTable | undefined> {
  const [table] = await db
    .select({ kind: sql<string>`relkind::text`, schema: sql<string>`relnamespace::regnamespace::text` })
    .from(sql`pg_class`)
    .where(sql`oid = ${TABLE}`);
  return table;
}

/** Whether the schema's table has no rows; undefined where the role may not read them. */
async function isEmpty(db: Database, schema: string): Promise<boolean | undefined> {
  const table = `${schema}.journey_sessions`;
  const [may] = await db
    .select({ read: sql<boolean>`has_table_privilege(c.oid, 'SELECT') and not row_security_active(c.oid)` })
    .from(sql`pg_class c join pg_namespace n on n.oid = c.relnamespace`)
    .where(
      sql`c.relname = 'journey_sessions' and quote_ident(n.nspname) = ${schema}::text and has_schema_privilege(n.oid, 'USAGE')`,
    );
  if (!may?.read) return undefined;
  const [found] = await db
    .select({ empty: sql<boolean>`not exists (select from ${sql.raw(table)})` })
    .from(sql`(select) as nothing`);
  return found?.empty;
}

async function withRows(db: Database, schemas: readonly string[]): Promise<string[]> {
  const full: string[] = [];
  for (const schema of schemas) if ((await isEmpty(db, schema)) === false) full.push(schema);
  return full;
}

async function checkTable(db: Database, reapply: Remedy): Promise<Finding[]> {
  const table = await readTable(db);
  // Waits for a lock as the other checks do, so that a locked table shows here.
  await db.select({ size: sql`pg_relation_size(${TABLE})` }).from(sql`(select) as nothing`);
  if (table?.kind === "p") {
    const message = "journey_sessions is a partitioned table, which this package does not support.";
    return [error("not_a_table", message, "move its rows to a table that is not partitioned")];
  }
  if (table && !isTable(table)) {
    const words = typeof reapply === "string" ? reapply : `${reapply.sql}${reapply.rest}`;
    return [
      error(
        "not_a_table",
        "journey_sessions is not a table.",
        table.kind === "c"
          ? `rename the type that has its name, then ${words}`
          : before("alter table journey_sessions rename to journey_sessions_other", reapply),
      ),
    ];
  }
  const elsewhere = await schemasElsewhere(db);
  const schemas = elsewhere.join(", ");
  if (table) {
    if (!schemas) return [];
    const full = (await isEmpty(db, table.schema)) ? await withRows(db, elsewhere) : [];
    if (full.length > 0) {
      const where = full.join(", ");
      return [
        error(
          "table_elsewhere",
          `The table journey_sessions in schema ${where} has rows, and the one in schema ${table.schema}, which the search_path leads to, has none: calls do not see those rows.`,
          `put schema ${where} first: ?search_path=${where} in the URL, or alter role … set search_path; then run journey-db verify. If the empty table is the right one, move the other to a database of its own, or rename it`,
        ),
      ];
    }
    const message = `There is a table journey_sessions in schema ${schemas}, too. The journal is one for the whole database, so migrations are applied to only one of the tables.`;
    return [warning("table_elsewhere", message, "move the other to a database of its own, or rename it")];
  }
  return [
    schemas
      ? error(
          "table_missing",
          `The table is in schema ${schemas}, which the connected role's search_path does not lead to. The journal is one for the whole database.`,
          `grant usage on that schema to the role and put it on its search_path${reapply === MIGRATE ? `, or ${MIGRATE}` : ""}`,
        )
      : error("table_missing", "There is no table journey_sessions.", reapply),
  ];
}

import * as z from "zod";
import type { Database } from "../../model/database.js";
import { type JourneyTable, quotedName } from "../../schema.js";
import { journeyOptionsSchema } from "../../validation/journey-options.js";
import { OPTIONAL, type OptionalMigrations } from "../../validation/options.js";
import { parse } from "../../validation/parse.js";
import { type Migration, requireDatabase, theJournal } from "../migrate.js";
import { connectionFailure } from "../migrate-failure.js";
import { type Applying, type Check, type Context, runChecks } from "./check.js";
import { columnChecks } from "./columns.js";
import { constraintChecks } from "./constraints.js";
import { type DeclaredTable, declare, isDefaultTable, optionsOf } from "./declared.js";
import { undoFirst } from "./distributed.js";
import { type Finding, type FindingCode, finding, type Remedy } from "./finding.js";
import { checkJournal, MIGRATE, migrateWith } from "./journal.js";
import { checkMessageContents, countMessageRows } from "./message-rows.js";
import { countMessages, olderMessages, repeatedIds, selectRepeatedIds } from "./messages.js";
import { checkOptionalTables } from "./optional-table.js";
import { checkOwnColumns } from "./own-columns.js";
import { checkOwnObjects } from "./own-objects.js";
import { probe } from "./probe.js";
import { countReplies } from "./replies.js";
import { rightsChecks } from "./rights.js";
import { countRows } from "./rows.js";
import { attempt, LOCKED, limitTime, putBuiltInsFirst, rolledBack, tooLate } from "./run.js";
import { storageChecks } from "./storage.js";
import { checkTable, forTable, SERVER_CHECKS } from "./table.js";
import { triggerChecks } from "./trigger.js";

export type { Finding, FindingCode } from "./finding.js";

export interface VerifyOptions {
  /** The table that `journeyTable` declares. @default journeySessions */
  table?: JourneyTable | undefined;
  /** The phases that `defineJourney` lists: sessions in any other phase are counted. @default any text */
  phases?: readonly string[] | undefined;
}

const optionsSchema = z.strictObject({
  table: journeyOptionsSchema.out.shape.table,
  phases: journeyOptionsSchema.out.shape.phases,
});

/** A group of checks in a transaction of its own. */
interface Step {
  /** The subject of the message if the group cannot be checked. */
  subject: string;
  run: (context: Context) => Promise<Finding[]>;
  /** Whether an error ends verify. */
  required?: true;
  /** Whether it inserts, updates and deletes. */
  writes?: true;
  /** Whether it compares what the application declares itself. */
  own?: true;
  /** The optional table or tables that it needs. */
  of?: "messages" | "replies";
  /** For a step that reads every row: the remedy if that takes more than 30 s. */
  slow?: (table: DeclaredTable) => string;
}

/** A step whose checks compare definitions as the server prints them. */
const definitions = (subject: string, checks: (table: DeclaredTable) => readonly Check[]): Step => ({
  subject,
  run: async (context) => {
    if (context.inTransaction) await putBuiltInsFirst(context.db);
    return runChecks(checks(context.table), context);
  },
});

const WHEN_LESS_BUSY = () => "run journey-db verify again when the server is less busy";

const STEPS: Step[] = [
  { subject: "The table", run: checkTable, required: true },
  definitions("The columns", columnChecks),
  {
    subject: "The application's columns",
    own: true,
    run: async (context) => {
      if (context.inTransaction) await putBuiltInsFirst(context.db);
      return checkOwnColumns(context);
    },
  },
  definitions("The constraints and indexes", constraintChecks),
  {
    subject: "The application's indexes, constraints and policies",
    own: true,
    run: checkOwnObjects,
  },
  definitions("The trigger, the storage and the privileges", (table) => [
    ...triggerChecks(table),
    ...storageChecks(table),
    ...rightsChecks(table),
  ]),
  {
    subject: "The table of messages",
    run: checkOptionalTables(({ messages }) => [messages]),
    of: "messages",
  },
  {
    subject: "The tables of replies",
    run: checkOptionalTables(({ replies }) => replies ?? []),
    of: "replies",
  },
  {
    subject: "The stored rows",
    run: countRows,
    slow: WHEN_LESS_BUSY,
  },
  { subject: "The replies", run: countReplies, of: "replies", slow: WHEN_LESS_BUSY },
  { subject: "The messages in rows", run: countMessageRows, of: "messages", slow: WHEN_LESS_BUSY },
  {
    subject: "The contents of messages in rows",
    run: checkMessageContents,
    of: "messages",
    slow: WHEN_LESS_BUSY,
  },
  {
    subject: "The ids of messages",
    run: countMessages(repeatedIds),
    slow: (table) => `run this when the server is less busy: ${selectRepeatedIds(table)}`,
  },
  {
    subject: "Messages of AI SDK 4",
    run: countMessages(olderMessages),
    slow: (table) =>
      forTable(table, "journey-db convert-messages --dry-run counts them in batches", "convertMessages"),
  },
  { subject: "Inserting, updating and deleting", run: probe, writes: true },
];

/**
 * Checks whether this package can work on the database: the server, the migrations, the table and
 * everything that belongs to it, the privileges, the stored rows, and whether a row can be inserted, updated and
 * deleted. Changes nothing: the row of that test is rolled back, or deleted if the driver has no
 * transactions. If a lock is not available within 3 s, the remaining checks are skipped (code `unchecked`).
 *
 * Of a Citus cluster, it expects either tables of one server or what `distribute` makes of them.
 *
 * A missing table, or one that is not migrated yet, is reported as a finding, not as a failure. The
 * server reads every conversation twice, to count messages of AI SDK 4 and repeated message ids, and
 * every row once without its conversation, and every message in rows twice, each for at most 30 s.
 *
 * A finding of severity `note` is something that the schema does not declare, such as another column, policy or index.
 * It is not an error.
 *
 * @returns the findings, errors first and notes last, in the order in which to follow their remedies; empty if there are none
 * @throws JourneyDbError invalid_input for a transaction; unavailable, timeout, configuration if
 *   the server cannot be queried
 */
export async function verify(db: Database, options: VerifyOptions = {}): Promise<Finding[]> {
  const { table, phases } = parse(optionsSchema, options);
  return (await verifyTable(db, table, { phases })).findings;
}

/**
 * @param options `packageOnly`: the table has other columns, indexes and so on, which only the application knows
 * @returns the findings, and whether a row could be inserted
 */
export async function verifyTable(
  db: Database,
  journeyTable: JourneyTable,
  { phases, packageOnly = false }: Pick<VerifyOptions, "phases"> & { packageOnly?: boolean },
): Promise<{ findings: Finding[]; inserted: boolean }> {
  requireDatabase(db, "verify");
  let table: DeclaredTable | undefined;
  let reapply = (exact: string): Remedy => ({ sql: exact });
  let recreate: Remedy = MIGRATE;
  const optional = eachOptional((of): Applying => ({ reapply, recreate: migrateWith(of) }));
  let pending: readonly Migration[] = [];
  let hasJournals = false;
  let inserted = false;
  const inContext = (run: Step["run"]) =>
    rolledBack(db, async (tx, inTransaction) => {
      table ??= await declare(tx, journeyTable);
      const context = { db: tx, inTransaction, table, packageOnly, phases, reapply, recreate, optional };
      return run({ ...context, onInserted: () => (inserted = true) });
    });

  const findings = await inContext((context) => runChecks(SERVER_CHECKS, context)).catch((thrown) => {
    throw connectionFailure(thrown);
  });
  const journal: Step = {
    subject: theJournal("main"),
    run: async (context) => {
      if (!isDefaultTable(context.table)) {
        const { distributed } = context.table;
        recreate = createOwn(context.table);
        for (const of of OPTIONAL) {
          const create = createOwn(context.table, ` --with ${of}`);
          optional[of] = { reapply, recreate: distributed ? undoFirst(distributed, create) : create };
        }
        return [];
      }
      const checked = await checkJournal(context.db, "main", context.table.distributed);
      ({ reapply, recreate, pending } = checked);
      hasJournals = true;
      return checked.findings;
    },
  };
  // In a transaction of its own: after a journal without dates, the first one accepts no other statement.
  const optionalJournals = OPTIONAL.map(
    (name): Step => ({
      subject: theJournal(name),
      run: async (context) => {
        if (!hasJournals) return [];
        const checked = await checkJournal(context.db, name, context.table.distributed);
        optional[name] = checked;
        const { messages, replies } = context.table;
        const exists = name === "message-rows" ? messages : replies;
        return checked.begun || exists ? checked.findings : [];
      },
    }),
  );
  for (const { subject, run, required, writes, own, of, slow } of [journal, ...optionalJournals, ...STEPS]) {
    if (writes && findings.some(({ code }) => REFUSES_WRITES.includes(code))) continue;
    if (of && !(table as DeclaredTable | undefined)?.[of]) continue;
    const severity = required ? "error" : "warning";
    let locked = false;
    const found = await attempt(
      () =>
        inContext(async (context) => {
          if (slow && context.inTransaction) await limitTime(context.db);
          return run(context);
        }),
      ({ sqlState }) =>
        finding(
          severity,
          "unchecked",
          `${subject} could not be checked: SQLSTATE ${sqlState}.`,
          sqlState === "42501"
            ? "run journey-db verify as the role that owns the table"
            : "see the server's log for the reason",
        ),
      (reason) => {
        locked = reason.sqlState === LOCKED;
        if (!slow || locked) return tooLate(reason, locked ? "error" : severity);
        const message = `${subject} could not be counted in time: SQLSTATE ${reason.sqlState}.`;
        return finding("warning", "unchecked", message, slow(table as DeclaredTable));
      },
    );
    findings.push(...(own && table ? byMigration(found, table, pending) : found));
    // The other steps would wait for the same lock, one after the other.
    if (locked || (required && found.some((one) => one.severity === "error"))) break;
  }
  const sorted = findings
    .filter(({ code }) => !packageOnly || code !== "column_unexpected")
    // The error about what needs the table has the same remedy.
    .filter(
      (one) =>
        one.code !== "table_missing" ||
        one.severity === "error" ||
        !findings.some(({ severity, remedy }) => severity === "error" && remedy.startsWith(one.remedy)),
    )
    // A trigger fills a column that seemed to need a value.
    .map((one) =>
      inserted && one.code === "column_unexpected" && one.message.includes("no session")
        ? { ...one, severity: "note" as const }
        : one,
    )
    .sort((a, b) => rank(a) - rank(b));
  return { findings: sorted, inserted };
}

const eachOptional = <T>(value: (of: OptionalMigrations) => T) =>
  Object.fromEntries(OPTIONAL.map((of) => [of, value(of)])) as Record<OptionalMigrations, T>;

/** What creates a table of the application. */
const createOwn = (table: DeclaredTable, more = "") =>
  `apply the application's migrations; one of them must have the SQL that journey-db sql${optionsOf(table)}${more} prints`;

/** Replaces the SQL for an object of the application that a pending migration creates, which would then fail. */
function byMigration(
  findings: readonly Finding[],
  { own }: DeclaredTable,
  pending: readonly Migration[],
): Finding[] {
  const text = pending.flatMap(({ statements }) => statements).join("\n");
  const created = [
    ...Object.values(own)
      .flat()
      .filter(({ key }) => text.includes(quotedName(key)))
      .map(({ name }) => name),
    ...own.columns.flatMap((one) => (one.enum && text.includes(one.enum.type) ? [one.enum.type] : [])),
  ];
  return findings.map((found) => {
    const { sql, ...rest } = found;
    if (found.severity === "note" || !created.some((name) => found.message.includes(` ${name} `)))
      return found;
    const column = own.columns.find(({ name }) => found.message === `Column ${name} is missing.`);
    return { ...rest, remedy: column?.notNull && !sql?.includes(" not null") ? NULLABLE_FIRST : MIGRATE };
  });
}

/** For a column that is NOT NULL without a default, in a table with rows. */
const NULLABLE_FIRST =
  "give the column a default, or declare it without notNull(), and generate the migration again, since stored rows have no value for it; set it NOT NULL in a later migration, when each row has a value";

const REFUSES_WRITES: readonly FindingCode[] = ["read_only", "role_rights", "rls_active"];

/** Errors to resolve before the migrations can be applied, and their order. */
const BEFORE_MIGRATE: Partial<Record<FindingCode, number>> = {
  table_elsewhere: 0,
  not_a_table: 0,
  null_values: 0,
  column_type: 0,
  column_default: 1,
  column_missing: 1,
};

/** Errors first, in the order in which their remedies work. */
const rank = ({ severity, code }: Finding) =>
  severity === "note" ? 4 : severity === "warning" ? 3 : (BEFORE_MIGRATE[code] ?? 2);

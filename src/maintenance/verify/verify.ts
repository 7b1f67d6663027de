import * as z from "zod";
import type { Database } from "../../model/database.js";
import { journeyOptionsSchema } from "../../validation/journey-options.js";
import { parse } from "../../validation/parse.js";
import { requireDatabase, THE_JOURNAL } from "../migrate.js";
import { connectionFailure } from "../migrate-failure.js";
import { type Check, type Context, runChecks } from "./check.js";
import { COLUMN_CHECKS } from "./columns.js";
import { CONSTRAINT_CHECKS } from "./constraints.js";
import { type Finding, type FindingCode, finding, type Remedy } from "./finding.js";
import { checkJournal, MIGRATE } from "./journal.js";
import { countMessages, OLDER_MESSAGES, REPEATED_IDS, SELECT_REPEATED_IDS } from "./messages.js";
import { probe } from "./probe.js";
import { RIGHTS_CHECKS } from "./rights.js";
import { countRows } from "./rows.js";
import { attempt, LOCKED, limitTime, putBuiltInsFirst, rolledBack, tooLate } from "./run.js";
import { STORAGE_CHECKS } from "./storage.js";
import { checkTable, SERVER_CHECKS } from "./table.js";
import { triggerChecks } from "./trigger.js";

export type { Finding, FindingCode } from "./finding.js";

export interface VerifyOptions {
  /** The phases that `defineJourney` lists: sessions in any other phase are counted. @default any text */
  phases?: readonly string[] | undefined;
}

const optionsSchema = z.strictObject({ phases: journeyOptionsSchema.out.shape.phases });

/** A group of checks in a transaction of its own. */
interface Step {
  /** The subject of the message if the group cannot be checked. */
  subject: string;
  run: (context: Context) => Promise<Finding[]>;
  /** Whether an error ends verify. */
  required?: true;
  /** Whether it inserts, updates and deletes. */
  writes?: true;
  /** For a step that reads every row: the remedy if that takes more than 30 s. */
  slow?: string;
}

/** A step whose checks compare definitions as the server prints them. */
const definitions = (subject: string, checks: () => readonly Check[]): Step => ({
  subject,
  run: async (context) => {
    if (context.inTransaction) await putBuiltInsFirst(context.db);
    return runChecks(checks(), context);
  },
});

const STEPS: Step[] = [
  { subject: "The table", run: checkTable, required: true },
  definitions("The columns", () => COLUMN_CHECKS),
  definitions("The constraints and indexes", () => CONSTRAINT_CHECKS),
  definitions("The trigger, the storage and the privileges", () => [
    ...triggerChecks(),
    ...STORAGE_CHECKS,
    ...RIGHTS_CHECKS,
  ]),
  {
    subject: "The stored rows",
    run: countRows,
    slow: "run journey-db verify again when the server is less busy",
  },
  {
    subject: "The ids of messages",
    run: countMessages(REPEATED_IDS),
    slow: `run this when the server is less busy: ${SELECT_REPEATED_IDS}`,
  },
  {
    subject: "Messages of AI SDK 4",
    run: countMessages(OLDER_MESSAGES),
    slow: "journey-db convert-messages --dry-run counts them in batches",
  },
  { subject: "Inserting, updating and deleting", run: probe, writes: true },
];

/**
 * Checks whether this package can work on the database: the server, the migrations, the table and
 * everything that belongs to it, the privileges, the stored rows, and whether a row can be inserted, updated and
 * deleted. Changes nothing: the row of that test is rolled back, or deleted if the driver has no
 * transactions. If a lock is not available within 3 s, the remaining checks are skipped (code `unchecked`).
 *
 * A missing table, or one that is not migrated yet, is reported as a finding, not as a failure. The
 * server reads every conversation twice, to count messages of AI SDK 4 and repeated message ids, and
 * every row once without its conversation, each for at most 30 s.
 *
 * @returns the findings, errors first, in the order in which to follow their remedies; empty if there are none
 * @throws JourneyDbError invalid_input for a transaction; unavailable, timeout, configuration if
 *   the server cannot be queried
 */
export async function verify(db: Database, options: VerifyOptions = {}): Promise<Finding[]> {
  const { phases } = parse(optionsSchema, options);
  requireDatabase(db, "verify");
  let reapply: Remedy = MIGRATE;
  const inContext = (run: Step["run"]) =>
    rolledBack(db, (tx, inTransaction) => run({ db: tx, inTransaction, phases, reapply }));

  const findings = await inContext((context) => runChecks(SERVER_CHECKS, context)).catch((thrown) => {
    throw connectionFailure(thrown);
  });
  const journal: Step = {
    subject: THE_JOURNAL,
    run: async (context) => {
      const checked = await checkJournal(context.db);
      reapply = checked.reapply;
      return checked.findings;
    },
  };
  for (const { subject, run, required, writes, slow } of [journal, ...STEPS]) {
    if (writes && findings.some(({ code }) => REFUSES_WRITES.includes(code))) continue;
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
        return finding("warning", "unchecked", message, slow);
      },
    );
    findings.push(...found);
    // The other steps would wait for the same lock, one after the other.
    if (locked || (required && found.some((one) => one.severity === "error"))) break;
  }
  return findings.sort((a, b) => rank(a) - rank(b));
}

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
const rank = ({ severity, code }: Finding) => (severity === "warning" ? 3 : (BEFORE_MIGRATE[code] ?? 2));

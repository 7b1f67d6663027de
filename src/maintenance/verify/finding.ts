import { fromDriver } from "../../model/driver-errors.js";
import type { JourneyDbError } from "../../model/errors.js";

/** What verify can find, as a closed list that a program can branch on. */
export type FindingCode =
  | "check_different"
  | "check_missing"
  | "check_not_validated"
  | "column_collation"
  | "column_default"
  | "column_missing"
  | "column_nullable"
  | "column_type"
  | "column_unexpected"
  | "constraint_unexpected"
  | "created_at_changed"
  | "default_not_applied"
  | "delete_failed"
  | "disk_full"
  | "encoding"
  | "foreign_key"
  | "function_different"
  | "function_rights"
  | "function_search_path"
  | "index_different"
  | "index_missing"
  | "insert_failed"
  | "journal_ahead"
  | "journal_damaged"
  | "message_ids"
  | "messages_ai_sdk_4"
  | "migrations_pending"
  | "not_a_table"
  | "null_values"
  | "phase_unlisted"
  | "policy"
  | "primary_key"
  | "probe_left"
  | "public_rights"
  | "read_only"
  | "rls_active"
  | "rls_disabled"
  | "rls_forced"
  | "role_rights"
  | "rows_encoded_twice"
  | "rows_forbidden"
  | "rule_unexpected"
  | "service_role_rights"
  | "storage"
  | "table_elsewhere"
  | "table_missing"
  | "table_unlogged"
  | "trigger_different"
  | "trigger_disabled"
  | "trigger_missing"
  | "trigger_unexpected"
  | "unchecked"
  | "unique_index"
  | "update_failed"
  | "user_id_unusable"
  | "updated_at_unchanged"
  | "view_rights";

/** One thing that is not as it should be. No field holds what a user wrote. */
export interface Finding {
  /** error: calls of this package fail, lose something or show it to others. warning: they work, but look at it. */
  severity: "error" | "warning";
  code: FindingCode;
  message: string;
  /** What to do about it: SQL, a command, or words. Where there is SQL, it comes first. */
  remedy: string;
  /** The SQL that `remedy` begins with, complete: it can be run as it is, by psql or a driver. */
  sql?: string;
}

/** Words, or SQL and what follows it, such as ", then run journey-db migrate". */
export type Remedy = string | { sql: string; rest?: string };

export const error = (code: FindingCode, message: string, remedy: Remedy): Finding => {
  const finding = { severity: "error", code, message } as const;
  if (typeof remedy === "string") return { ...finding, remedy };
  return { ...finding, remedy: remedy.sql + (remedy.rest ?? ""), sql: remedy.sql };
};

export const warning = (code: FindingCode, message: string, remedy: Remedy): Finding => ({
  ...error(code, message, remedy),
  severity: "warning",
});

/** The statement, and then the remedy. */
export const before = (statement: string, remedy: Remedy): Remedy =>
  typeof remedy === "string"
    ? { sql: statement, rest: `, then ${remedy}` }
    : { ...remedy, sql: atOnce([statement, remedy.sql]) };

/** Statements as one, so that all of them take effect or none, wherever it is run. */
export const atOnce = (statements: readonly string[]): string =>
  statements.length === 1
    ? (statements[0] as string)
    : `do $remedy$ begin ${statements.map((statement) => `${statement}; `).join("")}end $remedy$`;

/**
 * The server's refusal of a statement. Whatever says that there is no server to ask (connection,
 * sign-in, shutdown, resources) is thrown instead: verify has nothing to report then.
 */
function refusal(thrown: unknown): JourneyDbError {
  const known = fromDriver(thrown, true);
  const { sqlState } = known;
  const says = sqlState === "57014" || sqlState === DISK_FULL;
  if (sqlState === undefined || (!says && /^(08|28|3D|53|57)/.test(sqlState))) throw known;
  return known;
}

/** The server takes reads, and no more rows. */
const DISK_FULL = "53100";
/** A lock was not free in time; the statement took too long, perhaps waiting for one. */
export const LOCKED = "55P03";
const TOO_LATE = new Set<string | undefined>([LOCKED, "57014"]);

export const tooLate = ({ sqlState }: JourneyDbError, make = warning): Finding =>
  make(
    "unchecked",
    `A check did not end in time: SQLSTATE ${sqlState}.`,
    "verify again while no one locks the table",
  );

/**
 * The findings of a check, or, where the server refuses one of its statements, the one that
 * `refused` makes of it, or `late` where it was for lack of time.
 */
export async function attempt(
  check: () => Promise<Finding[]>,
  refused: (reason: JourneyDbError) => Finding,
  late: (reason: JourneyDbError) => Finding = (reason) => tooLate(reason),
): Promise<Finding[]> {
  try {
    return await check();
  } catch (thrown) {
    const reason = refusal(thrown);
    if (reason.sqlState === DISK_FULL) {
      const message = `The server's disk is full: SQLSTATE ${DISK_FULL}.`;
      return [error("disk_full", message, "make room on the server's disk")];
    }
    return [TOO_LATE.has(reason.sqlState) ? late(reason) : refused(reason)];
  }
}

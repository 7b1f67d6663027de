/** The findings of verify, as a closed list that a program can branch on. */
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
  | "constraint_different"
  | "constraint_missing"
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
  | "index_unexpected"
  | "insert_failed"
  | "journal_ahead"
  | "journal_damaged"
  | "large_sessions"
  | "marker_different"
  | "message_ids"
  | "message_owner"
  | "message_rows_missing"
  | "message_rows_orphaned"
  | "message_rows_unmarked"
  | "messages_ai_sdk_4"
  | "migrations_pending"
  | "not_a_table"
  | "not_distributed"
  | "null_values"
  | "phase_unlisted"
  | "policy"
  | "policy_missing"
  | "primary_key"
  | "probe_left"
  | "public_rights"
  | "read_only"
  | "replies_abandoned"
  | "reply_owner"
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
  | "table_owner"
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
  | "updated_at_unordered"
  | "view_rights";

/** One problem that verify found. No field contains anything a user wrote. */
export interface Finding {
  /**
   * error: calls of this package fail, lose data or expose it. warning: calls work, but the problem needs attention.
   * note: something that the schema does not declare, probably made on purpose, that another layout of messages would
   * make faster, or that goes by itself; the message says what it means for calls.
   */
  severity: "error" | "warning" | "note";
  code: FindingCode;
  message: string;
  /** What to do about it: SQL, a command, or a description. SQL comes first. */
  remedy: string;
  /** The SQL at the start of `remedy`. It is complete and can be run with psql or a driver. */
  sql?: string;
}

/** A description, or SQL and the text after it, such as ", then run journey-db migrate". */
export type Remedy = string | { sql: string; rest?: string };

export const finding = (
  severity: Finding["severity"],
  code: FindingCode,
  message: string,
  remedy: Remedy,
): Finding =>
  typeof remedy === "string"
    ? { severity, code, message, remedy }
    : { severity, code, message, remedy: remedy.sql + (remedy.rest ?? ""), sql: remedy.sql };

export const error = (code: FindingCode, message: string, remedy: Remedy) =>
  finding("error", code, message, remedy);
export const warning = (code: FindingCode, message: string, remedy: Remedy) =>
  finding("warning", code, message, remedy);
export const note = (code: FindingCode, message: string, remedy: string) =>
  finding("note", code, message, remedy);

export const plural = (noun: string) => `${noun.replace(/y$/, "ie")}s`;

/** The statement, followed by the remedy. */
export const before = (statement: string, remedy: Remedy): Remedy =>
  typeof remedy === "string"
    ? { sql: statement, rest: `, then ${remedy}` }
    : { ...remedy, sql: atOnce([statement, remedy.sql]) };

/** The remedy, followed by text. */
export const withRest = (remedy: Remedy, rest: string): Remedy =>
  typeof remedy === "string" ? remedy + rest : { ...remedy, rest: (remedy.rest ?? "") + rest };

/** A literal, a quoted name, or a line break elsewhere. */
const LINE_BREAKS = /('[^']*'|"[^"]*")|\s*\n\s*/g;

/**
 * One statement that runs all of the given ones or none, also outside a transaction. It is one line, as findings are
 * printed, unless a literal or a name in it has several.
 */
export function atOnce(statements: readonly string[]): string {
  const lines = statements.map((statement) =>
    statement.replace(/;$/, "").replaceAll(LINE_BREAKS, (_, quoted?: string) => quoted ?? " "),
  );
  return lines.length === 1
    ? (lines[0] as string)
    : `do $remedy$ begin ${lines.map((line) => `${line}; `).join("")}end $remedy$`;
}

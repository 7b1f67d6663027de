import { sql } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import type { Database } from "../database.js";
import { journeySessions } from "../table.js";
import { error, type Finding, warning } from "./finding.js";

/** The table as src/schema.ts declares it. */
export const declared = getTableConfig(journeySessions);

/** The table as the connection's search_path finds it. */
export const TABLE = sql`to_regclass(${sql.raw(`'${declared.name}'`)})`;

/** What a row must hold, the check that says so, and the check as the server writes it. */
export const SHAPES = [
  {
    check: "journey_sessions_user_id_not_empty",
    column: "user_id",
    type: "text",
    broken: "user_id = ''",
    what: "an empty user_id",
    definition: "CHECK ((user_id <> ''::text))",
  },
  {
    check: "journey_sessions_messages_is_array",
    column: "messages",
    type: "jsonb",
    broken: "jsonb_typeof(messages) <> 'array'",
    what: "messages that are no array",
    definition: "CHECK ((jsonb_typeof(messages) = 'array'::text))",
  },
  {
    check: "journey_sessions_metadata_is_object",
    column: "metadata",
    type: "jsonb",
    broken: "jsonb_typeof(metadata) <> 'object'",
    what: "metadata that is no object",
    definition: "CHECK ((jsonb_typeof(metadata) = 'object'::text))",
  },
] as const;

export interface StoredConstraint {
  name: string;
  type: string;
  definition: string;
  validated: boolean;
}

export const readConstraints = (db: Database): Promise<StoredConstraint[]> =>
  db
    .select({
      name: sql<string>`quote_ident(conname)`,
      type: sql<string>`contype::text`,
      definition: sql<string>`pg_get_constraintdef(oid)`,
      validated: sql<boolean>`convalidated`,
    })
    .from(sql`pg_constraint`)
    // Not-null constraints (PostgreSQL 18) show on the columns.
    .where(sql`conrelid = ${TABLE} and contype in ('p', 'u', 'c', 'f', 'x')`)
    .orderBy(sql`conname`);

/** The primary key, the three checks, and nothing else that could refuse a row. */
export function checkConstraints(stored: readonly StoredConstraint[], reapply: string): Finding[] {
  const findings: Finding[] = [];
  const primary = stored.find(({ type }) => type === "p");
  if (primary?.definition !== "PRIMARY KEY (id)") {
    const dropOther = primary ? `drop constraint ${primary.name}, ` : "";
    findings.push(
      error(
        "primary_key",
        `The primary key is ${primary ? "not (id), checked at once" : "missing"}.`,
        `alter table journey_sessions ${dropOther}add primary key (id)`,
      ),
    );
  }
  for (const { check, definition } of SHAPES) {
    const found = stored.find(({ name }) => name === check);
    if (!found) findings.push(error("check_missing", `Check ${check} is missing.`, reapply));
    else if (found.definition.replace(/ NOT VALID$/, "") !== definition) {
      findings.push(error("check_different", `Check ${check} has another definition.`, reapply));
    } else if (!found.validated) {
      findings.push(
        warning(
          "check_not_validated",
          `Check ${check} holds for new rows only.`,
          `alter table journey_sessions validate constraint ${check}, after repairing the rows that break it`,
        ),
      );
    }
  }
  for (const { name, type } of stored) {
    // Unique ones are reported as the indexes that they are.
    if (type === "p" || type === "u" || SHAPES.some(({ check }) => check === name)) continue;
    findings.push(
      warning(
        "constraint_unexpected",
        `Constraint ${name} is not part of the table and may refuse rows.`,
        `alter table journey_sessions drop constraint ${name}`,
      ),
    );
  }
  return findings;
}

import { is, SQL, sql } from "drizzle-orm";
import { getTableConfig, PgDialect } from "drizzle-orm/pg-core";
import type { Database } from "../database.js";
import { journeySessions } from "../schema.js";
import { error, type Finding, warning } from "./finding.js";

const declared = getTableConfig(journeySessions);

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

/** A column's declared default as the server writes it. */
function defaultOf(column: (typeof declared.columns)[number]): string | null {
  const value: unknown = column.default;
  if (value === undefined) return null;
  if (is(value, SQL)) return new PgDialect().sqlToQuery(value).sql;
  return `'${typeof value === "string" ? value : JSON.stringify(value)}'::${column.getSQLType()}`;
}

export interface StoredColumn {
  name: string;
  type: string;
  notNull: boolean;
  default: string | null;
}

export const readColumns = (db: Database): Promise<StoredColumn[]> =>
  db
    .select({
      name: sql<string>`quote_ident(a.attname)`,
      type: sql<string>`format_type(a.atttypid, a.atttypmod)`,
      notNull: sql<boolean>`a.attnotnull`,
      // An identity column fills itself, as a default does.
      default: sql<string | null>`coalesce(pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, ''))`,
    })
    .from(sql`pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum`)
    .where(sql`a.attrelid = ${TABLE} and a.attnum > 0 and not a.attisdropped`)
    .orderBy(sql`a.attnum`);

/** Exactly the declared columns, with their types, nullability and defaults. */
export function checkColumns(stored: readonly StoredColumn[], reapply: string): Finding[] {
  const findings = declared.columns.flatMap((column) => {
    const { name } = column;
    const found = stored.find((one) => one.name === name);
    if (!found)
      return [
        error(
          "column_missing",
          `Column ${name} is missing.`,
          `alter table journey_sessions add column ${name} ${column.getSQLType()}, then ${reapply}`,
        ),
      ];
    const wrong: Finding[] = [];
    if (found.type !== column.getSQLType()) {
      wrong.push(
        error(
          "column_type",
          `Column ${name} is ${found.type}, not ${column.getSQLType()}.`,
          `alter table journey_sessions alter column ${name} type ${column.getSQLType()} using ${name}::${column.getSQLType()}`,
        ),
      );
    }
    if (!found.notNull) wrong.push(error("column_nullable", `Column ${name} may be NULL.`, reapply));
    const expected = defaultOf(column);
    if (found.default !== expected) {
      wrong.push(
        error(
          "column_default",
          `Column ${name} has ${found.default === null ? "no default" : "another default"}; expected ${expected ?? "none"}.`,
          expected === null ? `alter table journey_sessions alter column ${name} drop default` : reapply,
        ),
      );
    }
    return wrong;
  });
  for (const { name, notNull, default: filled } of stored) {
    if (declared.columns.some((column) => column.name === name)) continue;
    const blocks = notNull && filled === null;
    findings.push(
      (blocks ? error : warning)(
        "column_unexpected",
        `Column ${name} is not part of the table${blocks ? ", and no session can be created without a value for it" : ""}.`,
        `alter table journey_sessions drop column ${name}, after moving what it holds to a table of your own`,
      ),
    );
  }
  return findings;
}

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

/** The declared indexes, whole and as declared, and no second unique one. */
export async function checkIndexes(db: Database, reapply: string): Promise<Finding[]> {
  const stored = await db
    .select({
      name: sql<string>`quote_ident(c.relname)`,
      constraint: sql<boolean>`exists (select from pg_constraint where conindid = i.indexrelid)`,
      definition: sql<string>`substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$')`,
      unique: sql<boolean>`i.indisunique`,
      primary: sql<boolean>`i.indisprimary`,
      usable: sql<boolean>`i.indisvalid`,
    })
    .from(sql`pg_index i join pg_class c on c.oid = i.indexrelid`)
    .where(sql`i.indrelid = ${TABLE}`)
    .orderBy(sql`c.relname`);
  const findings = declared.indexes.flatMap(({ config }) => {
    const name = config.name ?? "";
    const columns = config.columns.map((column) => ("name" in column ? column.name : ""));
    const found = stored.find((one) => one.name === name);
    if (!found) return [error("index_missing", `Index ${name} is missing.`, reapply)];
    if (found.usable && !found.unique && found.definition === `btree (${columns.join(", ")})`) return [];
    return [
      error(
        "index_different",
        `Index ${name} is ${found.usable ? "not" : "unfinished and not"} btree (${columns.join(", ")}).`,
        `drop index ${name}, then ${reapply}`,
      ),
    ];
  });
  for (const { name, constraint, unique, primary } of stored) {
    if (!unique || primary || declared.indexes.some(({ config }) => config.name === name)) continue;
    findings.push(
      error(
        "unique_index",
        `Unique index ${name} refuses sessions that this package creates.`,
        constraint ? `alter table journey_sessions drop constraint ${name}` : `drop index ${name}`,
      ),
    );
  }
  return findings;
}

import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Context } from "./check.js";
import { changeColumn, type StoredColumn } from "./column-type.js";
import { storedColumns } from "./columns.js";
import { type DeclaredTable, modifiersOf, type OwnColumn } from "./declared.js";
import { atOnce, error, type Finding, finding, warning } from "./finding.js";

/** A declared column of the application in the database. */
interface Stored extends StoredColumn {
  key: string;
  /** "a": generated always as identity; "d": by default; "": none. */
  identity: string;
  /** Whether its type is the declared one, or a domain over it; null if the database has no such type. */
  same_type: boolean | null;
  is_domain: boolean;
  is_text: boolean;
}

/** A default that the server prints as a value. */
const VALUE = /^(\()?(E?'(?:[^']|'')*'|-?\d+(\.\d+)?|true|false)\)?(::[\w\s".,()[\]]+)?$/;

/** Compares the application's own columns with what it declares. What cannot be compared surely is not reported. */
export async function checkOwnColumns({ db, table }: Context): Promise<Finding[]> {
  const declared = table.own.columns;
  if (declared.length === 0) return [];
  const stored = await readStored(db, table);
  const [isEmpty] = await read<{ empty: boolean }>(
    db,
    sql`select not exists (select from ${sql.raw(table.sql)}) as empty`,
  );
  const findings: Finding[] = [];
  for (const column of declared) {
    const found = stored.find(({ key }) => key === column.key);
    if (!found) findings.push(await missing(db, table, column, isEmpty?.empty === true));
    else findings.push(...(await differences(db, table, column, found)));
  }
  return findings;
}

/** One row per declared column that the table has. */
function readStored(db: Database, { oid, own }: DeclaredTable): Promise<Stored[]> {
  const rows = own.columns.map(({ key, lookup }) => ({ key, lookup }));
  return read<Stored>(
    db,
    sql`select stored.*, a.attidentity::text as identity, t.typtype = 'd' as is_domain, t.typcategory = 'S' as is_text, (
          with recursive types as (
            select t.oid, t.typbasetype, t.typtype
            union
            select b.oid, b.typbasetype, b.typtype from types join pg_type b on b.oid = types.typbasetype where types.typtype = 'd'
          ) select bool_or(types.oid = to_regtype(declared.lookup)) from types) as same_type
      from ${storedColumns(oid)} join jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as declared (key text, lookup text) on declared.key = stored.key
        join pg_attribute a on a.attrelid = stored.attrelid and a.attnum = stored.attnum join pg_type t on t.oid = a.atttypid`,
  );
}

async function missing(
  db: Database,
  table: DeclaredTable,
  column: OwnColumn,
  empty: boolean,
): Promise<Finding> {
  const { name, type, clause, notNull, filledBy } = column;
  // Rows that exist get the default; without one they first need a value.
  const required = notNull && (empty || filledBy !== undefined);
  const add = `alter table ${table.sql} add column ${name} ${type}${clause}${required ? " not null" : ""}`;
  const [found] = column.enum
    ? await read<{ exists: boolean }>(
        db,
        sql`select to_regtype(${column.enum.type}::text) is not null as exists`,
      )
    : [];
  const createType =
    column.enum && !found?.exists
      ? [`create type ${column.enum.type} as enum (${column.enum.values.map(literal).join(", ")})`]
      : [];
  return error("column_missing", `Column ${name} is missing.`, {
    sql: atOnce([...createType, add]),
    ...(notNull && !required && { rest: ", then fill it, then run journey-db verify" }),
  });
}

async function differences(
  db: Database,
  table: DeclaredTable,
  column: OwnColumn,
  stored: Stored,
): Promise<Finding[]> {
  // As the server quotes it.
  const { name } = stored;
  const { type } = column;
  const sameType = stored.same_type === null ? column.enum === undefined : stored.same_type;
  if (!sameType || !sameModifiers(column, stored)) {
    const both = !sameType && !(stored.is_text && /^(text|varchar|char)/.test(type));
    const problem = `Column ${name} is ${stored.type}, not ${type}`;
    const severity = both ? "error" : "warning";
    if (stored.filled_by || column.filledBy === "expression") {
      const remedy =
        "add a column with the declared definition under another name, and rename both, or declare it as it is";
      return [finding(severity, "column_type", `${problem}.`, remedy)];
    }
    if (stored.same_type === null) {
      const remedy = `create the type ${type} with the application's migrations, then run journey-db verify`;
      return [finding(severity, "column_type", `${problem}.`, remedy)];
    }
    const target = { name, type, primary: false, default: column.default ?? stored.default };
    const [message, remedy] = await changeColumn(db, table, stored, target, problem);
    return [finding(severity, "column_type", message, remedy)];
  }
  const filled = await howFilled(db, table, column, stored);
  return [...filled, ...(await nullability(db, table, column, stored, filled))];
}

function sameModifiers({ modifiers }: OwnColumn, { type, is_domain }: Stored): boolean {
  if (modifiers === undefined || is_domain) return true;
  const inside = /\(([^)]*)\)/.exec(type)?.[1];
  const base = type.replace(/\(.*/s, "").trim();
  return modifiers === (inside === undefined ? "" : modifiersOf(base, inside));
}

/** What an insert stores that leaves the column out. */
async function howFilled(
  db: Database,
  table: DeclaredTable,
  column: OwnColumn,
  stored: Stored,
): Promise<Finding[]> {
  const { name } = stored;
  const { filledBy, notNull } = column;
  const alter = (action: string) => `alter table ${table.sql} alter column ${name} ${action}`;
  const fails = notNull ? "error" : "warning";
  const generated = stored.filled_by === "expression";
  if (filledBy === "expression") {
    if (generated) return [];
    const message = `Column ${name} is not generated, as the schema declares it: the database does not compute its value.`;
    const remedy = "rename it, and run journey-db verify for the SQL that adds the declared column";
    return [finding(fails, "column_default", message, remedy)];
  }
  if (generated) {
    const message = `Column ${name} is generated, but the schema declares an ordinary column: a call that sets it fails.`;
    const declare = "declare it with generatedAlwaysAs";
    return [
      error(
        "column_default",
        message,
        stored.fixed
          ? declare
          : { sql: alter("drop expression if exists"), rest: `, or ${declare} to keep it generated` },
      ),
    ];
  }
  if (stored.identity === "a" && column.column.generatedIdentity?.type !== "always") {
    const message = `Column ${name} is generated always as identity, but the schema lets calls set it: such a call fails.`;
    return [
      warning("column_default", message, {
        sql: alter("set generated by default"),
        rest: ", or declare it with generatedAlwaysAsIdentity",
      }),
    ];
  }
  const storedDefault = stored.default?.startsWith("NULL::") ? null : stored.default;
  if (filledBy === undefined) return [];
  if (storedDefault === null) {
    const message = `Column ${name} has no default, but the schema declares ${filledBy === "default" ? "one" : `it as ${filledBy}`}: ${notNull ? "no session can be created without a value for it" : "sessions created without a value for it get NULL"}.`;
    if (filledBy === "default") {
      const remedy =
        column.default === undefined
          ? "set the declared default"
          : { sql: alter(`set default ${column.default}`) };
      return [finding(fails, "column_default", message, remedy)];
    }
    const how = column.column.generatedIdentity?.type === "always" ? "always" : "by default";
    const next = `perform setval(pg_get_serial_sequence(${literal(table.sql)}, ${literal(column.key)}), coalesce((select max(${name}) from ${table.sql}), 0) + 1, false)`;
    const identity = atOnce([alter("set not null"), alter(`add generated ${how} as identity`), next]);
    return [
      finding(
        fails,
        "column_default",
        message,
        (await hasNulls(db, table, name))
          ? "give each row a value, then run journey-db verify"
          : { sql: identity },
      ),
    ];
  }
  if (filledBy !== "default" || column.default === undefined || !column.defaultIsValue) return [];
  // Values of json have no equality, and a value is compared only with a value.
  if (!VALUE.test(storedDefault) || /^json\b/.test(stored.type)) return [];
  const asText = (value: string) => sql.raw(`((${value})::${stored.type})::text`);
  const [compared] = await read<{ differs: boolean }>(
    db,
    sql`select ${asText(storedDefault)} is distinct from ${asText(column.default)} as differs`,
  );
  if (!compared?.differs) return [];
  const message = `Column ${name} has another default than the schema declares.`;
  return [warning("column_default", message, { sql: alter(`set default ${column.default}`) })];
}

async function nullability(
  db: Database,
  table: DeclaredTable,
  { notNull }: OwnColumn,
  stored: Stored,
  filled: readonly Finding[],
): Promise<Finding[]> {
  const { name } = stored;
  if (notNull === stored.not_null) return [];
  const alter = (action: string) => `alter table ${table.sql} alter column ${name} ${action}`;
  if (notNull) {
    const message = `Column ${name} allows NULL, but the schema declares it NOT NULL.`;
    // The SQL of an identity sets it, too.
    if (filled.some(({ sql }) => sql?.includes(" add generated "))) return [];
    return [
      warning(
        "column_nullable",
        message,
        (await hasNulls(db, table, name))
          ? `give each row with NULL in ${name} a value, then run journey-db verify`
          : { sql: alter("set not null") },
      ),
    ];
  }
  // Of an identity, which cannot allow NULL.
  if (stored.identity !== "") return [];
  const message = `Column ${name} is NOT NULL, but the schema lets calls leave it out or set it to null: such a call fails.`;
  return [
    finding(stored.default === null ? "error" : "warning", "column_nullable", message, {
      sql: alter("drop not null"),
      rest: ", or declare it with notNull()",
    }),
  ];
}

async function hasNulls(db: Database, table: DeclaredTable, name: string): Promise<boolean> {
  const [found] = await read<{ nulls: boolean }>(
    db,
    sql.raw(`select exists (select from ${table.sql} where ${name} is null) as nulls`),
  );
  return found?.nulls === true;
}

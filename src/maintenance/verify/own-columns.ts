import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { fromDriver } from "../../model/driver-errors.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Context } from "./check.js";
import type { StoredColumn } from "./column-type.js";
import { storedColumns } from "./columns.js";
import { type DeclaredTable, modifiersOf, type OwnColumn } from "./declared.js";
import { changeUndistributed } from "./distributed.js";
import { atOnce, error, type Finding, finding, note, warning } from "./finding.js";
import { attempt, isolated } from "./run.js";

/** A declared column of the application in the database. */
interface Stored extends StoredColumn {
  key: string;
  /** "a": generated always as identity; "d": by default; "": none. */
  identity: string;
  is_domain: boolean;
  /** Whether the function of a trigger before INSERT mentions it. */
  in_trigger: boolean;
}

/** The state of the table that decides which SQL adds a column. */
interface State {
  isEmpty: boolean;
  /** The enums that earlier findings create. */
  created: Set<string>;
  /** Whether another column is missing or has another type, and no SQL is printed: an expression may need it. */
  byHand: boolean;
}

const BY_MIGRATION = "change it with the application's migrations";

/** A default that the server prints as a value. */
const VALUE = /^(\()?(E?'(?:[^']|'')*'|-?\d+(\.\d+)?|true|false)\)?(::[\w\s".,()[\]]+)?$/;

/** Compares the application's own columns with what it declares. What cannot be compared surely is not reported. */
export async function checkOwnColumns(context: Context): Promise<Finding[]> {
  const { db, table } = context;
  if (table.own.columns.length === 0) return [];
  const stored = await readStored(db, table);
  const [rows] = await read<{ empty: boolean }>(
    db,
    sql`select not exists (select 1 from ${sql.raw(table.sql)}) as empty`,
  );
  const created = new Set<string>();
  // The expression of a generated column can use the others.
  const isGenerated = ({ filledBy }: OwnColumn) => Number(filledBy === "expression");
  const findings: Finding[] = [];
  for (const column of table.own.columns.toSorted((a, b) => isGenerated(a) - isGenerated(b))) {
    const found = stored.find(({ key }) => key === column.key);
    const byHand = findings.some((one) => one.severity === "error" && one.sql === undefined);
    const check = (on: Database) =>
      found
        ? differences({ ...context, db: on }, column, found)
        : missing(on, table, column, { isEmpty: rows?.empty === true, created, byHand });
    const checked = await attempt(
      () => isolated(context, check),
      ({ sqlState }) =>
        warning(
          "unchecked",
          `Column ${column.name} could not be checked: SQLSTATE ${sqlState}.`,
          "see the server's log for the reason",
        ),
      (reason) => {
        throw reason;
      },
    );
    findings.push(...checked);
  }
  return findings;
}

/** One row per declared column that the table has. */
function readStored(db: Database, { oid, own }: DeclaredTable): Promise<Stored[]> {
  const keys = own.columns.map(({ key }) => literal(key)).join(", ");
  return read<Stored>(
    db,
    // tgtype: for each row (1), before (2), insert (4).
    sql`select stored.*, a.attidentity::text as identity, t.typtype = 'd' as is_domain,
        exists (select from pg_trigger join pg_proc p on p.oid = tgfoid where tgrelid = stored.attrelid and not tgisinternal
          and tgenabled in ('O', 'A') and tgtype::int & 7 = 7 and position(stored.key in prosrc) > 0) as in_trigger
      from ${storedColumns(oid)} join pg_attribute a on a.attrelid = stored.attrelid and a.attnum = stored.attnum join pg_type t on t.oid = a.atttypid
      where stored.key in (${sql.raw(keys)})`,
  );
}

async function missing(
  db: Database,
  table: DeclaredTable,
  column: OwnColumn,
  { isEmpty, created, byHand }: State,
): Promise<Finding[]> {
  const { name, type, clause, notNull, filledBy } = column;
  const [types] = await read<{ exists: boolean; is_domain: boolean | null; has_schema: boolean }>(
    db,
    sql`select to_regtype(${column.lookup}::text) is not null as exists,
      (select typtype = 'd' from pg_type where oid = to_regtype(${column.lookup}::text)) as is_domain,
      ${column.enum?.schema ?? null}::text is null or exists (select from pg_namespace where nspname = ${column.enum?.schema ?? null}::text) as has_schema`,
  );
  // Rows that exist get the default; without one they first need a value.
  const required = notNull && (isEmpty || filledBy !== undefined);
  const statements = [
    `alter table ${table.sql} add column ${name} ${type}${clause}${required ? " not null" : ""}`,
  ];
  if (column.enum && !types?.exists && !created.has(column.enum.type))
    statements.unshift(
      `create type ${column.enum.type} as enum (${column.enum.values.map(literal).join(", ")})`,
    );
  // Which Citus does not add to a distributed table.
  const isNumbered = filledBy === "identity" || filledBy === "sequence";
  const works =
    clause !== undefined &&
    !(table.distributed && isNumbered) &&
    (types?.exists || (column.enum && types?.has_schema)) &&
    // A domain can be NOT NULL.
    (isEmpty || filledBy !== undefined || !types?.is_domain) &&
    !(filledBy === "expression" && byHand) &&
    !statements.some((statement) => statement.includes("\n"));
  if (works && column.enum) created.add(column.enum.type);
  return [
    ...(column.enum && types?.exists ? await missingLabels(db, column) : []),
    error(
      "column_missing",
      `Column ${name} is missing.`,
      works
        ? {
            sql: atOnce(statements),
            ...(notNull && !required && { rest: ", then fill it, then run journey-db verify" }),
          }
        : table.distributed && isNumbered
          ? changeUndistributed(table.distributed)
          : "apply the application's migration that adds it",
    ),
  ];
}

async function differences(context: Context, column: OwnColumn, stored: Stored): Promise<Finding[]> {
  const { db, table } = context;
  const { name } = stored;
  const { type } = column;
  // By the base type of a domain, too. NULL if the database has no such type.
  const [types] = await read<{ same: boolean | null; both_text: boolean }>(
    db,
    sql`with recursive types as (
        select atttypid as oid from pg_attribute where attrelid = ${table.oid} and attname = ${column.key}::text
        union
        select typbasetype from types join pg_type on pg_type.oid = types.oid where typtype = 'd'
      ) select bool_or(types.oid = to_regtype(${column.lookup}::text)) as same,
        count(*) filter (where typcategory <> 'S') = 0 and (select typcategory = 'S' from pg_type where oid = to_regtype(${column.lookup}::text)) is true as both_text
      from types join pg_type t on t.oid = types.oid`,
  );
  const { same, both_text: bothText } = types as { same: boolean | null; both_text: boolean };
  const sameType = same === null ? column.enum === undefined : same || (stored.is_domain && bothText);
  const lengths = [modifiersOf(type), modifiersOf(stored.type)];
  const sameLength = stored.is_domain || lengths.includes(undefined) || lengths[0] === lengths[1];
  if (!sameType || (same && !sameLength)) {
    return [
      finding(
        sameType || bothText ? "warning" : "error",
        "column_type",
        `Column ${name} is ${stored.type}, not ${type}.`,
        `declare it as ${stored.type}, or ${BY_MIGRATION}`,
      ),
      ...(await nullability(context, column, stored)),
    ];
  }
  const labels = await missingLabels(db, column);
  return [
    ...labels,
    ...(await howFilled(context, column, stored, labels.length === 0)),
    ...(await nullability(context, column, stored)),
  ];
}

/** The values of an enum that its type lacks in the database. */
async function missingLabels(db: Database, column: OwnColumn): Promise<Finding[]> {
  if (column.enum === undefined) return [];
  const { type, values } = column.enum;
  const labels = await read<{ label: string }>(
    db,
    sql`select enumlabel::text as label from pg_enum where enumtypid = to_regtype(${type}::text)`,
  );
  const missing = values.filter((value) => !labels.some(({ label }) => label === value));
  return missing.map((value) =>
    error(
      "column_type",
      `Type ${type} of column ${column.name} lacks the value ${literal(value)}, which the schema declares: a call that stores it fails.`,
      { sql: `alter type ${type} add value if not exists ${literal(value)}` },
    ),
  );
}

/** What an insert stores that leaves the column out. */
async function howFilled(
  context: Context,
  column: OwnColumn,
  stored: Stored,
  hasLabels: boolean,
): Promise<Finding[]> {
  const { name } = stored;
  const { filledBy, notNull } = column;
  const alter = (action: string) => `alter table ${context.table.sql} alter column ${name} ${action}`;
  const fails = notNull ? "error" : "warning";
  const generated = stored.filled_by === "expression";
  if (filledBy === "expression") {
    if (generated) return [];
    const message = `Column ${name} is not generated, as the schema declares it: the database does not compute its value.`;
    return [finding(fails, "column_default", message, BY_MIGRATION)];
  }
  if (generated) {
    const message = `Column ${name} is generated, but the schema declares an ordinary column: a call that sets it fails.`;
    return [error("column_default", message, `declare it with generatedAlwaysAs, or ${BY_MIGRATION}`)];
  }
  if (stored.identity === "a" && !column.always) {
    const message = `Column ${name} is generated always as identity, but the schema lets calls set it: such a call fails.`;
    return [
      warning(
        "column_default",
        message,
        // Citus accepts no SET GENERATED.
        context.table.distributed
          ? "declare it with generatedAlwaysAsIdentity"
          : {
              sql: alter("set generated by default"),
              rest: ", or declare it with generatedAlwaysAsIdentity",
            },
      ),
    ];
  }
  if (filledBy === undefined) return [];
  const storedDefault = stored.default?.startsWith("NULL::")
    ? null
    : (stored.default ?? stored.domain_default);
  const setDefault =
    column.default === undefined ? BY_MIGRATION : { sql: alter(`set default ${column.default}`) };
  if (storedDefault === null) {
    const message = `Column ${name} has no default, but the schema declares ${filledBy === "default" ? "one" : `it as ${filledBy}`}: ${notNull ? "no session can be created without a value for it" : "sessions created without a value for it get NULL"}.`;
    return [finding(fails, "column_default", message, setDefault)];
  }
  const differs = hasLabels && (await hasOtherDefault(context, column, stored.type, storedDefault));
  if (!differs) return [];
  return [
    warning("column_default", `Column ${name} has another default than the schema declares.`, setDefault),
  ];
}

/** Compares a value with a value. Values of json have no equality. */
async function hasOtherDefault(
  context: Context,
  column: OwnColumn,
  type: string,
  stored: string,
): Promise<boolean> {
  const { default: declared } = column;
  if (declared === undefined || !column.defaultIsValue || !VALUE.test(stored) || /^json\b/.test(type))
    return false;
  const asText = (value: string) => sql.raw(`((${value})::${type})::text`);
  const compare = sql`select ${asText(stored)} is distinct from ${asText(declared)} as differs`;
  try {
    const [compared] = await isolated(context, (on) => read<{ differs: boolean }>(on, compare));
    return compared?.differs === true;
  } catch (thrown) {
    // A value that the type or its domain refuses cannot be compared.
    if (!/^2[23]/.test(fromDriver(thrown, true).sqlState ?? "")) throw thrown;
    return false;
  }
}

async function nullability(
  { db, table }: Context,
  { notNull }: OwnColumn,
  stored: Stored,
): Promise<Finding[]> {
  const { name } = stored;
  if (notNull === (stored.not_null || stored.domain_not_null)) return [];
  const alter = (action: string) => `alter table ${table.sql} alter column ${name} ${action}`;
  if (notNull) {
    const [found] = await read<{ nulls: boolean }>(
      db,
      sql.raw(`select exists (select 1 from ${table.sql} where ${name} is null) as nulls`),
    );
    return [
      warning(
        "column_nullable",
        `Column ${name} allows NULL, but the schema declares it NOT NULL.`,
        found?.nulls
          ? `give each row with NULL in ${name} a value, then run journey-db verify`
          : { sql: alter("set not null") },
      ),
    ];
  }
  // Of an identity, which cannot allow NULL.
  if (stored.identity !== "") return [];
  if (stored.in_trigger) {
    const message = `Column ${name} is NOT NULL, but the schema lets calls leave it out or set it to null. A trigger mentions it, and may set it.`;
    return [note("column_nullable", message, "none is needed if the trigger sets it")];
  }
  const message = `Column ${name} is NOT NULL, but the schema lets calls leave it out or set it to null: such a call fails.`;
  const isFilled = (stored.default ?? stored.domain_default) !== null;
  return [
    finding(
      isFilled ? "warning" : "error",
      "column_nullable",
      message,
      stored.domain_not_null
        ? "declare it with notNull()"
        : { sql: alter("drop not null"), rest: ", or declare it with notNull()" },
    ),
  ];
}

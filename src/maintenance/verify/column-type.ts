import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { DeclaredColumn, DeclaredTable } from "./declared.js";
import { readDependents } from "./dependents.js";
import { changeUndistributed, onTriggers } from "./distributed.js";
import { atOnce, type Remedy } from "./finding.js";

/** A column of the table in the database. */
export interface StoredColumn {
  /** Quoted if SQL needs it. */
  name: string;
  type: string;
  not_null: boolean;
  default: string | null;
  /** What fills the column in place of a default, and can be dropped. */
  filled_by: "expression" | "identity" | null;
  /** Why the column cannot be changed. */
  fixed: "inherited" | "a virtual generated column" | null;
  /** Its collation, if that treats different strings as equal. */
  nondeterministic: string | null;
  /** Whether its domain, or the domain of that, is NOT NULL. */
  domain_not_null: boolean;
  domain_default: string | null;
}

export const copyRows = ({ label }: DeclaredTable) =>
  `copy the rows to a table in which it is an ordinary column, and rename that table to ${label}`;

export const dropDefault = ({ filled_by }: StoredColumn) =>
  filled_by ? `drop ${filled_by} if exists` : "drop default";

const TIME = "timestamp with time zone";
const VERIFY = "then run journey-db verify";

/**
 * How to change the type of a column, or only its collation, or why no statement can do it yet. Changes nothing.
 *
 * @param problem a sentence without its full stop
 */
export async function changeColumn(
  db: Database,
  table: DeclaredTable,
  stored: StoredColumn,
  { name, type: to, primary, default: newDefault }: DeclaredColumn,
  problem: string,
  collation?: string,
): Promise<[message: string, remedy: Remedy]> {
  if (stored.fixed) return [`${problem}, and is ${stored.fixed}.`, copyRows(table)];
  // The owner decides which server has a row, and Citus accepts no DROP IDENTITY or DROP EXPRESSION.
  if (table.distributed && (name === "user_id" || stored.filled_by))
    return [`${problem}.`, changeUndistributed(table.distributed)];
  const types = await readTypes(db, table, name, to);
  const { base, same, category, target_category } = types;
  const convert = conversion(to, types);
  if (!convert) {
    return [
      `${problem}, and there is no cast between them.`,
      primary
        ? `add a ${to} column with a value for each session, have what references a session reference that column, and rename it to ${name}`
        : {
            sql: `alter table ${table.sql} rename column ${name} to ${renamed(name)}`,
            rest: `, ${VERIFY} for the new column, then fill it from the old one`,
          },
    ];
  }
  // Its function exists on this server only.
  if (table.distributed && !types.tests_input && mayBeInvalid(types))
    return [`${problem}.`, changeUndistributed(table.distributed)];
  const unfit = await findUnfit(db, table, name, to, types, convert);
  if (unfit) return [`${problem}, and ${unfit[0]}.`, unfit[1]];

  const dependents = await readDependents(db, table, {
    name,
    to,
    convert,
    comparesAlike: same || (category === target_category && ["S", "D"].includes(category)),
    isText: /^(text|character varying)$/.test(base) && to === "text",
    changesCollation: collation !== undefined,
  });
  const blocking = dependents.filter(({ drop }) => drop === null).map(({ what }) => what);
  if (blocking.length > 0) {
    const users = blocking.join(", ");
    const referencing = !collation && blocking.some((user) => user.startsWith("foreign key "));
    const key = referencing ? `; for a foreign key, first change its column as that SQL changes ${name}` : "";
    return [
      `${problem}, and is used by ${users}.`,
      `save the definition of ${users} and drop it, ${VERIFY} for the SQL that changes the column, then create it again${key}`,
    ];
  }
  const alter = (actions: string[]) =>
    `alter table ${table.sql} ${actions.map((action) => `alter column ${name} ${action}`).join(", ")}`;
  const change = [`type ${to}${collation ? ` collate ${collation}` : ""} using ${convert(name)}`];
  if (newDefault !== null) change.push(`set default ${newDefault}`);
  // The statement that changes the type can drop a default, but not an identity or an expression.
  if (stored.default !== null && !stored.filled_by) change.unshift(dropDefault(stored));
  const statements = [alter(change)];
  if (stored.filled_by) statements.unshift(alter([dropDefault(stored)]));
  // Text without a zone would be read in the session's time zone.
  if (category === "S" && to === TIME) statements.unshift("set local timezone = 'UTC'");
  return [
    `${problem}${assumption(to, types)}.`,
    {
      sql: atOnce([
        ...(dependents.some(({ what }) => what.startsWith("trigger ")) ? onTriggers(table, []) : []),
        ...dependents.map(({ drop }) => drop as string),
        ...statements,
        ...storageOf(table, name),
        ...dependents.toReversed().flatMap(({ restore }) => restore),
      ]),
      ...(to === TIME &&
        "DS".includes(category) && { rest: ", or with the time zone of the stored values in place of UTC" }),
    },
  ];
}

/** A column that is new or of another type has the server's storage settings. */
export function storageOf({ parts, messageParts, distributed }: DeclaredTable, name: string): string[] {
  // Citus accepts no SET STORAGE: the check of the storage reports what is left.
  if (messageParts) return name === "message" && !distributed ? [messageParts.storage] : [];
  return name === "messages" ? [parts().compression, ...(distributed ? [] : [parts().storage])] : [];
}

const renamed = (name: string) => (name.endsWith('"') ? `${name.slice(0, -1)}_old"` : `${name}_old`);

/** The old and the new type. The letters are those of pg_type.typcategory. */
interface Types {
  /** The column's type as the server prints it, or the base type of a domain. */
  base: string;
  same: boolean;
  category: string;
  target_category: string;
  has_cast: boolean;
  /** Whether the server can test if a string is valid for a type: PostgreSQL 16. */
  tests_input: boolean;
}

async function readTypes(db: Database, { oid }: DeclaredTable, name: string, to: string): Promise<Types> {
  const [types] = await read<Types>(
    db,
    sql`with recursive base_types as (
        select atttypid as oid from pg_attribute where attrelid = ${oid} and quote_ident(attname) = ${name}::text
        union
        select typbasetype from base_types join pg_type on pg_type.oid = base_types.oid where typtype = 'd'
      )
      select format_type(t.oid, null) as base, t.oid = g.oid as same, t.typcategory::text as category, g.typcategory::text as target_category,
        t.oid = g.oid or t.typcategory = 'S' or g.typcategory = 'S'
          or exists (select from pg_cast where castsource = t.oid and casttarget = g.oid) as has_cast,
        current_setting('server_version_num')::int >= 160000 as tests_input
      from base_types join pg_type t on t.oid = base_types.oid join pg_type g on g.oid = ${to}::text::regtype
      where t.typtype <> 'd'`,
  );
  return types as Types;
}

const NUMBER = /^(smallint|integer|bigint|numeric|real|double precision)$/;

/** The expression that converts a value of the column; undefined if no expression can. */
function conversion(
  to: string,
  { base, category, has_cast }: Types,
): ((value: string) => string) | undefined {
  // A plain cast would use the session's time zone.
  if (to === TIME && /^(date|timestamp without time zone)$/.test(base))
    return (value) => `${value}::timestamp at time zone 'UTC'`;
  if (to === TIME && category === "N")
    return NUMBER.test(base) ? (value) => `to_timestamp(${seconds(value)})` : undefined;
  if (to === "uuid" && /^(smallint|integer|bigint)$/.test(base))
    return (value) => `lpad(to_hex(${value}::bigint), 32, '0')::uuid`;
  if (has_cast && category !== "A") return (value) => `${value}::${to}`;
  return to === "jsonb" ? (value) => `to_jsonb(${value})` : undefined;
}

/** Seconds since 1970. Milliseconds are larger numbers, from 1973 on, than seconds will be until 5138. */
const seconds = (value: string) => `${value} / case when abs(${value}) >= 1e11 then 1000.0 else 1.0 end`;

/** The part of the message about what the statement assumes. */
function assumption(to: string, { base, category, same }: Types): string {
  if (to === TIME && category === "N")
    return "; the remedy reads numbers below 100000000000 as seconds since 1970, and others as milliseconds";
  if (to === "jsonb" && !same && (base === "json" || category === "S"))
    return "; where an object has a duplicate key, jsonb keeps only the last value";
  return "";
}

/** For servers before PostgreSQL 16. A temporary function ends with the session, and here with the transaction. */
const CAN_CAST =
  "create or replace function pg_temp.journey_db_can_cast(value text, type text) returns boolean language plpgsql as " +
  "$can_cast$ begin execute 'select $1::' || type using value; return true; exception when others then return false; end $can_cast$";

/** Whether a value may be one that the new type does not accept. */
const mayBeInvalid = ({
  base,
  category,
  target_category,
}: Omit<Types, "same" | "has_cast" | "tests_input">) =>
  (category === "S" || base === "json") && target_category !== "S";

/** Counts the rows that the statement would fail at or damage, and describes them; undefined if there are none. */
async function findUnfit(
  db: Database,
  { sql: table }: DeclaredTable,
  name: string,
  to: string,
  { base, category, target_category, tests_input }: Types,
  convert: (value: string) => string,
): Promise<[problem: string, remedy: Remedy] | undefined> {
  const count = async (select: string) => {
    const counting = sql`select count(*) as rows from (${sql.raw(select)}) as counted`;
    const rows = (await read<{ rows: number }>(db, counting))[0]?.rows ?? 0;
    return rows === 0 ? undefined : rows === 1 ? "1 row has" : `${rows} rows have`;
  };
  const rest = (how: string) => `, then give each of these rows another value${how}, ${VERIFY}`;
  if (to === TIME && category === "N") {
    // NaN is greater than any number.
    const have = await count(
      `select from ${table} where not ${seconds(name)} between 0 and extract(epoch from now() + interval '100 years')`,
    );
    return have === undefined
      ? undefined
      : [
          `${have} a number that is not a time between 1970 and 100 years from now, in seconds or in milliseconds since 1970`,
          `change the type with the unit of the numbers, such as to_timestamp(${name} / 1000000.0) for microseconds`,
        ];
  }
  if (!mayBeInvalid({ base, category, target_category })) return undefined;
  if (!tests_input) await db.execute(sql.raw(CAN_CAST));
  const isValid = tests_input ? "pg_input_is_valid" : "pg_temp.journey_db_can_cast";
  const invalid = `select * from ${table} where not ${isValid}(${name}::text, ${literal(to)})`;
  const haveInvalid = await count(invalid);
  if (haveInvalid) {
    return [
      `${haveInvalid} a value that is not a valid ${to}`,
      {
        sql: tests_input ? invalid : `${CAN_CAST}; ${invalid}`,
        rest: rest(to === "uuid" ? ` (md5(${name})::uuid converts any text to a uuid)` : ""),
      },
    ];
  }
  if (to !== "uuid") return undefined;
  const equal = `select * from ${table} where ${convert(name)} in (select ${convert(name)} from ${table} group by 1 having count(distinct ${name}) > 1)`;
  const haveEqual = await count(equal);
  return haveEqual
    ? [`${haveEqual} values that are equal as ${to}`, { sql: equal, rest: rest("") }]
    : undefined;
}

import { sql } from "drizzle-orm";
import { isMarked, LARGE_SESSION_BYTES } from "../../message-rows/figures.js";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Applying, Context } from "./check.js";
import { type DeclaredTable, isDefaultTable, optionsOf } from "./declared.js";
import {
  type Finding,
  type FindingCode,
  finding,
  plural,
  type Remedy,
  warning,
  withRest,
} from "./finding.js";
import { migrateWith } from "./journal.js";
import { defaultsOf } from "./probe.js";
import { putBuiltInsFirst } from "./run.js";
import { forTable } from "./table.js";

/** A problem of stored rows. */
export interface RowCheck {
  code: FindingCode;
  severity: Finding["severity"];
  /** The condition of the rows that have it. */
  where: string;
  /** Follows "1 row has" or "2 rows have". Of the numbers of `measured`, the mean and the largest. */
  what: string | ((mean: number, largest: number) => string);
  measured?: string;
  remedy: Remedy;
  /** The check that would reject these rows, if it is not validated. */
  notValidated?: string | undefined;
}

/** The table in the database. What the server guarantees (NOT NULL, a validated check) is not counted. */
interface Stored {
  /** The columns of the table, with their types. */
  types: Record<string, string>;
  nullable: string[];
  /** The declared checks that the table has, and whether they are validated. */
  checks: Record<string, boolean>;
  /** Whether the server can test if a string is valid JSON: PostgreSQL 16. */
  tests_input: boolean;
  utf8: boolean;
}

const storedOf = ({ oid, checkRows }: DeclaredTable) => sql`select
    jsonb_object_agg(attname, format_type(atttypid, atttypmod)) as types,
    coalesce(jsonb_agg(attname order by attnum) filter (where not attnotnull), '[]') as nullable,
    (select coalesce(jsonb_object_agg(name, convalidated), '{}') from ${checkRows} join pg_constraint
      on conrelid = ${oid} and quote_ident(conname) = name
        and regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '') in (definition, coalesce(wider ->> 'definition', definition))) as checks,
    current_setting('server_version_num')::int >= 160000 as tests_input,
    current_setting('server_encoding') = 'UTF8' as utf8
  from pg_attribute where attrelid = ${oid} and attnum > 0 and not attisdropped having count(*) > 0`;

const selectFrom = (table: string) => (columns: string, where: string) =>
  `select ${columns} from ${table} where ${where}`;
const THEN_VERIFY = ", then run journey-db verify";

/** Counts the rows that break the table's or this package's rules, in one scan. */
export async function countRows({ db, inTransaction, table, phases, optional }: Context): Promise<Finding[]> {
  if (inTransaction) await putBuiltInsFirst(db);
  const [stored] = await read<Stored>(db, storedOf(table));
  if (!stored) return [];
  const defaults = defaultsOf(table);
  return countRowsOf(db, table.sql, [
    ...shapeChecks(table, stored),
    ...stored.nullable
      .filter((name) => name === "user_id" || name in defaults)
      .map((name) => nullCheck(table, name)),
    ...(stored.types.user_id === "text" ? userIdChecks(table, stored.utf8) : []),
    ...(phases && stored.types.phase === "text" ? [phaseCheck(table, phases)] : []),
    ...(stored.types.messages === "jsonb" ? layoutChecks(table, optional["message-rows"]) : []),
  ]);
}

/** Counts the rows of a table or sub-select, in one scan. */
export async function countRowsOf(
  db: Database,
  from: string,
  checks: readonly RowCheck[],
  noun: "row" | DeclaredTable["row"] = "row",
): Promise<Finding[]> {
  if (checks.length === 0) return [];
  const counts = checks.map(({ where, measured }) => {
    const filter = `filter (where ${where})`;
    const numbers = measured ? `, round(avg(${measured}) ${filter}), max(${measured}) ${filter}` : "";
    return sql.raw(`jsonb_build_array(count(*) ${filter}${numbers})`);
  });
  const [row] = await read<{ counts: number[][] }>(
    db,
    sql`select jsonb_build_array(${sql.join(counts, sql`, `)}) as counts from ${sql.raw(from)}`,
  );
  return checks.flatMap(({ code, severity, what, remedy, notValidated }, index) => {
    const [rows = 0, mean = 0, largest = 0] = row?.counts[index] ?? [];
    const have = rows === 1 ? `1 ${noun} has` : `${rows} ${plural(noun)} have`;
    const said = typeof what === "string" ? what : what(mean, largest);
    const findings = rows > 0 ? [finding(severity, code, `${have} ${said}.`, remedy)] : [];
    if (notValidated === undefined) return findings;
    const validate =
      rows > 0
        ? `repair or delete the rows that break it (rows_forbidden counts them)${THEN_VERIFY}`
        : { sql: `alter table ${from} validate constraint ${notValidated}` };
    const message = `Check ${notValidated} applies to new rows only.`;
    return [...findings, warning("check_not_validated", message, validate)];
  });
}

/** Rows that a declared check rejects. */
function shapeChecks(table: DeclaredTable, { types, checks, tests_input }: Stored): RowCheck[] {
  const select = selectFrom(table.sql);
  const shapes = table.checks.flatMap(({ name, wider, ...check }) => {
    const { condition } = wider ?? check;
    const column = table.columns.find((one) => new RegExp(`\\b${one.name}\\b`).test(condition));
    if (!column || types[column.name] !== column.type) return [];
    const json = /'(array|object)'/.exec(condition)?.[1];
    // On a distributed table, Citus accepts no recursive query.
    const repairable = json ? encodedTwice(column.name, json, tests_input && !table.distributed) : "false";
    return [{ name, column: column.name, json, broken: `not (${condition})`, repairable }];
  });
  // repair-json skips a row that breaks a rule in another way, too.
  const nothingElse = shapes.map(
    ({ broken, repairable }) => `(${broken} and not (${repairable})) is not true`,
  );
  return shapes
    .filter(({ name }) => !checks[name])
    .flatMap(({ name, column, json, broken, repairable }): RowCheck[] => {
      const twice = `(${[repairable, ...nothingElse].join(") and (")})`;
      const fails = "reading or writing such a session fails with corrupt";
      return [
        {
          code: "rows_encoded_twice",
          severity: "warning",
          where: twice,
          what: `a ${column} value that is a JSON ${json} encoded twice: ${fails}`,
          remedy: forTable(
            table,
            "journey-db repair-json, after a backup; --dry-run only counts",
            "repairJson",
          ),
        },
        {
          code: "rows_forbidden",
          severity: "warning",
          where: `${broken} and not (${twice})`,
          what: `${json ? `a ${column} value that is not a JSON ${json}` : `an empty ${column}`}: ${fails}`,
          remedy: {
            sql: select(`id, user_id, ${column}`, broken),
            rest: `, then repair or delete each of these rows${THEN_VERIFY}`,
          },
          notValidated: checks[name] === false ? name : undefined,
        },
      ];
    });
}

/** JSON in a string in a string, and so on, that contains the type in the end. */
const encodedTwice = (column: string, type: string, testsInput: boolean) =>
  testsInput
    ? `case when jsonb_typeof(${column}) = 'string' then (with recursive layer (value, depth) as (
        select ${column}, 1 union all
        select (value #>> '{}')::jsonb, depth + 1 from layer
        where depth < 8 and case when jsonb_typeof(value) = 'string' then pg_input_is_valid(value #>> '{}', 'jsonb') else false end
      ) select jsonb_typeof(value) = '${type}' from layer order by depth desc limit 1) else false end`
    : `jsonb_typeof(${column}) = 'string' and left(ltrim(${column} #>> '{}', E' \\t\\r\\n"\\\\'), 1) = '${type === "array" ? "[" : "{"}'`;

export function nullCheck(table: DeclaredTable, name: string): RowCheck {
  const where = `${name} is null`;
  const check = { code: "null_values", where, what: `NULL in ${name}` } as const;
  if (table.row === "session" && name !== "user_id" && name !== "id")
    return {
      ...check,
      severity: "warning",
      remedy: isDefaultTable(table)
        ? "journey-db migrate fills in the column's default"
        : "the SQL of column_nullable fills in the column's default",
    };
  // The migrations fail at a NULL that no default replaces.
  const rest = `, then set ${name} in each of these rows or delete it${THEN_VERIFY}`;
  const columns = table.row === "session" ? "*" : table.primaryKey;
  return { ...check, severity: "error", remedy: { sql: selectFrom(table.sql)(columns, where), rest } };
}

/** The characters that JavaScript's trim() removes, as an SQL literal, and the ASCII ones for other encodings. */
const UTF8_SPACES =
  "E' \\t\\n\\x0b\\f\\r\\u00a0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\\u2005\\u2006\\u2007\\u2008\\u2009\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff'";
const ASCII_SPACES = "E' \\t\\n\\x0b\\f\\r'";

/** More than 255 characters in JavaScript, which counts those above U+FFFF (4 bytes) twice. */
const tooLong = (text: string) =>
  `(char_length(${text}) > 255 or (octet_length(${text}) > 255 and char_length(${text}) + char_length(regexp_replace(${text}, E'[\\\\u0001-\\\\uffff]', '', 'g')) > 255))`;

/** User ids that forUser refuses. */
function userIdChecks(table: DeclaredTable, utf8: boolean): RowCheck[] {
  const trimmed = `btrim(user_id, ${utf8 ? UTF8_SPACES : ASCII_SPACES})`;
  const padded = `user_id <> ${trimmed} and ${trimmed} <> '' and not ${tooLong(trimmed)}`;
  const unusable = `user_id <> '' and (${trimmed} = '' or ${tooLong(trimmed)})`;
  const check = { code: "user_id_unusable", severity: "warning" } as const;
  // The owner decides which server has a row.
  const again = (where: string): Remedy => ({
    sql: selectFrom(table.sql)("id, user_id", where),
    rest: `, then insert each of these rows again with another user_id, and what belongs to it, and delete it${THEN_VERIFY}`,
  });
  const unreachable = "no call can access such a session, since forUser refuses it";
  return [
    {
      ...check,
      where: padded,
      what: `a user_id with leading or trailing white space: ${unreachable}`,
      remedy: table.distributed
        ? again(padded)
        : {
            sql: `update ${table.sql} set user_id = ${trimmed} where ${padded}`,
            rest: ", after making sure that it is the same user without the white space",
          },
    },
    {
      ...check,
      where: unusable,
      what: `a user_id of only white space, or of more than 255 characters: ${unreachable}`,
      remedy: table.distributed
        ? again(unusable)
        : {
            sql: selectFrom(table.sql)("id, user_id", unusable),
            rest: `, then give each of these rows another user_id or delete it${THEN_VERIFY}`,
          },
    },
  ];
}

function phaseCheck(table: DeclaredTable, phases: readonly string[]): RowCheck {
  const where = `phase not in (${phases.map(literal).join(", ")})`;
  return {
    code: "phase_unlisted",
    severity: "warning",
    where,
    what: "a phase that the application does not list: get and list return it unchanged",
    remedy: {
      sql: `${selectFrom(table.sql)("phase, count(*)", where)} group by phase`,
      rest: ", then update the rows of each of these phases, or list the phase in defineJourney({ phases })",
    },
  };
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** How sessions keep their messages. Reads no long conversation: each size is that of the stored, compressed value. */
function layoutChecks(table: DeclaredTable, { recreate }: Applying): RowCheck[] {
  const create = typeof recreate === "string" ? recreate : migrateWith("message-rows");
  const first = table.messages ? "" : `${create}, then `;
  const missing: RowCheck = {
    code: "message_rows_missing",
    severity: "error",
    where: isMarked("messages"),
    what: "messages in rows, but there is no table of messages",
    remedy: withRest(recreate, ", and restore the messages from a backup"),
  };
  return [
    {
      code: "large_sessions",
      severity: "note",
      where: `pg_column_size(messages) > ${LARGE_SESSION_BYTES}`,
      measured: "pg_column_size(messages)",
      what: (mean, largest) =>
        `more than 1 MB of messages in the column, as stored: each append rewrites ${megabytes(mean)} on average and ${megabytes(largest)} at most; with messages in rows it writes a few kB`,
      remedy: `${first}declare messagesTable in defineJourney({ messages }), then run journey-db convert --to rows${optionsOf(table)}`,
    },
    ...(table.messages ? [] : [missing]),
  ];
}

import { and, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { keyOf, type SessionTable } from "../schema.js";
import { timeOf } from "./columns.js";
import { onlyColumns, ownOf } from "./own-columns.js";
import {
  allOwnedBy,
  insertion,
  isEmpty,
  jsonParam,
  param,
  perShape,
  perTable,
  statement,
} from "./statement.js";

const session = sql.raw("session");
const field = (name: string) => sql`(${session} ->> ${sql.raw(`'${name}'`)})`;
const json = (name: string) => sql`${session} -> ${sql.raw(`'${name}'`)}`;
const each = sql`jsonb_array_elements(${jsonParam("sessions")}) as ${session}`;
const literal = (text: string) => sql`${text}::text`;
/** Each line twice: json keeps the digits, spaces and keys of a column of that type. */
const eachOfBoth = sql`(select line, line::jsonb as ${session} from json_array_elements(${param("sessions")}::text::json) as line offset 0) as lines`;

/** The lines as `session`, and as text in `line`; with own columns as `own`. */
export const eachLine = (table: SessionTable, own: Record<string, string>): SQL =>
  isEmpty(Object.keys(own)) ? eachOfBoth : ownOfLines(table, own);

/** The text of a value that `JSON.stringify` makes an array or an object of, by the type of its column. */
const TEXT_OF: Record<string, (json: SQL) => SQL> = {
  // A Buffer; json_array_elements_text refuses every other object.
  bytea: (json) =>
    sql`'\\x' || (select coalesce(string_agg(lpad(to_hex(byte::int), 2, '0'), '' order by n), '') from json_array_elements_text(coalesce(${json} -> 'data', ${json})) with ordinality as bytes(byte, n))`,
  point: (json) =>
    sql`format('(%s,%s)', coalesce(${json} ->> 'x', ${json} ->> 0), coalesce(${json} ->> 'y', ${json} ->> 1))`,
  line: (json) =>
    sql`format('{%s,%s,%s}', coalesce(${json} ->> 'a', ${json} ->> 0), coalesce(${json} ->> 'b', ${json} ->> 1), coalesce(${json} ->> 'c', ${json} ->> 2))`,
};

/** The JSON of a column's field, as text. */
function fieldText(column: PgColumn, name: string): SQL {
  const json = sql`(line -> ${literal(name)})`;
  const textOf = TEXT_OF[column.getSQLType()];
  return textOf === undefined
    ? sql`${json}::text`
    : sql`case when json_typeof(${json}) in ('array', 'object') then to_json(${textOf(json)})::text else ${json}::text end`;
}

const sessionId = sql`${field("id")}::uuid`;

/**
 * Lines, as `session`, and their own columns, as `own`. The server reads each value by the column's type in the database.
 *
 * @param own at least one
 */
export function ownOfLines(table: SessionTable, own: Record<string, string>): SQL {
  const fields = ownOf(table, Object.keys(own)).map(
    ([key, column], n) =>
      sql`${literal(`${n === 0 ? "{" : ","}${JSON.stringify(column.name)}:`)} || ${fieldText(column, own[key] as string)}`,
  );
  return sql`${eachOfBoth} cross join lateral json_populate_record(null::${table}, (${sql.join(fields, sql` || `)} || '}')::json) as own`;
}

/**
 * The columns of a session of a line.
 *
 * @param own the own columns that it sets, by their keys
 */
export const importedColumns = (table: SessionTable, own: readonly string[]): Record<string, SQL> => ({
  id: sessionId,
  userId: sql`${param("userId")}::text`,
  phase: field("phase"),
  messages: json("messages"),
  metadata: json("metadata"),
  createdAt: timeOf(field("createdAt")),
  updatedAt: timeOf(field("updatedAt")),
  ...Object.fromEntries(ownOf(table, own).map(([key, { name }]) => [key, sql`own.${sql.identifier(name)}`])),
});

/**
 * Inserts sessions with their original times; skips those whose id is taken, by anyone. The JSON is
 * passed on unparsed, so that no number is rounded to a JavaScript number.
 *
 * Its shape is the own columns that each session has, by their keys, with the names of their fields. A session that
 * lacks one of the fields must not be passed.
 */
export const importSessions = perShape(
  (own: Record<string, string>) => isEmpty(Object.keys(own)),
  (table, own: Record<string, string>, preparing) => {
    const { id } = table;
    const values = importedColumns(table, Object.keys(own));
    const rows = isEmpty(Object.keys(own)) ? each : ownOfLines(table, own);
    return insertion<{ id: string }>(
      table,
      "import",
      (db) =>
        db
          .insert(onlyColumns(table, Object.keys(values)))
          .select(sql`select ${sql.join(Object.values(values), sql`, `)} from ${rows}`)
          .onConflictDoNothing({ target: keyOf(table) })
          .returning({ id }),
      preparing,
    );
  },
);

/** The ids of those sessions that the owner has. */
export const importedSessions = perTable((table) =>
  statement<{ id: string }>(table, "imported", (db) =>
    db
      .select({ id: table.id })
      .from(table)
      .where(and(allOwnedBy(table), sql`${table.id} in (select ${sessionId} from ${each})`)),
  ),
);

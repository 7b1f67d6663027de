import { Column, is, SQL, StringChunk, sql, Table } from "drizzle-orm";
import {
  PgArray,
  type PgColumn,
  PgEnumColumn,
  PgEnumObjectColumn,
  PgJson,
  PgJsonb,
  PgTimestamp,
} from "drizzle-orm/pg-core";
import { JourneyDbError } from "./errors.js";
import { fromDate, toDate } from "./time.js";

/** Columns as drizzle-orm's class, whose generated type knows no plain column. */
const elementOf = (column: PgColumn): PgColumn | undefined =>
  is(column, PgArray) ? (column.baseColumn as PgColumn) : undefined;

/** The type of a column, or of what its arrays are made of. */
const typeOf = (column: PgColumn): string => {
  const element = elementOf(column);
  return element ? typeOf(element) : column.getSQLType();
};

/** A JSON column of Drizzle. A custom type over JSON has a conversion of its own. */
export const isJson = (column: PgColumn) => is(column, PgJson) || is(column, PgJsonb);
const IS_NUMBER = /^(smallint|integer|real|double precision|smallserial|serial)$/;
const IS_TIME = /^(timestamp|date)\b/;
/** A cast to text would add the length of an address's network, and cut spaces at the end. JSON has the type's own text. */
const IS_CAST_CHANGED = /^(inet|char)\b/;

/**
 * The SQL that a function of a column has returned, if it has.
 *
 * @throws JourneyDbError configuration if it contains values: they would be the same in each call of a prepared statement
 */
export function expressionOf(column: PgColumn, value: unknown): SQL | undefined {
  if (!is(value, SQL)) return undefined;
  if (!hasValues(value)) return value;
  const message = `A function of column ${column.name} returns SQL that contains values; return a value, or SQL without values.`;
  throw new JourneyDbError("configuration", message);
}

const hasValues = ({ queryChunks }: SQL): boolean =>
  queryChunks.some((chunk) =>
    is(chunk, SQL)
      ? hasValues(chunk)
      : ![StringChunk, Column, Table].some((kind) => is(chunk, kind as never)),
  );

/** What fills a column of a new row that has no value for it, as Drizzle does. The function may return SQL. */
export const fillOf = (column: PgColumn): (() => unknown) | undefined =>
  column.defaultFn ?? (column.default === undefined ? column.onUpdateFn : undefined);

/** Names that are no types, and types that are one character or bit long without a length; each with what replaces it. */
const CAST: Record<string, string> = {
  smallserial: "int2",
  serial: "int4",
  bigserial: "int8",
  char: "bpchar",
  character: "bpchar",
  bit: '"bit"',
};

/** The type that the text of a value is cast to: without a length or a precision, at which a cast would cut it in silence. */
export function castType(column: PgColumn): SQL {
  const element = elementOf(column);
  if (element) return sql`${castType(element)}[]`;
  if (is(column, PgEnumColumn) || is(column, PgEnumObjectColumn)) {
    const { enumName, schema } = column.enum;
    const name = sql.identifier(enumName);
    return schema ? sql`${sql.identifier(schema)}.${name}` : sql`${name}`;
  }
  const type = column.getSQLType();
  const unlimited = type.replace(/ ?\(\d+(, ?-?\d+)?\)/, "");
  return sql.raw(CAST[unlimited] ?? unlimited);
}

/** The value of a column in JSON from which JavaScript reads it exactly, whatever the connection's DateStyle. */
export function inJson(column: PgColumn, value: PgColumn | SQL): SQL {
  if (is(column, PgTimestamp) && column.withTimezone) return sql`${value} at time zone 'UTC'`;
  const type = typeOf(column);
  if (
    /^(boolean|jsonb?)$|\[\]$/.test(type) ||
    [IS_NUMBER, IS_TIME, IS_CAST_CHANGED].some((one) => one.test(type))
  )
    return sql`${value}`;
  return elementOf(column) ? sql`${value}::text[]` : sql`${value}::text`;
}

/** The value as Drizzle returns it, of the JSON that `inJson` selects. */
export function fromJson(column: PgColumn, json: unknown): unknown {
  if (json === null) return null;
  const element = elementOf(column);
  if (element) return (json as unknown[]).map((item) => fromJson(element, item));
  // drizzle-orm would parse a JSON string again.
  if (isJson(column)) return json;
  const type = column.getSQLType();
  const text = String(json);
  // NaN and Infinity are strings in JSON.
  if (IS_NUMBER.test(type)) return column.mapFromDriverValue(Number(json));
  // drizzle-orm's Date is invalid for infinity and for years BC. A time of an array has its offset.
  if (is(column, PgTimestamp)) return /[+-]\d\d:\d\d$/.test(text) ? new Date(text) : toDate(text);
  if (IS_TIME.test(type))
    return column.mapFromDriverValue(text.replace("T", " ").replace(/([+-]\d\d):00( BC)?$/, "$1$2"));
  if (type === "bytea") return column.mapFromDriverValue(bytesOf(text));
  return column.mapFromDriverValue(json);
}

/** https://www.postgresql.org/docs/current/datatype-binary.html: the setting bytea_output is the connection's. */
const bytesOf = (text: string): Buffer =>
  text.startsWith("\\x")
    ? Buffer.from(text.slice(2), "hex")
    : Buffer.from(
        text.replace(/\\(\\|\d{3})/g, (_, code) =>
          code === "\\" ? code : String.fromCharCode(Number.parseInt(code, 8)),
        ),
        "latin1",
      );

/**
 * The text that PostgreSQL reads as the value.
 *
 * @param value not null
 * @throws JourneyDbError configuration if the column's type converts its values to SQL
 */
export function toText(column: PgColumn, value: unknown): string {
  const element = elementOf(column);
  if (element) return arrayOf(element, value as unknown[]);
  if (isJson(column)) return JSON.stringify(value);
  const mapped =
    value instanceof Date && column.dataType === "date" ? fromDate(value) : column.mapToDriverValue(value);
  if (is(mapped, SQL)) {
    const message = `Column ${column.name} converts its values to SQL, which a prepared statement cannot take.`;
    throw new JourneyDbError("configuration", message);
  }
  if (mapped instanceof Date) return mapped.toISOString();
  if (mapped instanceof Uint8Array) return `\\x${Buffer.from(mapped).toString("hex")}`;
  if (Object.is(mapped, -0)) return "-0";
  if (Array.isArray(mapped) && column.getSQLType().endsWith("[]")) return literalOf(mapped.map(String));
  return typeof mapped === "object" ? JSON.stringify(mapped) : String(mapped);
}

/** The text that PostgreSQL reads as an array of values of the column. */
export function arrayOf(column: PgColumn, items: readonly unknown[]): string {
  const isNested = elementOf(column) !== undefined;
  return literalOf(
    items.map((item) => (item === null ? null : toText(column, item))),
    isNested,
  );
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
const literalOf = (texts: readonly (string | null)[], isNested = false): string =>
  `{${texts.map((text) => (text === null || isNested ? (text ?? "NULL") : `"${text.replaceAll(/["\\]/g, "\\$&")}"`)).join(",")}}`;

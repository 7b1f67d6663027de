import { type SQL, sql, Table } from "drizzle-orm";
import { getTableConfig, type PgColumn } from "drizzle-orm/pg-core";
import { castType, expressionOf, fillOf, inJson, toText } from "../model/column-values.js";
import { ownColumns, type SessionTable } from "../schema.js";
import { type Named, param, perTable } from "./statement.js";

/** The name of a value that a statement takes for an own column. */
export const ownParam = (key: string) => `own.${key}`;

/** The values of own columns, as texts, for a statement. */
export const ownValues = (texts: Record<string, string | null>): Named =>
  Object.fromEntries(Object.entries(texts).map(([key, text]) => [ownParam(key), text]));

/** The value of an own column, of its text. */
export const ownValue = (column: PgColumn, key: string): SQL =>
  sql`${param(ownParam(key))}::text::${castType(column)}`;

const touchParam = (key: string) => `touch.${key}`;

/** The own columns with Drizzle's `$onUpdate`, and the SQL that its function returns, if it returns any. */
const touchedColumns = perTable((table) =>
  ownColumns(table).flatMap(([key, column]) => {
    if (column.onUpdateFn === undefined) return [];
    return [{ key, column, expression: expressionOf(column, column.onUpdateFn()) }];
  }),
);

/** What every write sets of the own columns: those with Drizzle's `$onUpdate`. */
export const ownTouched = (table: SessionTable, except: readonly string[] = []): Record<string, SQL> =>
  Object.fromEntries(
    touchedColumns(table)
      .filter(({ key }) => !except.includes(key))
      // In a sub-select, since distributed engines refuse casts in ON CONFLICT that are not immutable.
      .map(({ key, column, expression }) => [
        key,
        expression ?? sql`(select ${param(touchParam(key))}::text::${castType(column)})`,
      ]),
  );

/** The values of `ownTouched`, anew for each call. */
export const touchValues = (table: SessionTable): Named =>
  Object.fromEntries(
    touchedColumns(table)
      .filter(({ expression }) => expression === undefined)
      .map(({ key, column }) => {
        const value = column.onUpdateFn?.() ?? null;
        return [touchParam(key), value === null ? null : toText(column, value)];
      }),
  );

/** What a new row sets of the own columns: those with these keys, and those that an expression of Drizzle's `$default` fills. */
export const ownInserted = (table: SessionTable, keys: readonly string[]): Record<string, SQL> =>
  Object.fromEntries(
    ownColumns(table).flatMap(([key, column]) => {
      if (keys.includes(key)) return [[key, ownValue(column, key)]];
      const expression = expressionOf(column, fillOf(column)?.());
      return expression ? [[key, expression]] : [];
    }),
  );

/**
 * A value of `input` that makes inserts of the same id take turns, for a table with a unique index of its own. PostgreSQL
 * keeps inserts apart by the index of `on conflict` only: 32 first messages at once blocked each other in two indexes for
 * more than 15 s.
 */
export function turn(table: SessionTable): Record<string, SQL> {
  const { uniqueConstraints, indexes, columns } = getTableConfig(table);
  const isUnique =
    uniqueConstraints.length > 0 ||
    indexes.some(({ config }) => config.unique) ||
    columns.some((column) => column.isUnique);
  return isUnique ? { turn: sql`pg_advisory_xact_lock(hashtextextended(${param("id")}::text, 0))` } : {};
}

/** The own columns with these keys. */
export const ownOf = (table: SessionTable, keys: readonly string[]): [key: string, column: PgColumn][] =>
  ownColumns(table).filter(([key]) => keys.includes(key));

/** The own columns of a table, as columns of a statement's inner query. */
export const ownSelected = (table: SessionTable) =>
  Object.fromEntries(
    ownColumns(table).map(([key, column]) => [ownParam(key), sql`${column}`.as(ownParam(key))]),
  );

/** The own columns as JSON, of a table or of a query that has `ownSelected`. */
export const ownInJson = (table: SessionTable, from: "table" | SQL): SQL[] =>
  ownColumns(table).map(([key, column]) =>
    inJson(column, from === "table" ? column : sql`${from}.${sql.identifier(ownParam(key))}`),
  );

/**
 * The table with some of its columns. Drizzle inserts into every column of a table, and sets every column with
 * `$onUpdate`, whose function it would call once for a prepared statement.
 *
 * @param onlyUpdated more columns, which an insert sets on conflict only
 */
export function onlyColumns(
  table: SessionTable,
  keys: readonly string[],
  onlyUpdated: readonly string[] = [],
): SessionTable {
  const { Columns } = (Table as unknown as { Symbol: { Columns: symbol } }).Symbol;
  const columns = (table as unknown as Record<symbol, Record<string, PgColumn>>)[Columns] ?? {};
  const notInserted = { shouldDisableInsert: { value: () => true } };
  const kept = Object.fromEntries([
    ...keys.map((key) => [key, columns[key]]),
    ...onlyUpdated
      .filter((key) => !keys.includes(key))
      .map((key) => [key, Object.create(columns[key] as PgColumn, notInserted)]),
  ]);
  return Object.create(table, { [Columns]: { value: kept } });
}

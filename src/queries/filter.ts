import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { castType } from "../model/column-values.js";
import type { Filter, SessionTable } from "../schema.js";
import { ownOf, ownParam, ownValue } from "./own-columns.js";
import { param } from "./statement.js";

const anyOf = (column: PgColumn, key: string): SQL =>
  sql`${column} = any(${param(ownParam(key))}::text::${castType(column)}[])`;

const CONDITION: Record<Filter[1], (column: PgColumn, key: string) => SQL> = {
  value: (column, key) => sql`${column} = ${ownValue(column, key)}`,
  any: anyOf,
  null: (column) => sql`${column} is null`,
  "any or null": (column, key) => sql`(${column} is null or ${anyOf(column, key)})`,
};

/** The conditions of the filters. Each is one that an index of the column can serve. */
export const filtered = (table: SessionTable, filters: readonly Filter[]): SQL[] =>
  filters.flatMap(([key, by]) => ownOf(table, [key]).map(([, column]) => CONDITION[by](column, key)));

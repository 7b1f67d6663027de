import { is, SQL, sql } from "drizzle-orm";
import { getTableConfig, PgDialect } from "drizzle-orm/pg-core";
import { journeySessions } from "../../schema.js";

/** The table as src/schema.ts declares it. What verify expects is derived from this. */
const { columns, checks, indexes } = getTableConfig(journeySessions);

const textOf = (expression: SQL) => new PgDialect().sqlToQuery(expression).sql;

/** A declared column, its type and default as the server prints them. */
export interface DeclaredColumn {
  name: string;
  type: string;
  default: string | null;
  primary: boolean;
}

export const COLUMNS: readonly DeclaredColumn[] = columns.map((column) => {
  const type = column.getSQLType();
  const value: unknown = column.default;
  const literal = () => `'${typeof value === "string" ? value : JSON.stringify(value)}'::${type}`;
  const stated = value === undefined ? null : is(value, SQL) ? textOf(value) : literal();
  return { name: column.name, type, default: stated, primary: column.primary };
});

export const PRIMARY_KEY = COLUMNS.filter(({ primary }) => primary)
  .map(({ name }) => name)
  .join(", ");

/** The declared checks. The server prints the type of each literal. */
export const CHECKS = checks.map(({ name, value }) => {
  const condition = textOf(value);
  return { name, condition, definition: `CHECK ((${condition.replaceAll(/'[^']*'/g, "$&::text")}))` };
});

export const INDEXES = indexes.map(({ config: { name = "", columns: of } }) => {
  const columns = of.map((column) => ("name" in column ? column.name : "")).join(", ");
  return { name, definition: `btree (${columns})` };
});

/** Declared objects as rows of a query, with the alias `declared`. */
const asRows = (objects: readonly object[], fields: SQL) =>
  sql`jsonb_to_recordset(${JSON.stringify(objects)}::text::jsonb) as declared (${fields})`;

export const DECLARED_COLUMNS = asRows(COLUMNS, sql`name text, type text, "default" text, "primary" boolean`);
export const DECLARED_CHECKS = asRows(CHECKS, sql`name text, definition text`);
export const DECLARED_INDEXES = asRows(INDEXES, sql`name text, definition text`);

import { is, SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { Database } from "../database.js";
import { error, type Finding, warning } from "./finding.js";
import { declared, TABLE } from "./structure.js";

type Column = (typeof declared.columns)[number];

/** A column's declared default as the server writes it. */
function defaultOf(column: Column): string | null {
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
  /** What gives it its values instead of a default, and can be dropped. */
  fills: "expression" | "identity" | null;
}

export const readColumns = (db: Database): Promise<StoredColumn[]> =>
  db
    .select({
      name: sql<string>`quote_ident(a.attname)`,
      type: sql<string>`format_type(a.atttypid, a.atttypmod)`,
      notNull: sql<boolean>`a.attnotnull`,
      // An identity column fills itself, as a default does.
      default: sql<string | null>`coalesce(pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, ''))`,
      fills: sql<
        StoredColumn["fills"]
      >`case when a.attgenerated <> '' then 'expression' when a.attidentity <> '' then 'identity' end`,
    })
    .from(sql`pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum`)
    .where(sql`a.attrelid = ${TABLE} and a.attnum > 0 and not a.attisdropped`)
    .orderBy(sql`a.attnum`);

const alter = (name: string, ...actions: string[]) =>
  `alter table journey_sessions ${actions.map((action) => `alter column ${name} ${action}`).join(", ")}`;

const dropDefault = ({ fills }: StoredColumn) => (fills ? `drop ${fills} if exists` : "drop default");

/** The old default goes first: it may have no cast to the new type. */
function changeType(found: StoredColumn, column: Column): string {
  const { name } = column;
  const type = column.getSQLType();
  const expected = defaultOf(column);
  const setDefault = expected === null ? [] : [`set default ${expected}`];
  const change = (value: string) => {
    const typed = [`type ${type} using ${value}`, ...setDefault];
    const drop = dropDefault(found);
    return found.fills ? `${alter(name, drop)}, then ${alter(name, ...typed)}` : alter(name, drop, ...typed);
  };
  if (type === "jsonb" && found.type.endsWith("[]")) return change(`to_jsonb(${name})`);
  // A plain cast would follow the session's TimeZone.
  if (type === "timestamp with time zone" && /^date$|without time zone$/.test(found.type))
    return `${change(`${name}::timestamp at time zone 'UTC'`)}, or in place of UTC the zone that they were written in`;
  return change(`${name}::${type}`);
}

/** Exactly the declared columns, with their types, nullability and defaults. */
export function checkColumns(stored: readonly StoredColumn[], reapply: string): Finding[] {
  const findings = declared.columns.flatMap((column) => {
    const { name } = column;
    const expected = defaultOf(column);
    const found = stored.find((one) => one.name === name);
    if (!found) {
      const filled = expected === null ? "" : ` default ${expected}`;
      const add = `alter table journey_sessions add column ${name} ${column.getSQLType()}${filled}`;
      return [error("column_missing", `Column ${name} is missing.`, `${add}, then ${reapply}`)];
    }
    const wrong: Finding[] = [];
    if (found.type !== column.getSQLType()) {
      const message = `Column ${name} is ${found.type}, not ${column.getSQLType()}.`;
      wrong.push(error("column_type", message, changeType(found, column)));
    }
    if (!found.notNull) {
      // No migration says so of a primary key's column.
      const remedy = column.primary ? alter(name, "set not null") : reapply;
      wrong.push(error("column_nullable", `Column ${name} may be NULL.`, remedy));
    }
    // Generated, it may show the same text as the default.
    if (found.fills || found.default !== expected) {
      const instead = found.fills ?? (found.default === null ? "no default" : "another default");
      const drop = alter(name, dropDefault(found));
      wrong.push(
        error(
          "column_default",
          `Column ${name} has ${instead}; expected ${expected === null ? "no default" : `default ${expected}`}.`,
          expected === null ? drop : found.fills ? `${drop}, then ${reapply}` : reapply,
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

import { is, SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { Database } from "../../model/database.js";
import { atOnce, error, type Finding, type FindingCode, type Remedy, warning } from "./finding.js";
import { retyping } from "./retype.js";
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
  /** Why it cannot be changed. */
  fixed: "inherited" | "a virtual generated column" | null;
  /** What else than the table's own would keep it from being dropped. */
  users: string[];
  /** Its collation, where that calls different texts equal. */
  blurred: string | null;
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
      fixed: sql<
        StoredColumn["fixed"]
      >`case when a.attinhcount > 0 then 'inherited' when a.attgenerated::text = 'v' then 'a virtual generated column' end`,
      users: sql<
        string[]
      >`coalesce((select to_jsonb(array_agg(distinct pg_describe_object(d.classid, d.objid, d.objsubid))) from pg_depend d
        where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype = 'n'), '[]')::text`.mapWith(
        JSON.parse,
      ),
      blurred: sql<
        string | null
      >`(select quote_ident(collname) from pg_collation l where l.oid = a.attcollation and not collisdeterministic)`,
    })
    .from(sql`pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum`)
    .where(sql`a.attrelid = ${TABLE} and a.attnum > 0 and not a.attisdropped`)
    .orderBy(sql`a.attnum`);

const alterTable = (action: string) => `alter table journey_sessions ${action}`;
const alter = (name: string, action: string) => alterTable(`alter column ${name} ${action}`);

const dropDefault = ({ fills }: StoredColumn) => (fills ? `drop ${fills} if exists` : "drop default");

const UTC = ", or in place of UTC the zone that they were written in";

const fixed = (code: FindingCode, message: string, why: string) =>
  error(
    code,
    `${message}, and is ${why}.`,
    "copy the rows to a table without that, and give it the name of this one",
  );

const drops = (dropped: readonly string[]) =>
  dropped.length === 0 ? "" : `; the remedy drops what fits the old type only: ${dropped.join(", ")}`;

async function wrongType(db: Database, found: StoredColumn, column: Column): Promise<Finding> {
  const { name } = column;
  const to = column.getSQLType();
  if (found.fixed) return fixed("column_type", `Column ${name} is ${found.type}, not ${to}`, found.fixed);
  const change = await retyping(db, {
    name,
    to,
    dropDefault: found.default === null && !found.fills ? null : dropDefault(found),
    setDefault: defaultOf(column),
  });
  const message = `Column ${name} is ${found.type}, not ${to}`;
  const verified = "then run journey-db verify";
  if ("noCast" in change && column.primary) {
    const remedy = `give the table another column that is a ${to} of each session, make what references a session reference that, and rename it to ${name}`;
    return error("column_type", `${message}, and there is no cast between them.`, remedy);
  }
  if ("noCast" in change) {
    return error("column_type", `${message}, and there is no cast between them.`, {
      sql: alterTable(`rename column ${name} to ${name}_old`),
      rest: `, ${verified} for the new column, then fill that from the old one`,
    });
  }
  if ("usedBy" in change) {
    const users = change.usedBy.join(", ");
    const key = change.usedBy.some((user) => user.startsWith("foreign key "))
      ? `, of a foreign key once its column is changed as that SQL changes ${name}`
      : "";
    const remedy = `keep the definition of ${users} and drop it, ${verified} for the SQL that changes the type, then create it again${key}`;
    return error("column_type", `${message}, and is used by ${users}.`, remedy);
  }
  if ("unfit" in change) {
    const rows = `${change.unfit} ${change.unfit === 1 ? "row holds" : "rows hold"}`;
    const how = to === "uuid" ? ` (md5(${name})::uuid makes one of any text)` : "";
    const rest = `, then give each row that it shows another value${how}, ${verified}`;
    return error("column_type", `${message}, and ${rows} a value that ${to} does not take.`, {
      sql: change.shown,
      rest,
    });
  }
  if ("merged" in change) {
    const rest = `, then give each row that it shows another value, ${verified}`;
    const rows = `${change.merged} rows hold values that ${to} does not tell apart`;
    return error("column_type", `${message}, and ${rows}.`, { sql: change.shown, rest });
  }
  if ("noTime" in change) {
    const rows = change.noTime === 1 ? "1 row holds" : `${change.noTime} rows hold`;
    return error(
      "column_type",
      `${message}, and ${rows} a number that is no time between 1970 and 100 years from now, be it seconds since 1970 or milliseconds.`,
      `change the type by the unit that the numbers have, such as to_timestamp(${name} / 1000000.0) for microseconds`,
    );
  }
  return error("column_type", `${message}${change.how}${drops(change.dropped)}.`, {
    sql: change.sql,
    rest: change.utc ? UTC : "",
  });
}

/** Under a collation that calls different texts equal, one user is taken for another. */
async function wrongCollation(db: Database, found: StoredColumn): Promise<Finding> {
  const { name } = found;
  const message = `Column ${name} has collation ${found.blurred}, by which different ids are equal: a user may read, change and delete what is another's`;
  if (found.fixed) return fixed("column_collation", message, found.fixed);
  const keys = await db
    .select({ key: sql<string>`format('foreign key %I of %s', conname, conrelid::regclass)` })
    .from(
      sql`pg_constraint join pg_attribute p on p.attrelid = ${TABLE} and quote_ident(p.attname) = ${name}::text`,
    )
    .where(
      sql`contype = 'f' and ((conrelid = ${TABLE} and conkey @> array[p.attnum]) or (confrelid = ${TABLE} and confkey @> array[p.attnum]))`,
    )
    .orderBy(sql`1`);
  const change = await retyping(db, {
    name,
    to: found.type,
    dropDefault: found.default === null && !found.fills ? null : dropDefault(found),
    setDefault: null,
    collation: '"default"',
  });
  const users = [...keys.map(({ key }) => key), ...("usedBy" in change ? change.usedBy : [])].join(", ");
  if (users || !("sql" in change)) {
    const remedy = `keep the definition of ${users} and drop it, then run journey-db verify for the SQL that changes the collation`;
    return error("column_collation", `${message}; it is used by ${users}.`, remedy);
  }
  return error("column_collation", `${message}${drops(change.dropped)}.`, { sql: change.sql });
}

/** Exactly the declared columns, with their types, nullability and defaults. */
export async function checkColumns(
  db: Database,
  stored: readonly StoredColumn[],
  reapply: Remedy,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const column of declared.columns) {
    const { name } = column;
    const expected = defaultOf(column);
    const found = stored.find((one) => one.name === name);
    if (!found) {
      findings.push(missing(column, expected));
      continue;
    }
    const typed = found.type === column.getSQLType();
    if (!typed) findings.push(await wrongType(db, found, column));
    else if (name === "user_id" && found.blurred) findings.push(await wrongCollation(db, found));
    if (!found.notNull) {
      // No migration says so of the primary key's column.
      const remedy = column.primary ? { sql: alter(name, "set not null") } : reapply;
      findings.push(error("column_nullable", `Column ${name} may be NULL.`, remedy));
    }
    // Generated, it may show the same text as the default. What changes the type sets the default, too.
    if (typed && (found.fills || found.default !== expected)) {
      const instead = found.fills ?? (found.default === null ? "no default" : "another default");
      const drop = alter(name, dropDefault(found));
      const set = expected === null ? [] : [alter(name, `set default ${expected}`)];
      const message = `Column ${name} has ${instead}; expected ${expected === null ? "no default" : `default ${expected}`}.`;
      if (found.fixed && found.fills) {
        findings.push(fixed("column_default", message.slice(0, -1), found.fixed));
        continue;
      }
      const sql = found.fills ? atOnce([drop, ...set]) : (set[0] ?? drop);
      findings.push(error("column_default", message, { sql }));
    }
  }
  for (const { name, notNull, default: filled, fixed: why, users } of stored) {
    if (declared.columns.some((column) => column.name === name)) continue;
    const blocks = notNull && filled === null;
    const inherited = why === "inherited" ? why : "";
    const kept = inherited || (users.length > 0 ? `used by ${users.join(", ")}` : "");
    findings.push(
      (blocks ? error : warning)(
        "column_unexpected",
        `Column ${name} is not part of the table${blocks ? ", and no session can be created without a value for it" : ""}.`,
        kept
          ? `move what it holds to a table of your own and drop it; before that deal with what keeps it: it is ${kept}`
          : {
              sql: alterTable(`drop column if exists ${name}`),
              rest: ", after moving what it holds to a table of your own",
            },
      ),
    );
  }
  return findings;
}

/** NOT NULL at once where a default fills it; else the migrations say so, once each row has a value. */
function missing(column: Column, expected: string | null): Finding {
  const { name } = column;
  const filled = expected === null ? "" : ` default ${expected} not null`;
  const sql = alterTable(`add column ${name} ${column.getSQLType()}${filled}`);
  const rest = expected === null ? ", then fill it, then run journey-db migrate" : "";
  return error("column_missing", `Column ${name} is missing.`, { sql, rest });
}

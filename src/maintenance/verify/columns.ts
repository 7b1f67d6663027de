import { type SQL, sql } from "drizzle-orm";
import { TABLE } from "../read.js";
import type { Check } from "./check.js";
import { COPY_ROWS, changeColumn, dropDefault, type StoredColumn } from "./column-type.js";
import { DECLARED_COLUMNS, type DeclaredColumn } from "./declared.js";
import { atOnce } from "./finding.js";

// An identity column counts as one with a default, since both fill it.
const STORED_COLUMNS = sql`(
  select a.attnum, a.attrelid, quote_ident(a.attname) as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
    coalesce(pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, '')) as default,
    case when a.attgenerated <> '' then 'expression' when a.attidentity <> '' then 'identity' end as filled_by,
    case when a.attinhcount > 0 then 'inherited' when a.attgenerated::text = 'v' then 'a virtual generated column' end as fixed,
    (select quote_ident(collname) from pg_collation l where l.oid = a.attcollation and not collisdeterministic) as nondeterministic
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = ${TABLE} and a.attnum > 0 and not a.attisdropped) as stored`;

interface Differing {
  stored: StoredColumn;
  declared: DeclaredColumn;
}

const differing = (condition: SQL) =>
  sql`select to_jsonb(stored) as stored, to_jsonb(declared) as declared
    from ${STORED_COLUMNS} join ${DECLARED_COLUMNS} on stored.name = declared.name where ${condition} order by attnum`;

const alterTable = (action: string) => `alter table journey_sessions ${action}`;

const FILLED = { expression: "is generated", identity: "is an identity column" };

export const COLUMN_CHECKS: Check[] = [
  {
    code: "column_missing",
    query: sql`select declared.* from ${DECLARED_COLUMNS} left join ${STORED_COLUMNS} on stored.name = declared.name where stored.name is null`,
    // Without a default, the migrations set NOT NULL once each row has a value.
    finding: ({ name, type, default: value }: DeclaredColumn) => [
      `Column ${name} is missing.`,
      value === null
        ? {
            sql: alterTable(`add column ${name} ${type}`),
            rest: ", then fill it, then run journey-db migrate",
          }
        : { sql: alterTable(`add column ${name} ${type} default ${value} not null`) },
    ],
  },
  {
    code: "column_type",
    query: differing(sql`stored.type <> declared.type`),
    finding: ({ stored, declared }: Differing, { db }) =>
      changeColumn(db, stored, declared, `Column ${stored.name} is ${stored.type}, not ${declared.type}`),
  },
  {
    code: "column_collation",
    query: differing(
      sql`stored.name = 'user_id' and stored.type = declared.type and nondeterministic is not null`,
    ),
    finding: ({ stored, declared }: Differing, { db }) =>
      changeColumn(
        db,
        stored,
        declared,
        `Column ${stored.name} has collation ${stored.nondeterministic}, in which different ids are equal: a user can read, change and delete another user's sessions`,
        '"default"',
      ),
  },
  {
    code: "column_nullable",
    query: differing(sql`not not_null`),
    // No migration sets NOT NULL on the primary key's column.
    finding: ({ declared: { name, primary } }: Differing, { reapply }) => [
      `Column ${name} allows NULL.`,
      primary ? { sql: alterTable(`alter column ${name} set not null`) } : reapply,
    ],
  },
  {
    code: "column_default",
    // A generated column can print the same expression as the default. The remedy of another type sets the default, too.
    query: differing(
      sql`stored.type = declared.type and (filled_by is not null or stored.default is distinct from declared.default)`,
    ),
    finding: ({ stored, declared: { name, default: value } }: Differing) => {
      const has = stored.default === null ? "has no default" : "has another default";
      const message = `Column ${name} ${stored.filled_by ? FILLED[stored.filled_by] : has}; expected ${value === null ? "no default" : `default ${value}`}`;
      if (stored.fixed && stored.filled_by) return [`${message}. It is ${stored.fixed}.`, COPY_ROWS];
      const drop = alterTable(`alter column ${name} ${dropDefault(stored)}`);
      const set = value === null ? [] : [alterTable(`alter column ${name} set default ${value}`)];
      return [`${message}.`, { sql: stored.filled_by ? atOnce([drop, ...set]) : (set[0] ?? drop) }];
    },
  },
  {
    code: "column_unexpected",
    severity: "warning",
    query: sql`select stored.*, (
        select string_agg(distinct pg_describe_object(d.classid, d.objid, d.objsubid), ', ') from pg_depend d
        where d.refclassid = 'pg_class'::regclass and d.refobjid = attrelid and d.refobjsubid = attnum and d.deptype = 'n') as users
      from ${STORED_COLUMNS} where not exists (select from ${DECLARED_COLUMNS} where declared.name = stored.name) order by attnum`,
    finding: ({ name, not_null, default: value, fixed, users }: StoredColumn & { users: string | null }) => {
      const needed = not_null && value === null;
      const inUse = fixed === "inherited" ? fixed : users && `used by ${users}`;
      return [
        `Column ${name} is not part of the table${needed ? ", and no session can be created without a value for it" : ""}.`,
        inUse
          ? `move its data to a table of your own and drop it; first remove what depends on it: it is ${inUse}`
          : {
              sql: alterTable(`drop column if exists ${name}`),
              rest: ", after moving its data to a table of your own",
            },
        needed ? "error" : "warning",
      ];
    },
  },
];

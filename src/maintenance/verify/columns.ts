import { type SQL, sql } from "drizzle-orm";
import { literal } from "../table-sql.js";
import type { Check } from "./check.js";
import { changeColumn, copyRows, dropDefault, type StoredColumn, storageOf } from "./column-type.js";
import type { DeclaredColumn, DeclaredTable } from "./declared.js";
import { changeUndistributed } from "./distributed.js";
import { atOnce } from "./finding.js";

// An identity column counts as one with a default, since both fill it. A domain can have NOT NULL and a default, too.
export const storedColumns = (oid: SQL) => sql`(
  select a.attnum, a.attrelid, a.attname::text as key, quote_ident(a.attname) as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
    coalesce(pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, '')) as default,
    case when a.attgenerated <> '' then 'expression' when a.attidentity <> '' then 'identity' end as filled_by,
    case when a.attinhcount > 0 then 'inherited' when a.attgenerated::text = 'v' then 'a virtual generated column' end as fixed,
    (select quote_ident(collname) from pg_collation l where l.oid = a.attcollation and not collisdeterministic) as nondeterministic,
    (with recursive types as (
        select typbasetype, typnotnull from pg_type where oid = a.atttypid
        union all
        select b.typbasetype, b.typnotnull from types join pg_type b on b.oid = types.typbasetype
      ) select bool_or(typnotnull) from types) as domain_not_null,
    t.typdefault as domain_default
  from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = ${oid} and a.attnum > 0 and not a.attisdropped) as stored`;

interface Differing {
  stored: StoredColumn;
  declared: DeclaredColumn;
}

const FILLED = { expression: "is generated", identity: "is an identity column" };

export function columnChecks(table: DeclaredTable): Check[] {
  const stored = storedColumns(table.oid);
  const differing = (condition: SQL) =>
    sql`select to_jsonb(stored) as stored, to_jsonb(declared) as declared
      from ${stored} join ${table.columnRows} on stored.key = declared.name where ${condition} order by attnum`;
  const alterTable = (action: string) => `alter table ${table.sql} ${action}`;
  return [
    {
      code: "column_missing",
      query: sql`select declared.* from ${table.columnRows} left join ${stored} on stored.key = declared.name where stored.name is null`,
      // Without a default, the migrations set NOT NULL once each row has a value.
      finding: ({ name, type, default: value, nullable }: DeclaredColumn) => [
        `Column ${name} is missing.`,
        nullable
          ? { sql: alterTable(`add column ${name} ${type}`) }
          : value === null
            ? {
                sql: atOnce([alterTable(`add column ${name} ${type}`), ...storageOf(table, name)]),
                rest: `, then fill it, then run journey-db ${table.optional ? "verify" : "migrate"}`,
              }
            : {
                sql: atOnce([
                  alterTable(`add column ${name} ${type} default ${value} not null`),
                  ...storageOf(table, name),
                ]),
              },
      ],
    },
    {
      code: "column_type",
      query: differing(sql`stored.type <> declared.type`),
      finding: ({ stored, declared }: Differing, { db }) =>
        changeColumn(
          db,
          table,
          stored,
          declared,
          `Column ${stored.name} is ${stored.type}, not ${declared.type}`,
        ),
    },
    {
      code: "column_collation",
      query: differing(
        sql`stored.name = 'user_id' and stored.type = declared.type and nondeterministic is not null`,
      ),
      finding: ({ stored, declared }: Differing, { db }) =>
        changeColumn(
          db,
          table,
          stored,
          declared,
          `Column ${stored.name} has collation ${stored.nondeterministic}, in which different ids are equal: a user can read, change and delete another user's sessions`,
          '"default"',
        ),
    },
    {
      code: "column_nullable",
      query: differing(sql`not_null = declared.nullable`),
      // No migration sets NOT NULL on the primary key's column.
      finding: ({ declared: { name, primary, nullable, default: value } }: Differing, { reapply }) => {
        if (nullable)
          return [
            `Column ${name} does not allow NULL.`,
            { sql: alterTable(`alter column ${name} drop not null`) },
          ];
        const set = alterTable(`alter column ${name} set not null`);
        const fill = `update ${table.sql} set ${name} = ${value} where ${name} is null`;
        return [
          `Column ${name} allows NULL.`,
          primary ? { sql: set } : reapply(value === null ? set : atOnce([fill, set])),
        ];
      },
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
        if (stored.fixed && stored.filled_by) return [`${message}. It is ${stored.fixed}.`, copyRows(table)];
        // Citus accepts no DROP IDENTITY or DROP EXPRESSION.
        if (stored.filled_by && table.distributed)
          return [`${message}.`, changeUndistributed(table.distributed)];
        const drop = alterTable(`alter column ${name} ${dropDefault(stored)}`);
        const set = value === null ? [] : [alterTable(`alter column ${name} set default ${value}`)];
        return [`${message}.`, { sql: stored.filled_by ? atOnce([drop, ...set]) : (set[0] ?? drop) }];
      },
    },
    {
      code: "column_unexpected",
      severity: "note",
      query: undeclared(table, stored),
      finding: (column: StoredColumn) => {
        const { name } = column;
        const needed =
          (column.not_null || column.domain_not_null) && (column.default ?? column.domain_default) === null;
        return needed
          ? [
              `Column ${name} is not in the schema, is NOT NULL and has no default: no ${table.row} can be stored, unless a trigger sets it.`,
              `${table.optional ? "drop it" : "declare it in the table's schema"}, or give it a default (alter table ${table.sql} alter column ${name} set default …)`,
              "error",
            ]
          : [
              `Column ${name} is not in the schema: no call reads or writes it.`,
              table.optional
                ? "none is needed"
                : "declare it in the table's schema if sessions should have it",
            ];
      },
    },
  ];
}

/** The columns that the schema does not declare. */
function undeclared({ columns, own }: DeclaredTable, stored: SQL): SQL {
  const declared = [...columns.map(({ name }) => name), ...own.columns.map(({ key }) => key)];
  return sql`select stored.* from ${stored} where key not in (${sql.raw(declared.map(literal).join(", "))}) order by attnum`;
}

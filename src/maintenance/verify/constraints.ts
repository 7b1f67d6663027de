import { sql } from "drizzle-orm";
import type { OptionalMigrations } from "../../validation/options.js";
import { read } from "../read.js";
import { applying, type Check, type Context } from "./check.js";
import type { DeclaredCheck, DeclaredTable } from "./declared.js";
import { alterations } from "./distributed.js";
import { atOnce, before } from "./finding.js";

const FOREIGN_KEYS = sql`string_agg(format('foreign key %I of %s', conname, conrelid::regclass), ', ' order by conname, conrelid)`;

interface Index {
  name: string;
  /** Another schema of the search_path may have an index of the same name. */
  qualified_name: string;
  definition: string;
}

interface ForeignKey {
  name: string;
  table: string;
  /** Whether it references a session, not a row that is deleted with one. */
  direct: boolean;
  /** Whether it sets a column that cannot be NULL. */
  sets: boolean;
}

/** Adds the check for new rows, and for the stored ones too if none breaks it. */
function addCheck({ sql: table, checks }: DeclaredTable, name: string): string[] {
  const { condition } = checks.find((one) => one.name === name) as DeclaredCheck;
  return [
    `alter table ${table} add constraint ${name} check (${condition}) not valid`,
    `begin alter table ${table} validate constraint ${name}; exception when check_violation then null; end`,
  ];
}

const createIndex = ({ sql: table }: DeclaredTable, name: string, columns: string) =>
  `create index ${name} on ${table} using btree (${columns})`;

/** By the migrations that create it. */
const reapplying = (
  declared: readonly { name: string; with?: OptionalMigrations | undefined }[],
  name: string,
  context: Context,
) => applying(context, declared.find((one) => one.name === name)?.with).reapply;

const otherName = (name: string) => (name.endsWith('"') ? `${name.slice(0, -1)}_other"` : `${name}_other`);

export function constraintChecks(table: DeclaredTable): Check[] {
  const constraints = sql`(
    select quote_ident(conname) as name, contype::text as type, pg_get_constraintdef(oid) as definition, conindid
    from pg_constraint where conrelid = ${table.oid} and contype in ('p', 'c', 'f', 'x')) as stored`;

  const indexes = sql`(
    select i.*, quote_ident(c.relname) as name, format('%I.%I', n.nspname, c.relname) as qualified_name,
      substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$') as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where i.indrelid = ${table.oid}) as stored`;

  return [
    {
      code: "primary_key",
      query: sql`select (select name from ${constraints} where type = 'p') as name,
        not exists (select from unnest(string_to_array(${table.primaryKey}::text, ', ')) as of (name)
          where name not in (select attname::text from pg_attribute where attrelid = ${table.oid} and not attisdropped)) as has_columns,
        (select ${FOREIGN_KEYS} from pg_constraint where contype = 'f' and confrelid = ${table.oid} and conparentid = 0
          and conindid = (select conindid from ${constraints} where type = 'p')) as users
      where not exists (select from ${constraints} where definition = ${`PRIMARY KEY (${table.primaryKey})`}::text)`,
      finding: async (
        { name, has_columns, users }: { name: string | null; has_columns: boolean; users: string | null },
        { db },
      ) => {
        const key = table.primaryKey;
        const problem = `The primary key is ${name ? `deferrable or not (${key})` : "missing"}`;
        const [ids] = has_columns
          ? await read<{ duplicate: number; missing: number | null }>(
              db,
              sql.raw(`select count(*) filter (where num_nulls(${key}) = 0 and rows > 1) as duplicate, sum(rows) filter (where num_nulls(${key}) > 0) as missing
              from (select ${key}, count(*) as rows from ${table.sql} group by ${key}) as ids`),
            )
          : [];
        if (ids && (ids.duplicate > 0 || ids.missing)) {
          return [
            `${problem}: ${ids.duplicate} ids have several rows, and ${ids.missing ?? 0} rows have no id.`,
            {
              sql: `select * from ${table.sql} where num_nulls(${key}) > 0 or (${key}) in (select ${key} from ${table.sql} group by ${key} having count(*) > 1)`,
              rest: ", then give each of these rows an id of its own, then run journey-db verify",
            },
          ];
        }
        if (users) {
          return [
            `${problem}, and is used by ${users}.`,
            `save the definition of ${users} and drop it, then run journey-db verify for the SQL that changes the primary key, then create it again with a reference to ${table.distributed ? `(${table.primaryKey})` : `${table.primaryKey} alone`}`,
          ];
        }
        const drop = name ? [`drop constraint ${name}`] : [];
        return [
          `${problem}.`,
          { sql: atOnce(alterations(table, [...drop, `add primary key (${table.primaryKey})`])) },
        ];
      },
    },
    {
      code: "check_missing",
      query: sql`select name from ${table.checkRows} where name not in (select name from ${constraints})`,
      finding: ({ name }: { name: string }, context) => [
        `Check ${name} is missing.`,
        reapplying(table.checks, name, context)(atOnce(addCheck(table, name))),
      ],
    },
    {
      code: "check_different",
      query: sql`select name from ${table.checkRows} join ${constraints} using (name)
      where regexp_replace(stored.definition, ' NOT VALID$', '') not in (declared.definition, coalesce(declared.wider ->> 'definition', declared.definition))`,
      finding: ({ name }: { name: string }, context) => [
        `Check ${name} has another definition.`,
        reapplying(
          table.checks,
          name,
          context,
        )(atOnce([`alter table ${table.sql} drop constraint ${name}`, ...addCheck(table, name)])),
      ],
    },
    {
      code: "foreign_key",
      severity: "note",
      // Keys that reference a session, or a row that is deleted with one, and that prevent the delete or fail at it
      // because a column that it sets is NOT NULL. By to_jsonb, since confdelsetcols is of PostgreSQL 15, conenforced of 18.
      query: sql`
      with recursive enforced as (
        select * from pg_constraint k where contype = 'f' and conparentid = 0
          and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
      ), reached as (
        select oid, conrelid, confdeltype from enforced where confrelid = ${table.oid}
        union
        select e.oid, e.conrelid, e.confdeltype from enforced e join reached r on e.confrelid = r.conrelid and r.confdeltype = 'c'
      )
      select quote_ident(c.conname) as name, c.conrelid::regclass::text as table, c.confrelid = ${table.oid} as direct, c.confdeltype = 'n' as sets
      from reached r join pg_constraint c on c.oid = r.oid
      where ${sql.join(
        [table.messages, ...(table.replies ?? [])].map(
          (own) => sql`c.conrelid is distinct from ${own?.oid ?? sql`null`}`,
        ),
        sql` and `,
      )} and (c.confdeltype in ('a', 'r', 'd') or c.confdeltype = 'n' and exists (
        select from pg_attribute a where a.attrelid = c.conrelid and a.attnotnull
          and coalesce(nullif(to_jsonb(c) -> 'confdelsetcols', 'null'), to_jsonb(c.conkey)) @> to_jsonb(a.attnum)))
      order by 2, c.conname`,
      finding: ({ name, table: from, direct, sets }: ForeignKey) => [
        `Foreign key ${name} of ${from} keeps sessions ${direct ? "that it references" : "with a row that it references"} from being deleted: ${
          sets
            ? "it sets a NOT NULL column to NULL, so the delete fails."
            : "delete, deleteAll, prune and erase report conflict with its name, and keep the session."
        }`,
        `none is needed if that is intended; otherwise declare it with onDelete "cascade"${table.distributed ? "" : ', or "set null" on a nullable column'}`,
      ],
    },
    {
      code: "index_missing",
      query: sql`select declared.name, declared.columns, (
        select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where quote_ident(c.relname) = declared.name and c.relnamespace = (select relnamespace from pg_class where oid = ${table.oid})) as holder
      from ${table.indexRows} where name not in (select name from ${indexes})
        and not (declared.columns = 'id' and exists (select from ${indexes} where stored.definition = declared.definition))`,
      // "create index if not exists" does nothing if anything else has the name.
      finding: (
        { name, columns, holder }: { name: string; columns: string; holder: string | null },
        context,
      ) => {
        const create = reapplying(table.indexes, name, context)(createIndex(table, name, columns));
        // Of a distributed table: only jobs that read all sessions need it.
        const severity = columns === "id" ? "warning" : "error";
        return holder === null
          ? [`Index ${name} is missing.`, create, severity]
          : [
              `Index ${name} is missing: ${holder}, which is not an index of the table, has its name.`,
              before(`alter table ${holder} rename to ${otherName(name)}`, create),
              severity,
            ];
      },
    },
    {
      code: "index_different",
      query: sql`select name, qualified_name, declared.columns, declared.definition, indisvalid as valid from ${table.indexRows} join ${indexes} using (name)
      where not indisvalid or indisunique or stored.definition <> declared.definition`,
      finding: (
        { name, qualified_name, columns, definition, valid }: Index & { columns: string; valid: boolean },
        context,
      ) => [
        `Index ${name} is ${valid ? `not a plain ${definition}` : "invalid"}.`,
        before(
          `drop index if exists ${qualified_name}`,
          reapplying(table.indexes, name, context)(createIndex(table, name, columns)),
        ),
        columns === "id" ? "warning" : "error",
      ],
    },
  ];
}

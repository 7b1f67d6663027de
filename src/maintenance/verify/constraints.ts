import { sql } from "drizzle-orm";
import { read, TABLE } from "../read.js";
import type { Check } from "./check.js";
import { DECLARED_CHECKS, DECLARED_INDEXES, PRIMARY_KEY } from "./declared.js";
import { before } from "./finding.js";

const STORED_CONSTRAINTS = sql`(
  select quote_ident(conname) as name, contype::text as type, pg_get_constraintdef(oid) as definition, conindid
  from pg_constraint where conrelid = ${TABLE} and contype in ('p', 'c', 'f', 'x')) as stored`;

const STORED_INDEXES = sql`(
  select i.*, quote_ident(c.relname) as name, format('%I.%I', n.nspname, c.relname) as qualified_name,
    substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$') as definition
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  where i.indrelid = ${TABLE}) as stored`;

const FOREIGN_KEYS = sql`string_agg(format('foreign key %I of %s', conname, conrelid::regclass), ', ' order by conname, conrelid)`;

interface Index {
  name: string;
  /** Another schema of the search_path may have an index of the same name. */
  qualified_name: string;
  definition: string;
}

export const CONSTRAINT_CHECKS: Check[] = [
  {
    code: "primary_key",
    query: sql`select (select name from ${STORED_CONSTRAINTS} where type = 'p') as name,
        exists (select from pg_attribute where attrelid = ${TABLE} and attname = 'id' and not attisdropped) as has_id,
        (select ${FOREIGN_KEYS} from pg_constraint where contype = 'f' and confrelid = ${TABLE} and conparentid = 0
          and conindid = (select conindid from ${STORED_CONSTRAINTS} where type = 'p')) as users
      where not exists (select from ${STORED_CONSTRAINTS} where definition = ${`PRIMARY KEY (${PRIMARY_KEY})`}::text)`,
    finding: async (
      { name, has_id, users }: { name: string | null; has_id: boolean; users: string | null },
      { db },
    ) => {
      const problem = `The primary key is ${name ? `deferrable or not (${PRIMARY_KEY})` : "missing"}`;
      const [ids] = has_id
        ? await read<{ duplicate: number; missing: number | null }>(
            db,
            sql`select count(*) filter (where id is not null and rows > 1) as duplicate, sum(rows) filter (where id is null) as missing
              from (select id, count(*) as rows from journey_sessions group by id) as ids`,
          )
        : [];
      if (ids && (ids.duplicate > 0 || ids.missing)) {
        return [
          `${problem}: ${ids.duplicate} ids have several rows, and ${ids.missing ?? 0} rows have no id.`,
          {
            sql: "select * from journey_sessions where id is null or id in (select id from journey_sessions group by id having count(*) > 1)",
            rest: ", then give each of these rows an id of its own, then run journey-db verify",
          },
        ];
      }
      if (users) {
        return [
          `${problem}, and is used by ${users}.`,
          `save the definition of ${users} and drop it, then run journey-db verify for the SQL that changes the primary key, then create it again with a reference to ${PRIMARY_KEY} alone`,
        ];
      }
      const drop = name ? `drop constraint ${name}, ` : "";
      return [`${problem}.`, { sql: `alter table journey_sessions ${drop}add primary key (${PRIMARY_KEY})` }];
    },
  },
  {
    code: "check_missing",
    query: sql`select name from ${DECLARED_CHECKS} where name not in (select name from ${STORED_CONSTRAINTS})`,
    finding: ({ name }: { name: string }, { reapply }) => [`Check ${name} is missing.`, reapply],
  },
  {
    code: "check_different",
    query: sql`select name from ${DECLARED_CHECKS} join ${STORED_CONSTRAINTS} using (name)
      where regexp_replace(stored.definition, ' NOT VALID$', '') <> declared.definition`,
    finding: ({ name }: { name: string }, { reapply }) => [`Check ${name} has another definition.`, reapply],
  },
  {
    code: "constraint_unexpected",
    severity: "warning",
    // Unique constraints are reported as their indexes.
    query: sql`select name from ${STORED_CONSTRAINTS} where type <> 'p' and name not in (select name from ${DECLARED_CHECKS}) order by name`,
    finding: ({ name }: { name: string }) => [
      `Constraint ${name} is not part of the table and may reject rows.`,
      { sql: `alter table journey_sessions drop constraint if exists ${name}` },
    ],
  },
  {
    code: "foreign_key",
    severity: "warning",
    // Keys that reference a session, or a row that is deleted with one, and that prevent the delete or fail at it
    // because a column that it sets is NOT NULL. By to_jsonb, since confdelsetcols is of PostgreSQL 15, conenforced of 18.
    query: sql`
      with recursive enforced as (
        select * from pg_constraint k where contype = 'f' and conparentid = 0 and conrelid <> ${TABLE}
          and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
      ), reached as (
        select oid, conrelid, confdeltype from enforced where confrelid = ${TABLE}
        union
        select e.oid, e.conrelid, e.confdeltype from enforced e join reached r on e.confrelid = r.conrelid and r.confdeltype = 'c'
      )
      select quote_ident(c.conname) as name, c.conrelid::regclass::text as table, pg_get_constraintdef(c.oid) as definition, c.confrelid = ${TABLE} as direct,
        not exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnotnull and a.attnum = any (c.conkey)) as nullable
      from reached r join pg_constraint c on c.oid = r.oid
      where c.confdeltype in ('a', 'r', 'd') or c.confdeltype = 'n' and exists (
        select from pg_attribute a where a.attrelid = c.conrelid and a.attnotnull
          and coalesce(nullif(to_jsonb(c) -> 'confdelsetcols', 'null'), to_jsonb(c.conkey)) @> to_jsonb(a.attnum))
      order by 2, c.conname`,
    finding: ({
      name,
      table,
      definition,
      direct,
      nullable,
    }: {
      name: string;
      table: string;
      definition: string;
      direct: boolean;
      nullable: boolean;
    }) => {
      const cascading = definition
        .replace(/ ON DELETE (RESTRICT|NO ACTION|SET (NULL|DEFAULT)( \(("[^"]*"|[^")])*\))?)/, "")
        .replace(/( REFERENCES .*?\)(?: MATCH FULL)?)/, "$1 ON DELETE CASCADE");
      const which = direct ? "that it references" : "with a row that it references";
      return [
        `Foreign key ${name} of ${table} prevents sessions ${which} from being deleted, erased or pruned.`,
        {
          sql: `alter table ${table} drop constraint ${name}, add constraint ${name} ${cascading}`,
          ...(nullable && { rest: ", or with ON DELETE SET NULL" }),
        },
      ];
    },
  },
  {
    code: "index_missing",
    query: sql`select declared.name, (
        select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relname = declared.name and c.relnamespace = (select relnamespace from pg_class where oid = ${TABLE})) as holder
      from ${DECLARED_INDEXES} where name not in (select name from ${STORED_INDEXES})`,
    // "create index if not exists" does nothing if anything else has the name.
    finding: ({ name, holder }: { name: string; holder: string | null }, { reapply }) =>
      holder === null
        ? [`Index ${name} is missing.`, reapply]
        : [
            `Index ${name} is missing: ${holder}, which is not an index of the table, has its name.`,
            before(`alter table ${holder} rename to ${name}_other`, reapply),
          ],
  },
  {
    code: "index_different",
    query: sql`select name, qualified_name, declared.definition, indisvalid as valid from ${DECLARED_INDEXES} join ${STORED_INDEXES} using (name)
      where not indisvalid or indisunique or stored.definition <> declared.definition`,
    finding: ({ name, qualified_name, definition, valid }: Index & { valid: boolean }, { reapply }) => [
      `Index ${name} is ${valid ? `not a plain ${definition}` : "invalid"}.`,
      before(`drop index if exists ${qualified_name}`, reapply),
    ],
  },
  {
    code: "unique_index",
    query: sql`select name, qualified_name,
        exists (select from pg_constraint where conindid = indexrelid and contype in ('u', 'x')) as is_constraint,
        (select ${FOREIGN_KEYS} from pg_constraint where contype = 'f' and conindid = indexrelid and conparentid = 0) as users
      from ${STORED_INDEXES} where indisunique and not indisprimary and name not in (select name from ${DECLARED_INDEXES}) order by name`,
    finding: ({
      name,
      qualified_name,
      is_constraint,
      users,
    }: Index & { is_constraint: boolean; users: string | null }) => [
      `Unique index ${name} rejects sessions that this package creates.`,
      users
        ? `change ${users} to reference ${PRIMARY_KEY} alone, then run journey-db verify`
        : {
            sql: is_constraint
              ? `alter table journey_sessions drop constraint if exists ${name}`
              : `drop index if exists ${qualified_name}`,
          },
    ],
  },
];

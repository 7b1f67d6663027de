import type { Sql } from "postgres";

/** What the catalogues hold of everything that is not PostgreSQL's own, as far as a dump of the schema would show it. */
const PARTS = {
  schemas: `select nspname, nspowner::regrole::text, nspacl::text from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1`,
  relations: `select c.oid::regclass::text, relkind, relpersistence, relowner::regrole::text, reloptions,
      relrowsecurity, relforcerowsecurity, relreplident, obj_description(c.oid)
    from pg_class c where OURS(relnamespace) order by 1`,
  rights: `select c.oid::regclass::text, coalesce(a.grantee::regrole::text, 'PUBLIC') as grantee, a.grantor::regrole::text, a.privilege_type
    from pg_class c, aclexplode(relacl) a where OURS(relnamespace) order by 1, 2, 3, 4`,
  columns: `select attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
      pg_get_expr(adbin, adrelid), attstorage, attcompression, attcollation::regcollation::text,
      attidentity, attgenerated, attacl::text, attoptions
    from pg_attribute join pg_class c on c.oid = attrelid
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where OURS(relnamespace) and relkind <> 'i' and attnum > 0 and not attisdropped order by 1, 2`,
  constraints: `select conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid), convalidated
    from pg_constraint where OURS(connamespace) order by 1, 2`,
  indexes: `select pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered
    from pg_index join pg_class c on c.oid = indexrelid where OURS(relnamespace) order by 1`,
  triggers: `select pg_get_triggerdef(t.oid), tgenabled from pg_trigger t
    join pg_class c on c.oid = tgrelid where OURS(relnamespace) and not tgisinternal order by 1`,
  functions: `select pg_get_functiondef(oid), proowner::regrole::text, proacl::text
    from pg_proc where OURS(pronamespace) order by 1`,
  policies: "select polrelid::regclass::text, polname from pg_policy order by 1, 2",
};

/** The whole schema of a database, to be compared with another's. */
export async function catalogueOf(sql: Sql): Promise<Record<string, unknown[]>> {
  const parts: Record<string, unknown[]> = {};
  for (const [name, query] of Object.entries(PARTS)) {
    const own = query.replace(
      /OURS\((\w+)\)/g,
      "$1 in (select oid from pg_namespace where nspname in ('public', 'drizzle'))",
    );
    parts[name] = [...(await sql.unsafe(own))];
  }
  return parts;
}

/** Which migrations the journal says were applied, in its order. */
export const journalOf = async (sql: Sql) => [
  ...(await sql.unsafe(`select id, hash, created_at from drizzle."__journey_db_migrations" order by id`)),
];

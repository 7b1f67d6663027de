import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { declared, TABLE } from "./structure.js";

/** What stands in the way of ALTER COLUMN … TYPE. */
export interface Dependent {
  /** As one would name it: "policy own". */
  what: string;
  /** Takes it away; null where it could not be made again as it was, and only its owner can tell what it is to be. */
  drop: string | null;
  /** Makes it again once the type has changed; empty where it fits the old type only. */
  restore: string[];
}

interface Asked {
  /** The column, as one writes it. */
  name: string;
  /** Whether the old type and the new one compare alike, so that what is defined on one is valid on the other. */
  alike: boolean;
  /** Whether both are text of some length, so that what an index makes of one it makes of the other. */
  text: boolean;
  /** The new type, and a value of the old one as it. */
  to: string;
  convert: (value: string) => string;
}

interface Found {
  what: string;
  drop: string | null;
  restore?: string[] | null;
}

const OWN = sql.raw(
  [...declared.indexes.map(({ config }) => config.name), ...declared.checks.map(({ name }) => name)]
    .map((one) => `'${one}'`)
    .join(", "),
);

/** In the order in which they are to be dropped, the reverse of that in which they are made again. */
export async function readDependents(
  db: Database,
  { name, alike, text, to, convert }: Asked,
): Promise<Dependent[]> {
  const place = sql`(select attnum from pg_attribute where attrelid = ${TABLE} and quote_ident(attname) = ${name}::text)`;
  const usesColumn = (catalogue: string, oid: string) =>
    sql`exists (select from pg_depend d where d.classid = ${sql.raw(`'${catalogue}'::regclass and d.objid = ${oid}`)}
      and d.refclassid = 'pg_class'::regclass and d.refobjid = ${TABLE} and d.refobjsubid = ${place})`;
  const find = (
    what: SQL,
    drop: SQL,
    from: SQL,
    where: SQL,
    restore: SQL = sql`null::text`,
  ): Promise<Found[]> =>
    db
      .select({
        what: sql<string>`${what}`,
        drop: sql<string | null>`${drop}`,
        restore: sql<string[] | null>`to_jsonb(array[${restore}])::text`.mapWith(JSON.parse),
      })
      .from(from)
      .where(where)
      .orderBy(sql`1`);

  const triggers = await find(
    sql`format('trigger %I', tgname)`,
    sql`case when obj_description(t.oid, 'pg_trigger') is null then format('drop trigger %I on journey_sessions', tgname) end`,
    sql`pg_trigger t`,
    sql`tgrelid = ${TABLE} and not tgisinternal and ${usesColumn("pg_trigger", "t.oid")}`,
    sql`pg_get_triggerdef(t.oid), case when tgenabled <> 'O' then format('alter table journey_sessions %s trigger %I',
      case tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, tgname) end`,
  );
  // All of them, where one has to go: what is left may allow what that one forbids.
  const policies = await find(
    sql`format('policy %I', polname)`,
    alike
      ? sql`case when obj_description(p.oid, 'pg_policy') is null then format('drop policy %I on journey_sessions', polname) end`
      : sql`format('drop policy %I on journey_sessions', polname)`,
    sql`pg_policy p`,
    sql`polrelid = ${TABLE} and exists (select from pg_policy o where o.polrelid = ${TABLE} and ${usesColumn("pg_policy", "o.oid")})`,
    alike
      ? sql`format('create policy %I on journey_sessions as %s for %s to %s', polname,
          case when polpermissive then 'permissive' else 'restrictive' end,
          case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
          (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ') from unnest(polroles) as r))
        || coalesce(' using (' || pg_get_expr(polqual, polrelid) || ')', '')
        || coalesce(' with check (' || pg_get_expr(polwithcheck, polrelid) || ')', '')`
      : undefined,
  );
  const views = await readViews(db, usesColumn("pg_rewrite", "w.oid"), alike);
  const constraints = alike
    ? []
    : await find(
        sql`format('constraint %I', conname)`,
        sql`format('alter table journey_sessions drop constraint %I', conname)`,
        sql`pg_constraint`,
        sql`conrelid = ${TABLE} and contype in ('f', 'c', 'x') and ${place} = any (conkey) and conname not in (${OWN})`,
      );
  const references = alike ? [] : await readReferences(db, place, to, convert);
  const indexes = await find(
    sql`format('index %s', i.indexrelid::regclass)`,
    sql`format('drop index %s', i.indexrelid::regclass)`,
    sql`pg_index i join pg_class c on c.oid = i.indexrelid`,
    sql`indrelid = ${TABLE} and c.relname not in (${OWN}) and not exists (select from pg_constraint where conindid = i.indexrelid)
      and (${place} = any (indkey) or ${usesColumn("pg_class", "i.indexrelid")})
      and (${sql.raw(String(!alike))} or indexprs is not null or indpred is not null)`,
    text
      ? sql`case when indisvalid and not indisclustered and not indisreplident and obj_description(c.oid, 'pg_class') is null and c.reltablespace = 0
          and not exists (select from pg_attribute s where s.attrelid = c.oid and coalesce(s.attstattarget, -1) <> -1) then pg_get_indexdef(c.oid) end`
      : undefined,
  );
  const generated = await find(
    sql`format('generated column %I', g.attname)`,
    sql`format('alter table journey_sessions drop column %I', g.attname)`,
    sql`pg_attribute g`,
    sql`g.attrelid = ${TABLE} and g.attgenerated <> '' and not g.attisdropped and g.attnum <> ${place} and exists (
      select from pg_depend d left join pg_attrdef e on e.oid = d.objid and d.classid = 'pg_attrdef'::regclass
      where d.refclassid = 'pg_class'::regclass and d.refobjid = ${TABLE} and d.refobjsubid = ${place} and (
        (e.adrelid = ${TABLE} and e.adnum = g.attnum)
        or (d.classid = 'pg_class'::regclass and d.objid = ${TABLE} and d.objsubid = g.attnum)))`,
  );
  const others = await find(
    sql`pg_describe_object(d.classid, d.objid, d.objsubid)`,
    sql`null::text`,
    sql`pg_depend d`,
    sql`d.classid in ('pg_proc'::regclass, 'pg_publication_rel'::regclass) and d.refclassid = 'pg_class'::regclass
      and d.refobjid = ${TABLE} and d.refobjsubid = ${place}`,
  );
  return [triggers, policies, views, constraints, references, indexes, generated, others]
    .flat()
    .map(({ restore, ...found }) => ({ ...found, restore: (restore ?? []).filter(Boolean) }));
}

/** Whether it is as the statements of readViews would make it again. */
const PLAIN_VIEW = sql`c.relkind = 'v' and pg_get_userbyid(c.relowner) = current_user and c.relowner = (select relowner from pg_class where oid = ${TABLE})
  and not exists (select from aclexplode(c.relacl) as x where x.is_grantable and x.grantee <> c.relowner)
  and not exists (select from pg_attribute where attrelid = c.oid and (attacl is not null or atthasdef or attoptions is not null))
  and not exists (select from pg_trigger where tgrelid = c.oid)
  and not exists (select from pg_rewrite where ev_class = c.oid and rulename <> '_RETURN')
  and not exists (select from pg_description where classoid = 'pg_class'::regclass and objoid = c.oid)
  and not exists (select from pg_seclabel where classoid = 'pg_class'::regclass and objoid = c.oid)
  and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e')
  and not exists (select from pg_depend where refclassid = 'pg_class'::regclass and refobjid = c.oid and classid not in ('pg_rewrite'::regclass, 'pg_type'::regclass))
  and not exists (select from pg_depend where refclassid = 'pg_type'::regclass and refobjid in (c.reltype, (select typarray from pg_type where oid = c.reltype))
    and not (classid = 'pg_type'::regclass and objid = (select typarray from pg_type where oid = c.reltype)))`;

/** Views of the column and views of those, the outermost first, with the rights on them. */
const readViews = (db: Database, usesColumn: SQL, alike: boolean): Promise<Found[]> =>
  db
    .select({
      what: sql<string>`format('view %s', c.oid::regclass)`,
      drop: sql<
        string | null
      >`case when ${PLAIN_VIEW} and ${sql.raw(String(alike))} then format('drop view %s', c.oid::regclass) end`,
      restore: sql<string[]>`to_jsonb(array[
        format('create view %s%s as %s', c.oid::regclass, ' with (' || array_to_string(c.reloptions, ', ') || ')', rtrim(pg_get_viewdef(c.oid), ';')),
        (select format('revoke all on %s from %s', c.oid::regclass, string_agg(distinct case when x.grantee = 0 then 'public' else x.grantee::regrole::text end, ', '))
          from pg_default_acl, aclexplode(defaclacl) as x where defaclobjtype = 'r' and x.grantee <> c.relowner having count(*) > 0)
      ] || (select array_agg(format('grant %s on %s to %s', x.privilege_type, c.oid::regclass, case when x.grantee = 0 then 'public' else x.grantee::regrole::text end))
        from aclexplode(c.relacl) as x where x.grantee <> c.relowner))::text`.mapWith(JSON.parse),
    })
    .from(sql`(
      with recursive users as (
        select w.ev_class as oid, 1 as depth from pg_rewrite w where w.ev_class <> ${TABLE} and ${usesColumn}
        union
        select w.ev_class, users.depth + 1 from users
          join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = users.oid and d.classid = 'pg_rewrite'::regclass
          join pg_rewrite w on w.oid = d.objid and w.ev_class <> users.oid
      ) select oid, max(depth) as depth from users group by oid
    ) as v join pg_class c on c.oid = v.oid`)
    .orderBy(sql`v.depth desc, 1`);

/** Whether nothing but the key `c` and plain indexes uses its column `f`, which so can be given another type. */
const changesAlone = sql`c.conrelid <> c.confrelid and cardinality(c.conkey) = 1 and c.convalidated
  and f.attidentity = '' and f.attgenerated = ''
  and exists (select from pg_class t where t.oid = c.conrelid and t.relkind = 'r' and not t.relispartition and not t.relhassubclass)
  and not exists (select from pg_inherits where inhrelid = c.conrelid)
  and not exists (select from pg_depend d
    left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
    left join pg_index i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
    left join pg_attrdef e on d.classid = 'pg_attrdef'::regclass and e.oid = d.objid
    where d.refclassid = 'pg_class'::regclass and d.refobjid = c.conrelid and d.refobjsubid = f.attnum
      and (k.oid = c.oid or k.contype in ('p', 'u', 'n')
        or e.adrelid = c.conrelid and e.adnum = f.attnum
        or i.indexprs is null and i.indpred is null
          and not exists (select from pg_opclass o where o.oid = any (i.indclass) and not o.opcdefault)
          and not exists (select from unnest(i.indcollation) as l where l not in (0, 'pg_catalog."default"'::regcollation))
          and i.indexrelid is not null) is not true)`;

/** Foreign keys to the column, whose own columns change with it. */
async function readReferences(
  db: Database,
  place: SQL,
  to: string,
  convert: (value: string) => string,
): Promise<Found[]> {
  const keys = await db
    .select({
      table: sql<string>`conrelid::regclass::text`,
      name: sql<string>`quote_ident(conname)`,
      column: sql<string>`quote_ident(f.attname)`,
      hasDefault: sql<boolean>`f.atthasdef`,
      definition: sql<string>`pg_get_constraintdef(c.oid)`,
      changesAlone: sql<boolean>`${changesAlone}`,
    })
    .from(sql`pg_constraint c join pg_attribute f on f.attrelid = c.conrelid and f.attnum = c.conkey[1]`)
    .where(sql`contype = 'f' and confrelid = ${TABLE} and conparentid = 0 and ${place} = any (confkey)`)
    .orderBy(sql`1, 2`);
  return keys.map(({ table, name, column, hasDefault, definition, changesAlone }) => ({
    what: `foreign key ${name} of ${table}`,
    drop: changesAlone ? `alter table ${table} drop constraint ${name}` : null,
    restore: [
      `alter table ${table} ${hasDefault ? `alter column ${column} drop default, ` : ""}alter column ${column} type ${to} using ${convert(column)}`,
      `alter table ${table} add constraint ${name} ${definition}`,
    ],
  }));
}

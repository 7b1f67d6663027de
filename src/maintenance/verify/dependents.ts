import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { DeclaredTable } from "./declared.js";

/** What prevents ALTER COLUMN … TYPE. */
export interface Dependent {
  /** Such as "policy own". */
  what: string;
  /** The statement that drops it; null if no statement could create it again as it was. */
  drop: string | null;
  /** The statements that create it again after the change. */
  restore: string[];
}

interface ColumnChange {
  /** Quoted if SQL needs it. */
  name: string;
  /** The new type, and the expression that converts a value to it. */
  to: string;
  convert: (value: string) => string;
  /** Whether values compare the same in both types, so that conditions on the old type are valid for the new one. */
  comparesAlike: boolean;
  /** Whether both types are text, so that index expressions remain valid. */
  isText: boolean;
  changesCollation: boolean;
}

interface Target extends DeclaredTable {
  /** The names of the indexes and checks of the package, which the new type does not break. */
  names: SQL;
}

/** In the order in which they must be dropped. They are created again in the reverse order. */
export async function readDependents(
  db: Database,
  declared: DeclaredTable,
  change: ColumnChange,
): Promise<Dependent[]> {
  const { name, comparesAlike } = change;
  const packageNames = [{ key: "" }, ...declared.indexes, ...declared.checks].map(({ key }) => literal(key));
  const table: Target = { ...declared, names: sql.raw(packageNames.join(", ")) };
  const column = sql`(select attnum from pg_attribute where attrelid = ${table.oid} and quote_ident(attname) = ${name}::text)`;
  const usesColumn = (catalogue: string, oid: string) =>
    sql`exists (select from pg_depend d where d.classid = ${sql.raw(`'${catalogue}'::regclass and d.objid = ${oid}`)}
      and d.refclassid = 'pg_class'::regclass and d.refobjid = ${table.oid} and d.refobjsubid = ${column})`;
  const kinds = [
    triggers(table, usesColumn("pg_trigger", "t.oid")),
    policies(table, usesColumn("pg_policy", "o.oid"), comparesAlike),
    views(table, usesColumn("pg_rewrite", "w.oid"), comparesAlike),
    ...(comparesAlike ? [] : [constraints(table, column), references(table, column, change)]),
    ...(change.changesCollation ? [comparingKeys(table, column)] : []),
    indexes(table, sql`(${column} = any (indkey) or ${usesColumn("pg_class", "i.indexrelid")})`, change),
    generatedColumns(table, column),
    others(table, column),
  ];
  const queries = kinds.map(
    (query, kind) =>
      sql`select ${sql.raw(String(kind))} as kind, what, drop, to_jsonb(restore) as restore from (${query}) as found`,
  );
  const found = await read<Dependent & { restore: (string | null)[] | null }>(
    db,
    sql.join(queries, sql` union all `),
  );
  return found.map(({ what, drop, restore }) => ({
    what,
    drop,
    restore: (restore ?? []).filter((one) => one !== null),
  }));
}

const triggers = (table: Target, usesColumn: SQL) =>
  sql`select format('trigger %I', tgname) as what,
      case when obj_description(t.oid, 'pg_trigger') is null then format('drop trigger %I on %s', tgname, tgrelid::regclass) end as drop,
      array[pg_get_triggerdef(t.oid), case when tgenabled <> 'O' then format('alter table %s %s trigger %I', tgrelid::regclass,
        case tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, tgname) end] as restore
    from pg_trigger t where tgrelid = ${table.oid} and not tgisinternal and ${usesColumn} order by 1`;

/** All policies if one must be dropped: the others might allow what that one forbids. */
const policies = (table: Target, usesColumn: SQL, comparesAlike: boolean) =>
  sql`select format('policy %I', polname) as what,
      case when ${comparesAlike} and obj_description(p.oid, 'pg_policy') is null then format('drop policy %I on %s', polname, polrelid::regclass) end as drop,
      array[format('create policy %I on %s as %s for %s to %s', polname, polrelid::regclass,
          case when polpermissive then 'permissive' else 'restrictive' end,
          case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
          (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ') from unnest(polroles) as r))
        || coalesce(' using (' || pg_get_expr(polqual, polrelid) || ')', '')
        || coalesce(' with check (' || pg_get_expr(polwithcheck, polrelid) || ')', '')] as restore
    from pg_policy p where polrelid = ${table.oid}
      and exists (select from pg_policy o where o.polrelid = ${table.oid} and ${usesColumn}) order by 1`;

/** Whether the statements of `views` would create the view as it is. */
const plainView = (
  table: Target,
) => sql`c.relkind = 'v' and pg_get_userbyid(c.relowner) = current_user and c.relowner = (select relowner from pg_class where oid = ${table.oid})
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

/** Views of the column and views of those views, the outermost first, with the privileges on them. */
const views = (table: Target, usesColumn: SQL, comparesAlike: boolean) =>
  sql`select format('view %s', c.oid::regclass) as what,
      case when ${comparesAlike} and ${plainView(table)} then format('drop view %s', c.oid::regclass) end as drop,
      array[
        format('create view %s%s as %s', c.oid::regclass, ' with (' || array_to_string(c.reloptions, ', ') || ')', rtrim(pg_get_viewdef(c.oid), ';')),
        (select format('revoke all on %s from %s', c.oid::regclass, string_agg(distinct case when x.grantee = 0 then 'public' else x.grantee::regrole::text end, ', '))
          from pg_default_acl, aclexplode(defaclacl) as x where defaclobjtype = 'r' and x.grantee <> c.relowner having count(*) > 0)
      ] || (select array_agg(format('grant %s on %s to %s', x.privilege_type, c.oid::regclass, case when x.grantee = 0 then 'public' else x.grantee::regrole::text end))
        from aclexplode(c.relacl) as x where x.grantee <> c.relowner) as restore
    from (
      with recursive users as (
        select w.ev_class as oid, 1 as depth from pg_rewrite w where w.ev_class <> ${table.oid} and ${usesColumn}
        union
        select w.ev_class, users.depth + 1 from users
          join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = users.oid and d.classid = 'pg_rewrite'::regclass
          join pg_rewrite w on w.oid = d.objid and w.ev_class <> users.oid
      ) select oid, max(depth) as depth from users group by oid
    ) as v join pg_class c on c.oid = v.oid order by v.depth desc, 1`;

const constraints = (table: Target, column: SQL) =>
  sql`select format('constraint %I', conname) as what, null as drop, null::text[] as restore
    from pg_constraint where conrelid = ${table.oid} and contype in ('f', 'c', 'x') and ${column} = any (conkey) and conname not in (${table.names}) order by 1`;

/** Whether only the foreign key `c` and plain indexes use its column `f`, so that its type can be changed. */
const ONLY_THE_KEY = sql`c.conrelid <> c.confrelid and cardinality(c.conkey) = 1 and c.convalidated
  and f.attidentity = '' and not f.atthasdef and obj_description(c.oid, 'pg_constraint') is null
  and exists (select from pg_class t where t.oid = c.conrelid and t.relkind = 'r' and not t.relispartition and not t.relhassubclass)
  and not exists (select from pg_inherits where inhrelid = c.conrelid)
  and not exists (select from pg_depend d
    left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
    left join pg_index i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
    where d.refclassid = 'pg_class'::regclass and d.refobjid = c.conrelid and d.refobjsubid = f.attnum
      and (k.oid = c.oid or k.contype in ('p', 'u', 'n')
        or i.indexprs is null and i.indpred is null
          and not exists (select from pg_opclass o where o.oid = any (i.indclass) and not o.opcdefault)
          and not exists (select from unnest(i.indcollation) as l where l not in (0, 'pg_catalog."default"'::regcollation))
          and i.indexrelid is not null) is not true)`;

/** Foreign keys to the column. Their own columns change with it. */
const references = (table: Target, column: SQL, { to, convert }: ColumnChange) =>
  sql`select format('foreign key %I of %s', conname, conrelid::regclass) as what,
      case when ${ONLY_THE_KEY} then format('alter table %s drop constraint %I', conrelid::regclass, conname) end as drop,
      array[
        format('alter table %s alter column %I type %s using %s', conrelid::regclass, f.attname, ${to}::text,
          replace(${convert("<column>")}::text, '<column>', quote_ident(f.attname))),
        format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(c.oid))] as restore
    from pg_constraint c join pg_attribute f on f.attrelid = c.conrelid and f.attnum = c.conkey[1]
    where contype = 'f' and confrelid = ${table.oid} and conparentid = 0 and ${column} = any (confkey) order by conrelid::regclass::text, 1`;

/** Foreign keys that compare the column by its collation. */
const comparingKeys = (table: Target, column: SQL) =>
  sql`select format('foreign key %I of %s', conname, conrelid::regclass) as what, null as drop, null::text[] as restore
    from pg_constraint where contype = 'f'
      and (conrelid = ${table.oid} and ${column} = any (conkey) or confrelid = ${table.oid} and ${column} = any (confkey)) order by 1`;

/** Indexes that the server does not build again by itself. */
const indexes = (table: Target, usesColumn: SQL, { comparesAlike, isText }: ColumnChange) =>
  sql`select format('index %s', i.indexrelid::regclass) as what,
      case when ${isText} and indisvalid and not indisclustered and not indisreplident and obj_description(c.oid, 'pg_class') is null and c.reltablespace = 0
        and not exists (select from pg_attribute s where s.attrelid = c.oid and coalesce(s.attstattarget, -1) <> -1)
        then format('drop index %s', i.indexrelid::regclass) end as drop, array[pg_get_indexdef(c.oid)] as restore
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where indrelid = ${table.oid} and c.relname not in (${table.names}) and not exists (select from pg_constraint where conindid = i.indexrelid)
      and ${usesColumn} and (indexprs is not null or indpred is not null or not ${comparesAlike} and exists (
        select from pg_opclass o join pg_am m on m.oid = o.opcmethod where o.oid = any (indclass) and (not opcdefault or amname not in ('btree', 'hash')))) order by 1`;

const generatedColumns = (table: Target, column: SQL) =>
  sql`select format('generated column %I', g.attname) as what, null as drop, null::text[] as restore
    from pg_attribute g
    where g.attrelid = ${table.oid} and g.attgenerated <> '' and not g.attisdropped and g.attnum <> ${column} and exists (
      select from pg_depend d left join pg_attrdef e on e.oid = d.objid and d.classid = 'pg_attrdef'::regclass
      where d.refclassid = 'pg_class'::regclass and d.refobjid = ${table.oid} and d.refobjsubid = ${column} and (
        (e.adrelid = ${table.oid} and e.adnum = g.attnum)
        or (d.classid = 'pg_class'::regclass and d.objid = ${table.oid} and d.objsubid = g.attnum))) order by 1`;

/** Functions and publications, the table's own rules, and the policies of other tables. */
const others = (table: Target, column: SQL) =>
  sql`select pg_describe_object(d.classid, d.objid, d.objsubid) as what, null as drop, null::text[] as restore
    from pg_depend d where d.refclassid = 'pg_class'::regclass and d.refobjid = ${table.oid} and d.refobjsubid = ${column} and (
      d.classid in ('pg_proc'::regclass, 'pg_publication_rel'::regclass)
      or d.classid = 'pg_rewrite'::regclass and exists (select from pg_rewrite where oid = d.objid and ev_class = ${table.oid})
      or d.classid = 'pg_policy'::regclass and exists (select from pg_policy where oid = d.objid and polrelid <> ${table.oid}))
    group by 1 order by 1`;

import { type SQL, sql } from "drizzle-orm";
import { literal } from "../table-sql.js";
import type { Check } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import { atOnce } from "./finding.js";

/** Supabase's roles for requests without and with a signed-in user, and `public`, which is every role. */
const PUBLIC_ROLES = sql`(
  select 'public' as role union all
  select rolname::text from pg_roles where rolname in ('anon', 'authenticated')) as r`;

const NEEDED = sql`(values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as p (name)`;

const PRIVILEGES = sql`(
  select unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as name union all
  select 'MAINTAIN' where current_setting('server_version_num')::int >= 170000) as p`;

/** A privilege on the table or on a column of it, also through another role. */
const hasPrivilegeOn = (oid: SQL) => (role: SQL) =>
  sql`case when p.name in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
  then has_any_column_privilege(${role}, ${oid}, p.name) else has_table_privilege(${role}, ${oid}, p.name) end`;

/** Leaves out privileges that every role has: they are reported once, for `public`. */
const notThroughPublic = (has: (role: SQL) => SQL) =>
  sql`${has(sql`r.role`)} and (r.role = 'public' or not ${has(sql`'public'::text`)})`;

const THROUGH = ", or from the role that it is a member of";

interface Security {
  user: string;
  forced: boolean;
  owned: boolean;
  published: boolean;
}

const rowSecurityOf = (oid: SQL) => (condition: SQL) =>
  sql`select quote_ident(current_user) as user, relforcerowsecurity as forced, pg_has_role(relowner, 'USAGE') as owned,
      exists (select from pg_roles where rolname in ('anon', 'authenticated')) as published
    from pg_class where oid = ${oid} and ${condition}`;

/** Who can access the rows: row level security is on, and does not apply to the connected role. */
export function rightsChecks(table: DeclaredTable): Check[] {
  const rowSecurity = rowSecurityOf(table.oid);
  const hasPrivilege = hasPrivilegeOn(table.oid);
  const notForced = { sql: `alter table ${table.sql} no force row level security` };
  return [
    {
      code: "rls_disabled",
      severity: "warning",
      query: rowSecurity(sql`not relrowsecurity`),
      finding: ({ published }: Security) => [
        "Row level security is off.",
        { sql: `alter table ${table.sql} enable row level security` },
        published ? "error" : "warning",
      ],
    },
    {
      code: "rls_active",
      query: rowSecurity(sql`row_security_active(oid)`),
      finding: ({ user, forced, owned }: Security) => [
        `Row level security applies to the connected role ${user}: it sees only the rows that a policy allows, without an error.`,
        forced && owned
          ? notForced
          : { sql: `alter role ${user} bypassrls`, rest: ", or connect as the table's owner" },
      ],
    },
    {
      code: "rls_forced",
      severity: "warning",
      query: rowSecurity(sql`relforcerowsecurity and not row_security_active(oid)`),
      finding: () => ["Row level security is forced: the table's owner would see no rows.", notForced],
    },
    {
      code: "public_rights",
      query: sql`select r.role, string_agg(p.name, ', ' order by p.name) as privileges from ${PUBLIC_ROLES}, ${PRIVILEGES}
      where ${notThroughPublic(hasPrivilege)} group by r.role order by r.role`,
      finding: ({ role, privileges }: { role: string; privileges: string }) => [
        `Role ${role} has privileges on ${table.sql}: ${privileges}.`,
        { sql: `revoke all on table ${table.sql} from ${role}`, rest: THROUGH },
      ],
    },
    {
      code: "function_rights",
      severity: "warning",
      // No role needs to call the trigger's function: the trigger runs without that privilege.
      query: sql`select r.role, format('%I.%I', n.nspname, proname) as function, quote_ident(proname) as name
      from ${PUBLIC_ROLES}, pg_trigger t join pg_proc p on p.oid = tgfoid join pg_namespace n on n.oid = pronamespace
      where tgrelid = ${table.oid} and proname in (${sql.raw(["''", ...table.triggers.map((one) => literal(one.function.key))].join(", "))})
        and ${notThroughPublic((role) => sql`has_function_privilege(${role}, p.oid, 'EXECUTE')`)} order by r.role`,
      finding: (found: { role: string; function: string; name: string }) => [
        `Role ${found.role} may execute ${found.name}().`,
        { sql: `revoke all on function ${found.function}() from ${found.role}` },
      ],
    },
    {
      code: "service_role_rights",
      severity: "warning",
      query: sql`select coalesce(string_agg(p.name, ', ' order by p.name) filter (where held), 'no privileges') as privileges
      from pg_roles, ${PRIVILEGES}, lateral (select has_table_privilege(pg_roles.oid, ${table.oid}, p.name) as held,
        p.name in (select name from ${NEEDED}) as needed) as of
      where rolname = 'service_role'
      having bool_or(needed and not held or held and not needed and not ${hasPrivilege(sql`'public'::text`)})`,
      finding: ({ privileges }: { privileges: string }) => [
        `Role service_role has ${privileges} on ${table.sql}, not SELECT, INSERT, UPDATE, DELETE.`,
        {
          sql: atOnce([
            `revoke all on table ${table.sql} from service_role`,
            `grant select, insert, update, delete on table ${table.sql} to service_role`,
          ]),
        },
      ],
    },
    {
      code: "view_rights",
      // Without security_invoker, a view and the views of it read the table as the view's owner, past row level security.
      query: sql`
      with recursive readers as (
        select ${table.oid}::oid as oid
        union
        select w.ev_class from readers join pg_depend d on d.refobjid = readers.oid and d.refclassid = 'pg_class'::regclass
          join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      )
      select r.role, c.oid::regclass::text as view from ${PUBLIC_ROLES}, readers v join pg_class c on c.oid = v.oid and c.relkind in ('v', 'm')
      where not exists (select from pg_options_to_table(c.reloptions) where option_name = 'security_invoker' and option_value::boolean)
        and ${notThroughPublic(
          (role) =>
            sql`(has_any_column_privilege(${role}, c.oid, 'SELECT, INSERT, UPDATE') or has_table_privilege(${role}, c.oid, 'DELETE'))`,
        )} order by 1, 2`,
      finding: ({ role, view }: { role: string; view: string }) => [
        `Role ${role} has privileges on ${view}, which reads the table as the view's owner.`,
        { sql: `revoke all on ${view} from ${role}`, rest: THROUGH },
      ],
    },
    {
      code: "role_rights",
      query: sql`select string_agg(p.name, ', ') as missing, quote_ident(current_user) as user
      from ${NEEDED} where not has_table_privilege(${table.oid}, p.name) having count(*) > 0`,
      finding: ({ missing, user }: { missing: string; user: string }) => [
        `The connected role ${user} lacks ${missing} on ${table.sql}.`,
        { sql: `grant ${missing.toLowerCase()} on table ${table.sql} to ${user}` },
      ],
    },
  ];
}

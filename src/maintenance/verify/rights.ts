import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { atOnce, error, type Finding, warning } from "./finding.js";
import { TABLE } from "./structure.js";

/** Supabase's: a request without a signed-in user, one with, and the secret key. `public` is everybody. */
const OPEN_ROLES = ["public", "anon", "authenticated"];
const SECRET_ROLE = "service_role";

const THROUGH = ", or from the role it has them through";

const NEEDED = ["SELECT", "INSERT", "UPDATE", "DELETE"];

interface Right {
  role: string;
  right: string;
  /** On the whole table. */
  whole: boolean;
}

/** The rights of the roles that exist, on the table or a column of it, memberships included. */
const readRights = (db: Database): Promise<Right[]> =>
  db
    .select({
      role: sql<string>`r.role`,
      right: sql<string>`p.name`,
      whole: sql<boolean>`has_table_privilege(r.role, ${TABLE}, p.name)`,
    })
    .from(sql`(
      select 'public' as role union all
      select rolname::text from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    ) as r, (
      select unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as name union all
      select 'MAINTAIN' where current_setting('server_version_num')::int >= 170000
    ) as p`)
    .where(sql`case when p.name in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
      then has_any_column_privilege(r.role, ${TABLE}, p.name)
      else has_table_privilege(r.role, ${TABLE}, p.name) end`)
    .orderBy(sql`r.role, p.name`);

/** Who may call the trigger's function: nobody has to, the trigger runs without that right. */
const readCallers = (db: Database): Promise<{ role: string; place: string }[]> =>
  db
    .select({
      role: sql<string>`r.role`,
      place: sql<string>`format('%I.%I', n.nspname, p.proname)`,
    })
    .from(sql`(
      select 'public' as role union all
      select rolname::text from pg_roles where rolname in ('anon', 'authenticated')
    ) as r, pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace`)
    .where(sql`t.tgrelid = ${TABLE} and p.proname = 'update_journey_sessions_updated_at'
      and has_function_privilege(r.role, p.oid, 'EXECUTE')`)
    .orderBy(sql`r.role`);

/** A role with what it has; what everybody has is not repeated for each role. */
function openRights<Held extends { role: string }>(
  held: readonly Held[],
  key: (one: Held) => string,
): Map<string, string[]> {
  const everybody = new Set(held.filter(({ role }) => role === "public").map(key));
  const byRole = new Map<string, string[]>();
  for (const one of held) {
    if (!OPEN_ROLES.includes(one.role) || (one.role !== "public" && everybody.has(key(one)))) continue;
    byRole.set(one.role, [...(byRole.get(one.role) ?? []), key(one)]);
  }
  return byRole;
}

/**
 * Who may do what to the table's views, and views of those. Unless it says security_invoker, a view
 * reaches the table with its owner's rights, past row level security.
 */
const readViewRights = (db: Database): Promise<{ role: string; view: string }[]> =>
  db
    .select({ role: sql<string>`r.role`, view: sql<string>`c.oid::regclass::text` })
    .from(sql`(
      with recursive readers as (
        select ${TABLE}::oid as oid
        union
        select w.ev_class from readers join pg_depend d on d.refobjid = readers.oid and d.refclassid = 'pg_class'::regclass
          join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      ) select oid from readers
    ) as v join pg_class c on c.oid = v.oid and c.relkind in ('v', 'm') and not exists (
      select from pg_options_to_table(c.reloptions) where option_name = 'security_invoker' and option_value::boolean
    ), (
      select 'public' as role union all
      select rolname::text from pg_roles where rolname in ('anon', 'authenticated')
    ) as r`)
    .where(
      sql`has_any_column_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE') or has_table_privilege(r.role, c.oid, 'DELETE')`,
    )
    .orderBy(sql`r.role, c.oid::regclass::text`);

export async function checkViews(db: Database): Promise<Finding[]> {
  const open = openRights(await readViewRights(db), ({ view }) => view);
  return [...open].flatMap(([role, views]) =>
    views.map((view) =>
      error(
        "view_rights",
        `Role ${role} has rights on ${view}, which reaches the rows with its owner's rights.`,
        { sql: `revoke all on ${view} from ${role}`, rest: THROUGH },
      ),
    ),
  );
}

export async function checkPublicRights(db: Database): Promise<Finding[]> {
  const findings: Finding[] = [];
  const rights = await readRights(db);
  for (const [role, names] of openRights(rights, ({ right }) => right)) {
    findings.push(
      error("public_rights", `Role ${role} has rights on journey_sessions: ${names.join(", ")}.`, {
        sql: `revoke all on table journey_sessions from ${role}`,
        rest: THROUGH,
      }),
    );
  }
  const callers = openRights(await readCallers(db), ({ place }) => place);
  for (const [role, [place]] of callers) {
    findings.push(
      warning("function_rights", `Role ${role} may execute update_journey_sessions_updated_at().`, {
        sql: `revoke all on function ${place}() from ${role}`,
      }),
    );
  }
  const [secret] = await db
    .select({ exists: sql<boolean>`true` })
    .from(sql`pg_roles`)
    .where(sql`rolname = ${SECRET_ROLE}`);
  if (secret) {
    const everybody = new Set(rights.filter(({ role }) => role === "public").map(({ right }) => right));
    const held = rights.filter(({ role, whole }) => role === SECRET_ROLE && whole).map(({ right }) => right);
    const more = held.some((right) => !NEEDED.includes(right) && !everybody.has(right));
    if (more || NEEDED.some((right) => !held.includes(right))) {
      findings.push(
        warning(
          "service_role_rights",
          `Role ${SECRET_ROLE} has ${held.join(", ") || "no right"} on journey_sessions, not ${NEEDED.join(", ")}.`,
          {
            sql: atOnce([
              `revoke all on table journey_sessions from ${SECRET_ROLE}`,
              `grant select, insert, update, delete on table journey_sessions to ${SECRET_ROLE}`,
            ]),
          },
        ),
      );
    }
  }
  return findings;
}

const NOT_FORCED = { sql: "alter table journey_sessions no force row level security" };

/** Row level security: on for everybody, without policies, and not in the way of the connected role. */
export async function checkRowSecurity(db: Database): Promise<Finding[]> {
  const [table] = await db
    .select({
      enabled: sql<boolean>`relrowsecurity`,
      active: sql<boolean>`row_security_active(oid)`,
      forced: sql<boolean>`relforcerowsecurity`,
      owned: sql<boolean>`pg_has_role(relowner, 'USAGE')`,
      published: sql<boolean>`exists (select from pg_roles where rolname in ('anon', 'authenticated'))`,
      user: sql<string>`quote_ident(current_user)`,
    })
    .from(sql`pg_class`)
    .where(sql`oid = ${TABLE}`);
  const findings: Finding[] = [];
  if (table && !table.enabled) {
    findings.push(
      (table.published ? error : warning)("rls_disabled", "Row level security is off.", {
        sql: "alter table journey_sessions enable row level security",
      }),
    );
  }
  if (table?.active) {
    findings.push(
      error(
        "rls_active",
        `Row level security applies to the connected role ${table.user}: it reads no rows but those a policy lets it, without an error.`,
        table.forced && table.owned
          ? NOT_FORCED
          : { sql: `alter role ${table.user} bypassrls`, rest: ", or connect as the table's owner" },
      ),
    );
  } else if (table?.forced) {
    findings.push(
      warning(
        "rls_forced",
        "Row level security is forced: connected, the table's owner would read no rows.",
        NOT_FORCED,
      ),
    );
  }
  const policies = await db
    .select({ name: sql<string>`quote_ident(polname)` })
    .from(sql`pg_policy`)
    .where(sql`polrelid = ${TABLE}`)
    .orderBy(sql`polname`);
  for (const { name } of policies) {
    findings.push(
      warning("policy", `Policy ${name} is not part of the table and may open rows to others.`, {
        sql: `drop policy if exists ${name} on journey_sessions`,
      }),
    );
  }
  return findings;
}

/** The four rights that the connected role needs. */
export async function checkOwnRights(db: Database): Promise<Finding[]> {
  const missing = await db
    .select({ right: sql<string>`p.name`, user: sql<string>`quote_ident(current_user)` })
    .from(sql`unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as p (name)`)
    .where(sql`not has_table_privilege(${TABLE}, p.name)`);
  const [first] = missing;
  if (!first) return [];
  const names = missing.map(({ right }) => right).join(", ");
  return [
    error("role_rights", `The connected role ${first.user} lacks ${names} on journey_sessions.`, {
      sql: `grant ${names.toLowerCase()} on table journey_sessions to ${first.user}`,
    }),
  ];
}

/**
 * What the Supabase linter (splinter) looks for and this table could have, each rule by splinter's
 * name as a query of our own on the catalogues: it answers what it found.
 */
export const RULES: Record<string, string> = {
  unindexed_foreign_keys: `select c.conname as found from pg_constraint c
    where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
      select from pg_index i where i.indrelid = c.conrelid and i.indpred is null
        and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)`,

  auth_rls_initplan: `select policyname as found from pg_policies
    where schemaname = 'public' and exists (
      select from regexp_matches(concat(qual, ' ', with_check),
        '(select\\s+\\(*)?(auth\\.(uid|jwt|role|email)\\(\\)|current_setting\\()', 'gi') as call
      where call[1] is null)`,

  no_primary_key: `select c.relname as found from pg_class c
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
      and not exists (select from pg_index where indrelid = c.oid and indisprimary)`,

  multiple_permissive_policies: `select concat_ws(' ', r.rolname, command) as found
    from pg_policy p join pg_class c on c.oid = p.polrelid,
      pg_roles r, unnest(array['r', 'a', 'w', 'd']) as command
    where c.relnamespace = 'public'::regnamespace and p.polpermissive
      and p.polcmd in ('*', command::"char") and (0 = any (p.polroles) or r.oid = any (p.polroles))
      and r.rolname in ('anon', 'authenticated', 'service_role')
    group by p.polrelid, r.rolname, command having count(*) > 1`,

  duplicate_index: `select string_agg(indexname, ' ' order by indexname) as found from pg_indexes
    where schemaname = 'public' group by tablename, replace(indexdef, indexname, '') having count(*) > 1`,

  function_search_path_mutable: `select proname as found from pg_proc
    where pronamespace = 'public'::regnamespace
      and not exists (select from unnest(proconfig) as setting where setting like 'search_path=%')`,

  rls_disabled_in_public: `select relname as found from pg_class
    where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and not relrowsecurity`,

  policy_exists_rls_disabled: `select policyname as found from pg_policies p
    join pg_class c on c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
    where p.schemaname = 'public' and not c.relrowsecurity`,

  security_definer_view: `select relname as found from pg_class
    where relkind = 'v' and relnamespace = 'public'::regnamespace
      and not coalesce(reloptions @> '{security_invoker=true}', false)
      and (has_any_column_privilege('anon', oid, 'SELECT') or has_any_column_privilege('authenticated', oid, 'SELECT'))`,

  pg_graphql_anon_table_exposed: exposedTo("anon"),
  pg_graphql_authenticated_table_exposed: exposedTo("authenticated"),
};

/** The Data API and GraphQL show what the role may select, be it one column. */
function exposedTo(role: string): string {
  return `select relname as found from pg_class
    where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
      and has_any_column_privilege('${role}', oid, 'SELECT')`;
}

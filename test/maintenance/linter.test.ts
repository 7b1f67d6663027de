import type { Sql } from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { OPTIONAL } from "../../src/validation/options.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { RULES } from "../support/linter.js";
import { OLD_TABLE } from "../support/old-table.js";
import { type Grants, startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

type Findings = Record<string, string[]>;

/** The rules that find something, and what they find. */
async function lint(sql: Pick<Sql, "unsafe">): Promise<Findings> {
  const findings: Findings = {};
  for (const [rule, query] of Object.entries(RULES)) {
    const rows = await sql.unsafe(`${query} order by found`);
    if (rows.length > 0) findings[rule] = rows.map(({ found }) => found);
  }
  return findings;
}

const TABLE = ["journey_sessions"];
const MESSAGES = ["journey_messages"];
const REPLIES = ["journey_replies"];
const FUNCTION = ["update_journey_sessions_updated_at"];

/** Changes to a migrated database, and what the rules find then. Each rule finds something in one of them. */
const BREAKS: [what: string, change: string, findings: Findings][] = [
  [
    "row level security is off",
    "alter table journey_sessions disable row level security",
    { rls_disabled_in_public: TABLE },
  ],
  [
    "the function follows the caller's search_path",
    "alter function update_journey_sessions_updated_at() reset search_path",
    { function_search_path_mutable: FUNCTION },
  ],
  [
    "there is a duplicate index",
    "create index again on journey_sessions (user_id)",
    { duplicate_index: ["again idx_journey_sessions_user_id"] },
  ],
  [
    "anon may read the table",
    "grant select on journey_sessions to anon",
    { pg_graphql_anon_table_exposed: TABLE },
  ],
  [
    "authenticated may read one column",
    "grant select (phase) on journey_sessions to authenticated",
    { pg_graphql_authenticated_table_exposed: TABLE },
  ],
  [
    "every role may read the table",
    "grant select on journey_sessions to public",
    { pg_graphql_anon_table_exposed: TABLE, pg_graphql_authenticated_table_exposed: TABLE },
  ],
  [
    "two policies let the same role do the same",
    `create policy one on journey_sessions for select to authenticated using (false);
     create policy two on journey_sessions to authenticated using (false)`,
    { multiple_permissive_policies: ["authenticated r"] },
  ],
  [
    "a policy calls auth.jwt() once per row",
    "create policy own on journey_sessions using (user_id = auth.jwt() ->> 'sub')",
    { auth_rls_initplan: ["own"] },
  ],
  [
    "a policy calls current_setting() once per row, in its check",
    `create policy own on journey_sessions for insert with check (
       user_id = (select auth.jwt() ->> 'sub') and phase = current_setting('app.phase'))`,
    { auth_rls_initplan: ["own"] },
  ],
  [
    "there are policies and row level security is off",
    `create policy own on journey_sessions using (false);
     alter table journey_sessions disable row level security`,
    { policy_exists_rls_disabled: ["own"], rls_disabled_in_public: TABLE },
  ],
  [
    "row level security of messages is off",
    "alter table journey_messages disable row level security",
    { rls_disabled_in_public: MESSAGES },
  ],
  [
    "anon may read messages",
    "grant select (message) on journey_messages to anon",
    { pg_graphql_anon_table_exposed: MESSAGES },
  ],
  [
    "messages have no primary key, and their foreign key no index",
    "alter table journey_messages drop constraint journey_messages_pkey; drop index idx_journey_messages_order",
    { no_primary_key: MESSAGES, unindexed_foreign_keys: ["journey_messages_session_id_fkey"] },
  ],
  [
    "there is a duplicate index of messages",
    "create index again on journey_messages (session_id, appended_at, n, user_id)",
    { duplicate_index: ["again idx_journey_messages_order"] },
  ],
  [
    "row level security of replies and their chunks is off",
    "alter table journey_replies disable row level security; alter table journey_reply_chunks disable row level security",
    { rls_disabled_in_public: [...REPLIES, "journey_reply_chunks"] },
  ],
  [
    "authenticated may read chunks of replies",
    "grant select (chunks) on journey_reply_chunks to authenticated",
    { pg_graphql_authenticated_table_exposed: ["journey_reply_chunks"] },
  ],
  [
    "a function that notifies follows the caller's search_path",
    "alter function notify_journey_replies() reset search_path",
    { function_search_path_mutable: ["notify_journey_replies"] },
  ],
  [
    "replies have no primary key, and their foreign keys no index",
    "alter table journey_replies drop constraint journey_replies_pkey cascade",
    { no_primary_key: REPLIES, unindexed_foreign_keys: ["journey_replies_session_id_fkey"] },
  ],
  [
    "a foreign key has no index",
    "alter table journey_sessions add column account uuid references auth.users (id)",
    { unindexed_foreign_keys: ["journey_sessions_account_fkey"] },
  ],
  [
    "there is no primary key",
    "alter table journey_sessions drop constraint journey_sessions_pkey cascade",
    { no_primary_key: TABLE },
  ],
  [
    "a view bypasses row level security",
    "create view recent as select * from journey_sessions; grant select on recent to anon",
    { security_definer_view: ["recent"] },
  ],
  [
    "nothing is wrong: a policy calls auth.jwt() once per statement, each role has one policy per command, a foreign key has an index",
    `create policy own on journey_sessions for select to authenticated
       using (user_id = (select auth.jwt() ->> 'sub'));
     create policy other on journey_sessions for delete to authenticated using (false);
     create policy strict on journey_sessions as restrictive to authenticated using (true);
     alter table journey_sessions add column account uuid references auth.users (id);
     create index on journey_sessions (account, id)`,
    {},
  ],
];

let server: URL;
beforeAll(async () => {
  server = await startSupabaseServer();
});

describe.each<[Grants, before: Findings]>([
  [
    "legacy",
    {
      rls_disabled_in_public: TABLE,
      function_search_path_mutable: FUNCTION,
      pg_graphql_anon_table_exposed: TABLE,
      pg_graphql_authenticated_table_exposed: TABLE,
    },
  ],
  ["explicit", { rls_disabled_in_public: TABLE, function_search_path_mutable: FUNCTION }],
])("a Supabase project with %s grants", (grants, before) => {
  let fresh: Sql;
  beforeAll(async () => {
    const { urlAs, sql } = await supabaseDatabase(server, `fresh_${grants}`, grants);
    await migrate(openPostgresJs(urlAs("owner")), { with: OPTIONAL });
    fresh = sql;
  });

  test("the linter has nothing against the tables that the migrations made", async () => {
    expect(await lint(fresh)).toEqual({});
  });

  test("nor against one that was made by hand, once it is migrated", async () => {
    const { urlAs, sql } = await supabaseDatabase(server, `adopted_${grants}`, grants);
    await rawClient(urlAs("owner")).unsafe(OLD_TABLE);
    expect(await lint(sql)).toEqual(before);
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await lint(sql)).toEqual({});
    await migrate(openPostgresJs(urlAs("owner")), { with: OPTIONAL });
    expect(await lint(sql)).toEqual({});
  });

  test.each(BREAKS)("it reports where %s", async (_, change, findings) => {
    let found: Findings | undefined;
    const undone = fresh.begin(async (tx) => {
      await tx.unsafe(change);
      found = await lint(tx);
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
    expect(found).toEqual(findings);
  });
});

test("each rule finds something in one of the changes", () => {
  const seen = new Set(BREAKS.flatMap(([, , findings]) => Object.keys(findings)));
  expect([...seen].sort()).toEqual(Object.keys(RULES).sort());
});

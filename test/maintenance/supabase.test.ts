import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { catalogueOf } from "../support/catalogue.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { OLD_TABLE } from "../support/old-table.js";
import { type Grants, startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

let server: URL;
beforeAll(async () => {
  server = await startSupabaseServer();
});

const GRANTS: Grants[] = ["legacy", "explicit"];
const OPEN_ROLES = ["anon", "authenticated"];

const codesOf = async (url: string) =>
  (await verify(openPostgresJs(url))).map(({ severity, code }) => `${severity} ${code}`);

describe.each(GRANTS)("a Supabase project with %s grants", (grants) => {
  let fresh: Awaited<ReturnType<typeof supabaseDatabase>>;
  beforeAll(async () => {
    fresh = await supabaseDatabase(server, `fresh_${grants}`, grants);
    await migrate(openPostgresJs(fresh.urlAs("owner")));
  });

  test("is migrated by a role that is no superuser, and then has no findings", async () => {
    expect(await codesOf(fresh.urlAs("owner"))).toEqual([]);
  });

  test("has the same schema afterwards if the table was made by hand, whatever was granted on it", async () => {
    const { urlAs, sql } = await supabaseDatabase(server, `adopted_${grants}`, grants);
    const owner = rawClient(urlAs("owner"));
    await owner.unsafe(`${OLD_TABLE}; grant all on journey_sessions to anon with grant option;
      grant select (metadata) on journey_sessions to authenticated;
      grant execute on function update_journey_sessions_updated_at() to authenticated;
      grant truncate on journey_sessions to service_role`);
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await catalogueOf(sql)).toEqual(await catalogueOf(fresh.sql));
    expect(await codesOf(urlAs("owner"))).toEqual([]);
  });

  test.each(OPEN_ROLES)("refuses %s every command on the table", async (role) => {
    for (const statement of [
      "select from journey_sessions",
      "insert into journey_sessions (user_id) values ('user_a')",
      "update journey_sessions set phase = 'review'",
      "delete from journey_sessions",
      "truncate journey_sessions",
    ]) {
      const refused = fresh.sql.begin(async (tx) => {
        await tx.unsafe(`set local role ${role}`);
        await tx.unsafe(statement);
      });
      await expect(refused, statement).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("lets service_role do what it needs, the trigger included, and no more", async () => {
    await fresh.sql.begin(async (tx) => {
      await tx`set local role service_role`;
      await tx`insert into journey_sessions (user_id) values ('user_a')`;
      const updated =
        await tx`update journey_sessions set phase = 'review' returning updated_at > created_at as later`;
      expect([...updated]).toEqual([{ later: true }]);
      await tx`delete from journey_sessions`;
      await expect(tx.savepoint((inner) => inner`truncate journey_sessions`)).rejects.toMatchObject({
        code: "42501",
      });
    });
  });
});

test("verify reports what was granted after migrating, or by others, and what is missing", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "regranted", "legacy");
  await migrate(openPostgresJs(urlAs("owner")));
  await sql.unsafe(`grant truncate on journey_sessions to anon;
    grant select (messages) on journey_sessions to authenticated;
    grant execute on function update_journey_sessions_updated_at() to anon;
    revoke delete on journey_sessions from service_role;
    alter table journey_sessions disable row level security`);
  const findings = await verify(openPostgresJs(urlAs("owner")));
  expect(findings.map(({ severity, code, message }) => `${severity} ${code}: ${message}`)).toEqual([
    "error rls_disabled: Row level security is off.",
    "error public_rights: Role anon has rights on journey_sessions: TRUNCATE.",
    "error public_rights: Role authenticated has rights on journey_sessions: SELECT.",
    "warning function_rights: Role anon may execute update_journey_sessions_updated_at().",
    "warning service_role_rights: Role service_role has INSERT, SELECT, UPDATE on journey_sessions, not SELECT, INSERT, UPDATE, DELETE.",
  ]);
  for (const { remedy } of findings) await sql.unsafe(remedy.replace(/, or .*/, ""));
  expect(await codesOf(urlAs("owner"))).toEqual([]);
});

test("a table whose owner is under forced row level security keeps every row, filled like any other", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "forced", "explicit");
  const owner = openPostgresJs(urlAs("owner"));
  await rawClient(
    urlAs("owner"),
  ).unsafe(`${OLD_TABLE}; alter table journey_sessions enable row level security;
    insert into journey_sessions (user_id, phase) values ('user_a', null);
    alter table journey_sessions force row level security`);
  const [finding] = (await verify(owner)).filter(({ code }) => code === "rls_active");
  expect(finding?.remedy).toBe("alter table journey_sessions no force row level security");
  await migrate(owner);
  expect([...(await sql`select phase from journey_sessions`)]).toEqual([{ phase: "setup" }]);
  expect(await codesOf(urlAs("owner"))).toEqual([]);
});

test("verify reports a view that shows the rows to a public role", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "viewed", "legacy");
  await migrate(openPostgresJs(urlAs("owner")));
  await rawClient(urlAs("owner")).unsafe(
    `create view "Recent chats" as select id, messages from journey_sessions`,
  );
  const findings = await verify(openPostgresJs(urlAs("owner")));
  expect(findings.map(({ severity, code, message }) => `${severity} ${code}: ${message}`)).toEqual([
    expect.stringMatching(/^error view_rights: Role anon .*"Recent chats"/),
    expect.stringMatching(/^error view_rights: Role authenticated .*"Recent chats"/),
  ]);
  for (const { remedy } of findings) await sql.unsafe(remedy.replace(/, or .*/, ""));
  expect(await codesOf(urlAs("owner"))).toEqual([]);
});

test("verify reports a right that a public role has through another one, and names it once", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "inherited", "explicit");
  await migrate(openPostgresJs(urlAs("owner")));
  await sql.unsafe(
    "create role readers; grant select on journey_sessions to readers; alter role anon inherit; grant readers to anon",
  );
  expect(await codesOf(urlAs("owner"))).toEqual(["error public_rights"]);
  await sql`grant select, truncate on journey_sessions to public`;
  expect((await verify(openPostgresJs(urlAs("owner")))).map(({ message }) => message)).toEqual([
    "Role public has rights on journey_sessions: SELECT, TRUNCATE.",
  ]);
});

test("roles that are made after migrating are reported as lacking their rights", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "late", "explicit");
  await migrate(openPostgresJs(urlAs("owner")));
  await sql`revoke all on journey_sessions from service_role`;
  const [finding] = await verify(openPostgresJs(urlAs("owner")));
  expect(finding).toMatchObject({ severity: "warning", code: "service_role_rights" });
  await rawClient(urlAs("owner")).unsafe(finding?.remedy ?? "");
  expect(await codesOf(urlAs("owner"))).toEqual([]);
});

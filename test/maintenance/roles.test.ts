import type { Sql } from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { catalogueOf } from "../support/catalogue.js";
import { verified } from "../support/changes.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { OLD_TABLE } from "../support/old-table.js";
import { type Grants, startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

/** `owner` created the table; `plain` may connect, and has no grants. */
const ROLES = ["anon", "authenticated", "service_role", "plain", "owner"];

/** On a table with one row. A call of a trigger's function fails with 0A000 for those who may call it. */
const COMMANDS: Record<string, string> = {
  select: "select from journey_sessions",
  insert: "insert into journey_sessions (user_id) values ('user_b')",
  update: "update journey_sessions set phase = 'review'",
  delete: "delete from journey_sessions",
  truncate: "truncate journey_sessions",
  execute: "select update_journey_sessions_updated_at()",
};

/** After migrate, whatever was granted before and however the table was created. */
const MIGRATED = `
                select  insert  update  delete  truncate  execute
anon            no      no      no      no      no        no
authenticated   no      no      no      no      no        no
service_role    yes     yes     yes     yes     no        no
plain           no      no      no      no      no        no
owner           yes     yes     yes     yes     yes       yes
`;

/** A table made by hand: open to everyone who has the public key. */
const BY_HAND: Record<Grants, string> = {
  legacy: `
                select  insert  update  delete  truncate  execute
anon            yes     yes     yes     yes     yes       yes
authenticated   yes     yes     yes     yes     yes       yes
service_role    yes     yes     yes     yes     yes       yes
plain           no      no      no      no      no        yes
owner           yes     yes     yes     yes     yes       yes
`,
  explicit: `
                select  insert  update  delete  truncate  execute
anon            no      no      no      no      no        yes
authenticated   no      no      no      no      no        yes
service_role    no      no      no      no      no        yes
plain           no      no      no      no      no        yes
owner           yes     yes     yes     yes     yes       yes
`,
};

/** Runs the command as the role in a transaction that is rolled back. Returns `yes` if it did what it should to the row. */
async function outcome(sql: Sql, role: string, command: string, statement: string): Promise<string> {
  let answer = "no answer";
  const undone = sql.begin(async (tx) => {
    await tx.unsafe(`set local role ${role}`);
    try {
      // In a savepoint, so that the transaction can continue after a refusal.
      const { count } = await tx.savepoint((inner) => inner.unsafe(statement));
      await tx`reset role`;
      const [left] = await tx`select count(*)::int as rows from journey_sessions`;
      const expected = { insert: 2, delete: 0, truncate: 0 }[command] ?? 1;
      const done = left?.rows === expected && (command === "truncate" || count === 1);
      answer = done ? "yes" : `did ${count}, left ${left?.rows}`;
    } catch (refused) {
      const { code } = refused as { code?: string };
      answer = code === "42501" ? "no" : code === "0A000" && command === "execute" ? "yes" : `${code}`;
    }
    throw new Undone();
  });
  await expect(undone).rejects.toThrow(Undone);
  return answer;
}

class Undone extends Error {}

/** What each role can do, as a table like those above. */
async function matrix(sql: Sql): Promise<string> {
  await sql`insert into journey_sessions (user_id) values ('user_a')`;
  const widths = Object.keys(COMMANDS).map((command) => Math.max(8, command.length + 2));
  const line = (first: string, cells: string[]) =>
    (first.padEnd(16) + cells.map((cell, n) => cell.padEnd(widths[n] ?? 8)).join("")).trimEnd();
  const lines = [line("", Object.keys(COMMANDS))];
  for (const role of ROLES) {
    const cells: string[] = [];
    for (const [command, statement] of Object.entries(COMMANDS))
      cells.push(await outcome(sql, role, command, statement));
    lines.push(line(role, cells));
  }
  return `\n${lines.join("\n")}\n`;
}

/** The findings of verify as the table's owner. */
const ownersFindings = (urlAs: (role: string) => string) => verified(openPostgresJs(urlAs("owner")));

let server: URL;
beforeAll(async () => {
  server = await startSupabaseServer();
  await rawClient(server.href)`create role plain login`;
});

describe.each<Grants>(["legacy", "explicit"])("a Supabase project with %s grants", (grants) => {
  const newDatabase = (name: string) => supabaseDatabase(server, `${name}_${grants}`, grants);
  let fresh: Awaited<ReturnType<typeof newDatabase>>;
  beforeAll(async () => {
    fresh = await newDatabase("fresh");
    await migrate(openPostgresJs(fresh.urlAs("owner")));
  });

  test("a table that the migrations made: who can do what", async () => {
    expect(await ownersFindings(fresh.urlAs)).toEqual([]);
    expect(await matrix(fresh.sql)).toBe(MIGRATED);
  });

  test("the trigger works for service_role", async () => {
    const updated = await fresh.sql.begin(async (tx) => {
      await tx`set local role service_role`;
      await tx`insert into journey_sessions (user_id) values ('user_b')`;
      return tx`update journey_sessions set phase = 'review' where user_id = 'user_b' returning updated_at > created_at as later`;
    });
    expect([...updated]).toEqual([{ later: true }]);
  });

  test("a table that was made by hand: who can do what, before migrating and after", async () => {
    const { urlAs, sql } = await newDatabase("adopted");
    await rawClient(urlAs("owner")).unsafe(OLD_TABLE);
    expect(await matrix(sql)).toBe(BY_HAND[grants]);
    await sql`truncate journey_sessions`;
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await matrix(sql)).toBe(MIGRATED);
  });

  test("a table that everything was granted on, to everybody: who can do what after migrating", async () => {
    const { urlAs, sql } = await newDatabase("open");
    await rawClient(urlAs("owner")).unsafe(`${OLD_TABLE};
      grant all on journey_sessions to public, authenticated, service_role;
      grant all on journey_sessions to anon with grant option;
      grant select (messages), update (messages), insert (user_id) on journey_sessions to public, anon;
      grant execute on function update_journey_sessions_updated_at() to anon, authenticated, service_role`);
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await matrix(sql)).toBe(MIGRATED);
    expect(await catalogueOf(sql)).toEqual(await catalogueOf(fresh.sql));
    expect(await ownersFindings(urlAs)).toEqual([]);
  });
});

test("a role that may connect but has no grants is refused over its own connection, too", async () => {
  const { urlAs } = await supabaseDatabase(server, "plain_login", "legacy");
  await migrate(openPostgresJs(urlAs("owner")));
  const plain = rawClient(urlAs("plain"));
  for (const statement of Object.values(COMMANDS))
    await expect(plain.unsafe(statement), statement).rejects.toMatchObject({ code: "42501" });
});

test("verify reports privileges granted after migrate, and missing ones", async () => {
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
    "error public_rights: Role anon has privileges on journey_sessions: TRUNCATE.",
    "error public_rights: Role authenticated has privileges on journey_sessions: SELECT.",
    "warning function_rights: Role anon may execute update_journey_sessions_updated_at().",
    "warning service_role_rights: Role service_role has INSERT, SELECT, UPDATE on journey_sessions, not SELECT, INSERT, UPDATE, DELETE.",
  ]);
  for (const { remedy } of findings) await sql.unsafe(remedy.replace(/, or .*/, ""));
  expect(await ownersFindings(urlAs)).toEqual([]);
});

test("migrate fills in the rows of a table whose owner is under forced row level security", async () => {
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
  expect(await ownersFindings(urlAs)).toEqual([]);
});

test("verify reports a view that exposes the rows to a public role", async () => {
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
  expect(await ownersFindings(urlAs)).toEqual([]);
});

test("verify reports a privilege that a public role has through another role, and reports it once", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "inherited", "explicit");
  await migrate(openPostgresJs(urlAs("owner")));
  await sql.unsafe(
    "create role readers; grant select on journey_sessions to readers; alter role anon inherit; grant readers to anon",
  );
  expect(await ownersFindings(urlAs)).toEqual(["error public_rights"]);
  await sql`grant select, truncate on journey_sessions to public`;
  expect((await verify(openPostgresJs(urlAs("owner")))).map(({ message }) => message)).toEqual([
    "Role public has privileges on journey_sessions: SELECT, TRUNCATE.",
  ]);
});

test("service_role is reported if it lacks its privileges", async () => {
  const { urlAs, sql } = await supabaseDatabase(server, "late", "explicit");
  await migrate(openPostgresJs(urlAs("owner")));
  await sql`revoke all on journey_sessions from service_role`;
  const [finding] = await verify(openPostgresJs(urlAs("owner")));
  expect(finding).toMatchObject({ severity: "warning", code: "service_role_rights" });
  await rawClient(urlAs("owner")).unsafe(finding?.remedy ?? "");
  expect(await ownersFindings(urlAs)).toEqual([]);
});

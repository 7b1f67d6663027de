import type { Sql } from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { OLD_TABLE } from "../support/old-table.js";
import { type Grants, startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

/** `owner` made the table; `plain` may connect, and was granted nothing. */
const ROLES = ["anon", "authenticated", "service_role", "plain", "owner"];

/** On a table of one row. Calling a trigger's function is 0A000 for those who may. */
const COMMANDS: Record<string, string> = {
  select: "select from journey_sessions",
  insert: "insert into journey_sessions (user_id) values ('user_b')",
  update: "update journey_sessions set phase = 'review'",
  delete: "delete from journey_sessions",
  truncate: "truncate journey_sessions",
  execute: "select update_journey_sessions_updated_at()",
};

/** After migrating: whatever was granted before, and however the table came to be. */
const MIGRATED = `
                select  insert  update  delete  truncate  execute
anon            no      no      no      no      no        no
authenticated   no      no      no      no      no        no
service_role    yes     yes     yes     yes     no        no
plain           no      no      no      no      no        no
owner           yes     yes     yes     yes     yes       yes
`;

/** As the table is when it was made by hand: open to everyone who holds the public key. */
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

/** Runs the command as the role, and undoes it: `yes` where it did what it should to the one row. */
async function outcome(sql: Sql, role: string, command: string, statement: string): Promise<string> {
  let answer = "no answer";
  const undone = sql.begin(async (tx) => {
    await tx.unsafe(`set local role ${role}`);
    try {
      // Refused inside a savepoint, so that the transaction can be looked at afterwards.
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

/** What each role can do, in the form of the tables above. */
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

let server: URL;
beforeAll(async () => {
  server = await startSupabaseServer();
  await rawClient(server.href)`create role plain login`;
});

describe.each<Grants>(["legacy", "explicit"])("a Supabase project with %s grants", (grants) => {
  const newDatabase = (name: string) => supabaseDatabase(server, `${name}_${grants}`, grants);

  test("a table that the migrations made: who can do what", async () => {
    const { urlAs, sql } = await newDatabase("fresh");
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await matrix(sql)).toBe(MIGRATED);
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
      grant all on journey_sessions to public, anon, authenticated, service_role;
      grant select (messages), update (messages), insert (user_id) on journey_sessions to public, anon;
      grant execute on function update_journey_sessions_updated_at() to anon, authenticated, service_role`);
    await migrate(openPostgresJs(urlAs("owner")));
    expect(await matrix(sql)).toBe(MIGRATED);
  });
});

test("a role that may connect but has no grant is refused over a connection of its own, too", async () => {
  const { urlAs } = await supabaseDatabase(server, "plain_login", "legacy");
  await migrate(openPostgresJs(urlAs("owner")));
  const plain = rawClient(urlAs("plain"));
  for (const statement of Object.values(COMMANDS))
    await expect(plain.unsafe(statement), statement).rejects.toMatchObject({ code: "42501" });
});

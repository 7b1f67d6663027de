import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { migrate, shippedMigrations } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type JourneyTable, journeySessions, journeyTable } from "../../src/schema.js";
import { catalogueOf } from "../support/catalogue.js";
import { prepared, problems } from "../support/changes.js";
import { journeyDb, temporaryFolder } from "../support/cli.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";
import { startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

const withoutComments = (statement: string) =>
  statement
    .split("\n")
    .filter((line) => !line.startsWith("--"))
    .join("\n")
    .trim();

const run = async (...args: string[]) => journeyDb(await temporaryFolder(), {}, "sql", ...args);

test("the migrations have the same text for the default table", () => {
  const shipped = shippedMigrations().flatMap(({ statements }) => statements.map(withoutComments));
  const printed = tableSql(journeySessions).map(withoutComments);
  expect(printed).toHaveLength(7);
  for (const statement of printed) expect(shipped).toContain(statement);
  // The newest of each kind.
  expect(shipped.findLast((one) => one.startsWith("CREATE TRIGGER"))).toBe(printed[2]);
});

describe("journey-db sql", () => {
  test("prints it in pieces of one statement for drizzle-kit, without a database", async () => {
    const { status, stdout, stderr } = await run("--table", "chats", "--schema", "app");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const table = journeyTable({ name: "chats", schema: "app" });
    expect(stdout.trimEnd().split("\n--> statement-breakpoint\n")).toEqual(tableSql(table));
    expect(stdout).not.toContain("journey_sessions");
    const unqualified = stdout
      .split("\n")
      .filter((line) =>
        /"(update_)?chats/.test(line.replaceAll(/"app"\."\w+"/g, "").replaceAll('"chats_updated_at"', "")),
      );
    expect(unqualified).toEqual([]);
    expect((await run()).stdout.trimEnd().split("\n--> statement-breakpoint\n")).toEqual(
      tableSql(journeySessions),
    );
  });

  test.each([
    [
      ["--table", "x".repeat(34)],
      "journeyTable: name: expected 1 to 33 bytes of well-formed text without U+0000",
    ],
    [["--table", ""], "journeyTable: name: expected 1 to 33 bytes of well-formed text without U+0000"],
    [
      ["--table", "chats", "--schema", ""],
      "journeyTable: schema: expected 1 to 63 bytes of well-formed text without U+0000",
    ],
    [["--schema", "app"], "--schema: expected together with --table"],
  ])("refuses %j", async (args, message) => {
    expect(await run(...args)).toEqual({
      status: 2,
      stdout: "",
      stderr: `journey-db: invalid_input: ${message}.\n`,
    });
  });
});

test("it can run again, and changes nothing then", async () => {
  const { sql: raw, db } = await prepared();
  await migrate(db);
  const before = await catalogueOf(raw);
  for (let times = 0; times < 2; times++)
    for (const statement of tableSql(journeySessions)) await db.execute(sql.raw(statement));
  expect(await catalogueOf(raw)).toEqual(before);
});

test("two tables do not share a function, and Supabase's roles lose their privileges", async () => {
  const tables = [
    journeyTable("chats"),
    journeyTable({ name: "chats", schema: "app" }),
    journeyTable({ name: 'It\'s %I "$$"', schema: "app" }),
  ];
  const { urlAs } = await supabaseDatabase(await startSupabaseServer(), "two_tables", "legacy");
  const raw = rawClient(urlAs("owner"));
  await raw.unsafe(`create schema app;
    alter default privileges in schema app grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema app grant execute on functions to anon`);
  for (const table of tables.slice(0, 2))
    for (const statement of await generated({ table })) await raw.unsafe(statement);
  await raw.unsafe(`create table app."It's %I ""$$""" (like app.chats including all)`);
  for (const table of tables) for (const statement of tableSql(table)) await raw.unsafe(statement);
  const functions =
    await raw`select tgrelid::regclass::text as table, tgfoid::regproc::text as function from pg_trigger where not tgisinternal order by 1`;
  expect(functions.map(({ function: called }) => called)).toEqual([
    'app."update_It\'s %I ""$$""_updated_at"',
    "app.update_chats_updated_at",
    "update_chats_updated_at",
  ]);
  const rights =
    await raw`select grantee::text, string_agg(distinct privilege_type, ',' order by privilege_type) as rights, count(*)::int from information_schema.role_table_grants
    where grantee in ('anon', 'authenticated', 'service_role') group by 1`;
  expect([...rights]).toEqual([
    { grantee: "service_role", rights: "DELETE,INSERT,SELECT,UPDATE", count: 12 },
  ]);
  const db = openPostgresJs(urlAs("owner"));
  const [first, second, odd] = tables as JourneyTable[] as [JourneyTable, JourneyTable, JourneyTable];
  expect(await verify(db, { table: first })).toEqual([]);
  expect(await verify(db, { table: second })).toEqual([]);
  for (const { sql: statement } of problems(await verify(db, { table: odd })))
    await raw.unsafe(statement ?? "");
  expect(problems(await verify(db, { table: odd }))).toEqual([]);
});

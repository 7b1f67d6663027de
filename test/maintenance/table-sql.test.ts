import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { type MigrationSet, migrate, shippedMigrations } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import { type JourneyTable, journeySessions, journeyTable } from "../../src/schema.js";
import { OPTIONAL } from "../../src/validation/options.js";
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

const WITH = { with: ["message-rows"] } as const;
const REPLIES = { with: ["durable-replies"] } as const;
const BOTH = { with: OPTIONAL };

test("the migrations have the same text for the default table", () => {
  const textOf = (of: MigrationSet) =>
    shippedMigrations(of).flatMap(({ statements }) => statements.map(withoutComments));
  const shipped = textOf("main");
  const printed = tableSql(journeySessions).map(withoutComments);
  expect(printed).toHaveLength(7);
  const withRows = tableSql(journeySessions, WITH).map(withoutComments);
  expect(withRows.slice(0, 7)).toEqual(printed);
  // After what drizzle-kit generates: the table, row level security and an index.
  expect(withRows.slice(7)).toEqual(textOf("message-rows").slice(3));
  const withReplies = tableSql(journeySessions, REPLIES).map(withoutComments);
  expect(withReplies.slice(0, 7)).toEqual(printed);
  // After the two tables and their row level security.
  expect(withReplies.slice(7)).toEqual(textOf("durable-replies").slice(4));
  expect(tableSql(journeySessions, BOTH).map(withoutComments)).toEqual([
    ...withRows,
    ...withReplies.slice(7),
  ]);
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
    [WITH, ['"app"."chats_messages"']],
    [REPLIES, ['"app"."chats_replies"', '"app"."chats_reply_chunks"', '"app"."notify_chats"()']],
    [BOTH, ['"app"."chats_messages"', '"app"."notify_chats_replies"()']],
  ])("prints %o what their tables need, too", async (options, names) => {
    const given = ["--with", ...options.with, ..."--table chats --schema app".split(" ")];
    const { status, stdout, stderr } = await run(...given);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const table = journeyTable({ name: "chats", schema: "app" });
    expect(stdout.trimEnd().split("\n--> statement-breakpoint\n")).toEqual(tableSql(table, options));
    for (const name of names) expect(stdout).toContain(name);
    expect(stdout.replaceAll("'journey_db'", "")).not.toContain("journey_");
  });

  test("refuses other names of optional migrations", async () => {
    expect(await run("--with", "others")).toMatchObject({ status: 2, stdout: "" });
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

test.each([
  ["message rows", WITH, { messages: messagesTable(journeySessions) }],
  ["durable replies", REPLIES, replyTables(journeySessions)],
  ["both", BOTH, { messages: messagesTable(journeySessions), ...replyTables(journeySessions) }],
])(
  "with %s, drizzle-kit and it create what the migrations create, and it can run again",
  async (_, options, tables) => {
    const migratedOne = await prepared();
    await migrate(migratedOne.db, options);
    const { sql: raw, db } = await prepared("create schema drizzle");
    for (const statement of await generated({ journeySessions, ...tables })) await raw.unsafe(statement);
    for (let times = 0; times < 2; times++)
      for (const statement of tableSql(journeySessions, options)) await db.execute(sql.raw(statement));
    const withoutJournals = (catalogue: Record<string, unknown[]>) =>
      Object.entries(catalogue).map(([part, rows]) => [
        part,
        rows.filter((row) => !JSON.stringify(row).includes("__journey_db_")),
      ]);
    expect(withoutJournals(await catalogueOf(raw))).toEqual(
      withoutJournals(await catalogueOf(migratedOne.sql)),
    );
  },
);

test.each([
  ["the default table", journeySessions, "journey"],
  ["a table in a schema", journeyTable({ name: "chats", schema: "app" }), "chats"],
])(
  "a file that exports only the messages, or only the replies, of %s makes drizzle-kit create them alone",
  async (_, table, name) => {
    const createdBy = async (schema: Record<string, unknown>) => {
      const statements = await generated(schema);
      const created = statements.flatMap((one) => /^CREATE TABLE (?:"\w+"\.)?"(\w+)"/.exec(one)?.[1] ?? []);
      expect(statements.filter((one) => one.includes("FOREIGN KEY"))).toHaveLength(created.length);
      return created.toSorted();
    };
    expect(await createdBy({ messages: messagesTable(table) })).toEqual([`${name}_messages`]);
    expect(await createdBy({ ...replyTables(table) })).toEqual([`${name}_replies`, `${name}_reply_chunks`]);
  },
);

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
  const rights = async () => [
    ...(await raw`select grantee::text, string_agg(distinct privilege_type, ',' order by privilege_type) as rights, count(*)::int from information_schema.role_table_grants
    where grantee in ('anon', 'authenticated', 'service_role') group by 1`),
  ];
  const ofServiceRole = { grantee: "service_role", rights: "DELETE,INSERT,SELECT,UPDATE" };
  expect(await rights()).toEqual([{ ...ofServiceRole, count: 12 }]);
  const db = openPostgresJs(urlAs("owner"));
  const [first, second, odd] = tables as JourneyTable[] as [JourneyTable, JourneyTable, JourneyTable];
  expect(await verify(db, { table: first })).toEqual([]);
  expect(await verify(db, { table: second })).toEqual([]);
  for (const { sql: statement } of problems(await verify(db, { table: odd })))
    await raw.unsafe(statement ?? "");
  expect(problems(await verify(db, { table: odd }))).toEqual([]);

  for (const table of tables.slice(0, 2))
    for (const statement of await generated({ messages: messagesTable(table), ...replyTables(table) }))
      await raw.unsafe(statement);
  for (const end of ["messages", "replies", "reply_chunks"])
    await raw.unsafe(`create table app."It's %I ""$$""_${end}" (like app.chats_${end} including all)`);
  for (const table of tables) for (const statement of tableSql(table, BOTH)) await raw.unsafe(statement);
  expect(await rights()).toEqual([{ ...ofServiceRole, count: 48 }]);
  const executable =
    await raw`select proname from pg_proc, unnest(array['anon', 'authenticated', 'service_role']) as role
    where prorettype = 'trigger'::regtype and has_function_privilege(role, pg_proc.oid, 'execute')
      and pronamespace in ('public'::regnamespace, 'app'::regnamespace)`;
  expect([...executable]).toEqual([]);
  expect(await verify(db, { table: first })).toEqual([]);
  expect(await verify(db, { table: second })).toEqual([]);
  for (const { sql: statement } of problems(await verify(db, { table: odd })))
    await raw.unsafe(statement ?? "");
  expect(problems(await verify(db, { table: odd }))).toEqual([]);
});

import { describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { type Finding, verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { emptyDatabase, migratedDatabase, onServer, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { makeOldTable } from "../support/old-table.js";
import { newRole } from "../support/roles.js";

const codesOf = (findings: Finding[]) => findings.map(({ severity, code }) => `${severity} ${code}`);

const found = async (db: Database) => codesOf(await verify(db));

test("an empty database lacks the migrations and the table", async () => {
  const db = openPostgresJs(await emptyDatabase());
  expect(await found(db)).toEqual(["error migrations_pending", "error table_missing"]);
});

test("a table that is gone though the journal says it was made is to be made again", async () => {
  const url = await migratedDatabase();
  await rawClient(url)`drop table journey_sessions`;
  expect(await verify(openPostgresJs(url))).toEqual([
    {
      severity: "error",
      code: "table_missing",
      message: "There is no table journey_sessions.",
      remedy: "delete from drizzle.__journey_db_migrations, then run journey-db migrate",
      sql: "delete from drizzle.__journey_db_migrations",
    },
  ]);
});

test.each([
  [
    "the first migrations",
    "delete from drizzle.__journey_db_migrations where id > 4; drop table journey_sessions",
  ],
  [
    "all migrations, and a view in the table's place",
    "drop table journey_sessions; create view journey_sessions as select 1 as id",
  ],
  [
    "the first migrations, and a view in the table's place",
    "delete from drizzle.__journey_db_migrations where id > 4; drop table journey_sessions; create view journey_sessions as select 1 as id",
  ],
  ["a row without a date", "update drizzle.__journey_db_migrations set created_at = null where id = 5"],
  [
    "a row without a date beside all others",
    "insert into drizzle.__journey_db_migrations (hash) values ('')",
  ],
])("a journal with %s is put right by the remedies in their order", async (_, made) => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql.unsafe(made);
  const db = openPostgresJs(url);
  const findings = await verify(db);
  expect(findings.map(({ code }) => code)).not.toContain("journal_ahead");
  expect(findings.length).toBeGreaterThan(0);
  for (const finding of findings) {
    await sql.unsafe(finding.sql ?? "");
    if (finding.remedy.endsWith("run journey-db migrate")) await migrate(db);
  }
  expect(await verify(db)).toEqual([]);
});

test("a row of the journal without a date is no newer version's", async () => {
  const url = await migratedDatabase();
  await rawClient(url).unsafe("insert into drizzle.__journey_db_migrations (hash) values (''), ('')");
  expect(await found(openPostgresJs(url))).toEqual(["error journal_damaged"]);
});

test("a partitioned table is not supported, and is said not to be", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await sql.unsafe(
    "create table journey_sessions (id uuid default gen_random_uuid(), user_id text not null, phase text, messages jsonb, metadata jsonb, created_at timestamptz, updated_at timestamptz, primary key (id)) partition by hash (id); create table part partition of journey_sessions for values with (modulus 1, remainder 0)",
  );
  const db = openPostgresJs(url);
  expect(await errorOf(migrate(db))).toMatchObject({
    code: "migration",
    message: expect.stringContaining("partitioned tables are not supported"),
  });
  const [finding, ...more] = await verify(db);
  expect(finding).toMatchObject({ code: "not_a_table", message: expect.stringContaining("partitioned") });
  expect(finding).not.toHaveProperty("sql");
  expect(codesOf(more)).toEqual(["error migrations_pending"]);
});

test("a table that was made by hand is told all that it lacks, and that migrating mends it", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await makeOldTable(sql);
  await sql`insert into journey_sessions (user_id, phase, messages, metadata) values
    ('', 'setup', '"secret"', '{}'), ('user_a', null, 'null', '"secret"'), ('user_b', null, null, null)`;
  const db = openPostgresJs(url);
  const findings = await verify(db);
  expect(codesOf(findings)).toEqual([
    "error migrations_pending",
    ...Array(5).fill("error column_nullable"),
    ...Array(3).fill("error check_missing"),
    "error index_missing",
    "error function_different",
    "error updated_at_unchanged",
    "warning function_search_path",
    ...Array(2).fill("warning storage"),
    "warning rls_disabled",
    "warning function_rights",
    ...Array(3).fill("warning rows_forbidden"),
    ...Array(3).fill("warning null_values"),
  ]);
  const counts = findings.filter(({ code }) => /rows_forbidden|null_values/.test(code));
  expect(counts.map(({ message }) => message.split(":")[0])).toEqual([
    "1 row has an empty user_id",
    "2 rows have messages that are no array",
    "1 row has metadata that is no object",
    "2 rows have NULL in phase.",
    "1 row has NULL in messages.",
    "1 row has NULL in metadata.",
  ]);
  expect(JSON.stringify(findings)).not.toContain("secret");
  await migrate(db);
  expect(new Set(await found(db))).toEqual(
    new Set(["warning check_not_validated", "warning rows_forbidden"]),
  );
});

test("a view of the table's name, and a table in a schema that the role does not see", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await sql`create view journey_sessions as select 1 as id`;
  expect(await found(openPostgresJs(url))).toEqual(["error not_a_table", "error migrations_pending"]);
  await sql.unsafe(
    "drop view journey_sessions; create schema chat; create table chat.journey_sessions (id uuid)",
  );
  const [, missing] = await verify(openPostgresJs(url));
  expect(missing).toMatchObject({
    code: "table_missing",
    message: expect.stringContaining("in schema chat"),
    remedy: expect.stringMatching(/search_path, or run journey-db migrate$/),
  });
});

test("a table with nothing of what it should have is a list of findings", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await sql`create table journey_sessions (user_id integer, messages text, "Odd name" text)`;
  const codes = new Set(await found(openPostgresJs(url)));
  for (const code of ["column_missing", "column_type", "primary_key", "index_missing", "trigger_missing"]) {
    expect(codes).toContain(`error ${code}`);
  }
  await sql`drop table journey_sessions`;
  await sql`create table journey_sessions ()`;
  expect(await found(openPostgresJs(url))).toContain("error insert_failed");
});

describe("the connected role", () => {
  test("that has rights but neither owns the table nor bypasses row level security reads no rows", async () => {
    const { role, as } = await newRole();
    const url = await migratedDatabase();
    await rawClient(url).unsafe(`grant select, insert, update, delete on journey_sessions to ${role};
      grant usage on schema drizzle to ${role}; grant select on all tables in schema drizzle to ${role}`);
    expect(await found(openPostgresJs(as(url)))).toEqual(["error rls_active"]);
    await onServer(`alter role ${role} bypassrls`);
    expect(await found(openPostgresJs(as(url)))).toEqual([]);
  });

  test("that may not read the journal is told that it cannot be checked", async () => {
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const url = await migratedDatabase();
    const sql = rawClient(url);
    await sql.unsafe(`grant select, insert, update, delete on journey_sessions to ${role}`);
    expect(await found(openPostgresJs(as(url)))).toEqual(["warning unchecked"]);
    await sql.unsafe(`grant usage on schema drizzle to ${role}`);
    expect(await verify(openPostgresJs(as(url)))).toMatchObject([
      { code: "unchecked", message: expect.stringMatching(/journal .* SQLSTATE 42501/) },
    ]);
  });

  test("that may not connect to the database is told so", async () => {
    const { as } = await newRole();
    const url = await migratedDatabase();
    await onServer(`revoke connect on database ${new URL(url).pathname.slice(1)} from public`);
    await expect(verify(openPostgresJs(as(url)))).rejects.toMatchObject({
      code: "configuration",
      sqlState: "42501",
      message: expect.stringContaining("may not connect"),
    });
  });

  test("that lacks rights is told which, and that the table has to be on its search_path", async () => {
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const url = await emptyDatabase();
    const sql = rawClient(url);
    await makeOldTable(sql);
    await sql.unsafe(`grant select, update on journey_sessions to ${role}`);
    const rights = (await verify(openPostgresJs(as(url)))).find(({ code }) => code === "role_rights");
    expect(await found(openPostgresJs(as(url)))).not.toContain("error insert_failed");
    expect(rights).toMatchObject({
      message: expect.stringContaining("lacks INSERT, DELETE"),
      remedy: `grant insert, delete on table journey_sessions to ${role}`,
    });
    await sql.unsafe(`revoke select on journey_sessions from ${role}`);
    expect(await found(openPostgresJs(as(url)))).toContain("warning unchecked");
    await sql`revoke usage on schema public from public`;
    expect(await found(openPostgresJs(as(url)))).toEqual(["error migrations_pending", "error table_missing"]);
  });
});

test("a read-only server is explained, and the rest is checked", async () => {
  const url = await migratedDatabase();
  await rawClient(url)`alter table journey_sessions disable row level security`;
  const db = openPostgresJs(url, { connection: { default_transaction_read_only: true } });
  expect(await found(db)).toEqual(["error read_only", "warning rls_disabled"]);
});

test("an encoding that has not every language is an error", async () => {
  const url = await emptyDatabase();
  const name = new URL(url).pathname.slice(1);
  await onServer(`drop database ${name}`);
  await onServer(`create database ${name} template template0 encoding 'LATIN1' locale 'C'`);
  const db = openPostgresJs(url);
  await migrate(db);
  expect(await found(db)).toEqual(["error encoding"]);
});

test("a journal that lacks its dates is damaged, and can be made again", async () => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql`alter table drizzle."__journey_db_migrations" drop created_at`;
  const db = openPostgresJs(url);
  const [finding] = await verify(db);
  expect(finding).toMatchObject({
    severity: "error",
    code: "journal_damaged",
    remedy:
      "alter table drizzle.__journey_db_migrations rename to old_migrations, then run journey-db migrate",
  });
  await sql.unsafe(finding?.remedy.replace(/, then .*/, "") ?? "");
  await migrate(db);
  expect(await verify(db)).toEqual([]);
});

test("migrations of a later version are a warning, and no remedy takes them back", async () => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql`insert into drizzle."__journey_db_migrations" (hash, created_at) values ('x', 9999999999999)`;
  await sql`drop index idx_journey_sessions_user_id`;
  const findings = await verify(openPostgresJs(url));
  expect(codesOf(findings)).toEqual(["error index_missing", "warning journal_ahead"]);
  expect(JSON.stringify(findings)).not.toMatch(/delete from|run journey-db migrate/);
  expect(findings[0]?.remedy).toContain("update the package first");
});

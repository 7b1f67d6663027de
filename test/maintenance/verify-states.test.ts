import { describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { codesOf, follow, migrated, prepared, verified } from "../support/changes.js";
import { emptyDatabase, migratedDatabase, onServer, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { OLD_TABLE } from "../support/old-table.js";
import { newRole } from "../support/roles.js";

test("an empty database lacks the migrations and the table", async () => {
  const db = openPostgresJs(await emptyDatabase());
  expect(await verified(db)).toEqual(["error migrations_pending", "error table_missing"]);
});

test("a missing table is created again if the journal lists it as created", async () => {
  const { sql, db } = await migrated();
  await sql`drop table journey_sessions`;
  expect(await verify(db)).toEqual([
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
])("the remedies, in their order, repair a journal with %s", async (_, made) => {
  const opened = await migrated();
  const { sql, db } = opened;
  await sql.unsafe(made);
  const findings = await verify(db);
  expect(findings.map(({ code }) => code)).not.toContain("journal_ahead");
  expect(findings.length).toBeGreaterThan(0);
  await follow(findings, opened);
  expect(await verify(db)).toEqual([]);
});

test("a row of the journal without a date does not count as a newer version's", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe("insert into drizzle.__journey_db_migrations (hash) values (''), ('')");
  expect(await verified(db)).toEqual(["error journal_damaged"]);
});

test("a partitioned table is reported as not supported", async () => {
  const { db } = await prepared(
    "create table journey_sessions (id uuid default gen_random_uuid(), user_id text not null, phase text, messages jsonb, metadata jsonb, created_at timestamptz, updated_at timestamptz, primary key (id)) partition by hash (id); create table part partition of journey_sessions for values with (modulus 1, remainder 0)",
  );
  expect(await errorOf(migrate(db))).toMatchObject({
    code: "migration",
    message: expect.stringContaining("partitioned tables are not supported"),
  });
  const [finding, ...more] = await verify(db);
  expect(finding).toMatchObject({ code: "not_a_table", message: expect.stringContaining("partitioned") });
  expect(finding).not.toHaveProperty("sql");
  expect(codesOf(more)).toEqual(["error migrations_pending"]);
});

test("everything that a table made by hand lacks is reported, and migrate repairs it", async () => {
  const { sql, db } = await prepared(OLD_TABLE);
  await sql`insert into journey_sessions (user_id, phase, messages, metadata) values
    ('', 'setup', '"secret"', '{}'), ('user_a', null, 'null', '"secret"'), ('user_b', null, null, null)`;
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
    "2 rows have a messages value that is not a JSON array",
    "1 row has a metadata value that is not a JSON object",
    "2 rows have NULL in phase.",
    "1 row has NULL in messages.",
    "1 row has NULL in metadata.",
  ]);
  expect(JSON.stringify(findings)).not.toContain("secret");
  await migrate(db);
  expect(new Set(await verified(db))).toEqual(
    new Set(["warning check_not_validated", "warning rows_forbidden"]),
  );
});

test("a view of the table's name, and a table in a schema that is not on the search_path", async () => {
  const { url, sql } = await prepared();
  await sql`create view journey_sessions as select 1 as id`;
  expect(await verified(openPostgresJs(url))).toEqual(["error not_a_table", "error migrations_pending"]);
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
  const codes = new Set(await verified(openPostgresJs(url)));
  for (const code of ["column_missing", "column_type", "primary_key", "index_missing", "trigger_missing"]) {
    expect(codes).toContain(`error ${code}`);
  }
  await sql`drop table journey_sessions`;
  await sql`create table journey_sessions ()`;
  expect(await verified(openPostgresJs(url))).toContain("error insert_failed");
});

describe("the connected role", () => {
  test("that has rights but neither owns the table nor bypasses row level security reads no rows", async () => {
    const { role, as } = await newRole();
    const url = await migratedDatabase();
    await rawClient(url).unsafe(`grant select, insert, update, delete on journey_sessions to ${role};
      grant usage on schema drizzle to ${role}; grant select on all tables in schema drizzle to ${role}`);
    expect(await verified(openPostgresJs(as(url)))).toEqual(["error rls_active"]);
    await onServer(`alter role ${role} bypassrls`);
    expect(await verified(openPostgresJs(as(url)))).toEqual([]);
  });

  test("that may not read the journal is told that the journal cannot be checked", async () => {
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const url = await migratedDatabase();
    const sql = rawClient(url);
    await sql.unsafe(`grant select, insert, update, delete on journey_sessions to ${role}`);
    expect(await verified(openPostgresJs(as(url)))).toEqual(["warning unchecked"]);
    await sql.unsafe(`grant usage on schema drizzle to ${role}`);
    expect(await verify(openPostgresJs(as(url)))).toMatchObject([
      { code: "unchecked", message: expect.stringMatching(/journal .* SQLSTATE 42501/) },
    ]);
  });

  test("that may not connect to the database gets an error that says so", async () => {
    const { as } = await newRole();
    const url = await migratedDatabase();
    await onServer(`revoke connect on database ${new URL(url).pathname.slice(1)} from public`);
    await expect(verify(openPostgresJs(as(url)))).rejects.toMatchObject({
      code: "configuration",
      sqlState: "42501",
      message: expect.stringContaining("may not connect"),
    });
  });

  test("that lacks privileges is told which, and that the table must be on its search_path", async () => {
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const { url, sql } = await prepared(OLD_TABLE);
    await sql.unsafe(`grant select, update on journey_sessions to ${role}`);
    const rights = (await verify(openPostgresJs(as(url)))).find(({ code }) => code === "role_rights");
    expect(await verified(openPostgresJs(as(url)))).not.toContain("error insert_failed");
    expect(rights).toMatchObject({
      message: expect.stringContaining("lacks INSERT, DELETE"),
      remedy: `grant insert, delete on table journey_sessions to ${role}`,
    });
    await sql.unsafe(`revoke select on journey_sessions from ${role}`);
    expect(await verified(openPostgresJs(as(url)))).toContain("warning unchecked");
    await sql`revoke usage on schema public from public`;
    expect(await verified(openPostgresJs(as(url)))).toEqual([
      "error migrations_pending",
      "error table_missing",
    ]);
  });
});

test("a read-only server is explained, and the rest is checked", async () => {
  const { url, sql } = await migrated();
  await sql`alter table journey_sessions disable row level security`;
  const db = openPostgresJs(url, { connection: { default_transaction_read_only: true } });
  expect(await verified(db)).toEqual(["error read_only", "warning rls_disabled"]);
});

test("an encoding other than UTF8 is an error", async () => {
  const url = await emptyDatabase();
  const name = new URL(url).pathname.slice(1);
  await onServer(`drop database ${name}`);
  await onServer(`create database ${name} template template0 encoding 'LATIN1' locale 'C'`);
  const db = openPostgresJs(url);
  await migrate(db);
  expect(await verified(db)).toEqual(["error encoding"]);
});

test("a journal that lacks its dates is damaged, and can be created again", async () => {
  const opened = await migrated();
  const { sql, db } = opened;
  await sql`alter table drizzle."__journey_db_migrations" drop created_at`;
  const [finding, ...more] = await verify(db);
  expect(more).toEqual([]);
  expect(finding).toMatchObject({
    severity: "error",
    code: "journal_damaged",
    remedy:
      "alter table drizzle.__journey_db_migrations rename to old_migrations, then run journey-db migrate",
  });
  await follow(await verify(db), opened);
  expect(await verify(db)).toEqual([]);
});

test("migrations of a later version are a warning, and no remedy removes them", async () => {
  const { sql, db } = await migrated();
  await sql`insert into drizzle."__journey_db_migrations" (hash, created_at) values ('x', 9999999999999)`;
  await sql`drop index idx_journey_sessions_user_id`;
  const findings = await verify(db);
  expect(codesOf(findings)).toEqual(["error index_missing", "warning journal_ahead"]);
  expect(JSON.stringify(findings)).not.toMatch(/delete from|run journey-db migrate/);
  expect(findings[0]?.remedy).toContain("update the package first");
});

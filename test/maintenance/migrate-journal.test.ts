import { pgSchema } from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { journeyTable } from "../../src/schema.js";
import { migrated, prepared } from "../support/changes.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";
import { errorOf } from "../support/errors.js";
import { OLD_TABLE } from "../support/old-table.js";

test.each([
  ["was dropped", "drop table journey_sessions"],
  [
    "is in a schema that is not on the search_path",
    "create schema chat; alter table journey_sessions set schema chat",
  ],
])("migrate fails if the journal lists the table as created, but it %s", async (_, change) => {
  const { sql, db } = await migrated();
  await sql.unsafe(change);
  expect(await errorOf(migrate(db))).toMatchObject({
    code: "migration",
    retryable: false,
    message: expect.stringContaining("journey-db verify"),
  });
});

test("a table behind another schema of the search_path is not hidden by an empty one", async () => {
  const { url, sql } = await prepared(OLD_TABLE);
  await sql`insert into journey_sessions (user_id) values ('user_a')`;
  await sql`create schema "My app"`;
  const through = (search_path: string) => openPostgresJs(url, { connection: { search_path } });
  const hiding = through('"My app", public');
  for (const call of [migrate, pendingMigrations]) {
    expect(await errorOf(call(hiding))).toMatchObject({
      code: "migration",
      retryable: false,
      message: expect.stringMatching(
        /in schema public, .* schema "My app" comes before it .* nothing was applied\. .*\?search_path=public /,
      ),
    });
  }
  expect(await sql`select from pg_class where relnamespace = '"My app"'::regnamespace`).toHaveLength(0);
  expect(await sql`select from pg_namespace where nspname = 'drizzle'`).toHaveLength(0);
  await migrate(through('public, "My app"'));
  // An adopted table stays in use if a schema is put before it later.
  expect(await migrate(hiding)).toEqual({ applied: [] });
});

test("a table of the application with the same name, in its own schema, is no obstacle", async () => {
  const app = pgSchema("app");
  const table = journeyTable({ name: "journey_sessions", schema: "app" });
  const { url, sql } = await prepared();
  for (const statement of [...(await generated({ app, table })), ...tableSql(table)])
    await sql.unsafe(statement);
  await sql`insert into app.journey_sessions (user_id) values ('user_a')`;
  const db = openPostgresJs(url, { connection: { search_path: "public, app" } });
  const before = openPostgresJs(url);
  expect((await verify(before)).find(({ code }) => code === "table_missing")).toMatchObject({
    message: "There is no table journey_sessions.",
    remedy: "run journey-db migrate",
  });
  expect((await migrate(db)).applied).toHaveLength(shippedMigrations().length);
  expect(await verify(db)).toMatchObject([{ severity: "note", code: "table_elsewhere" }]);
  expect(await verify(db, { table })).toEqual([]);
  expect([...(await sql`select from public.journey_sessions`)]).toHaveLength(0);
});

test("pendingMigrations fails if the table is missing, but its first migrations are applied", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe("delete from drizzle.__journey_db_migrations where id > 4; drop table journey_sessions");
  expect(await errorOf(pendingMigrations(db))).toMatchObject({
    code: "migration",
    message: expect.stringContaining("Run journey-db verify"),
  });
});

test("the error for a journal without dates says that it is damaged, and what to do", async () => {
  const { sql, db } = await migrated();
  await sql`alter table drizzle."__journey_db_migrations" drop created_at`;
  const { message, code } = await errorOf(migrate(db));
  expect(code).toBe("migration");
  expect(message).toMatch(/drizzle\.__journey_db_migrations is damaged.*rename it/);
});

test("the error names the journal if that does not accept an entry", async () => {
  const { db } = await prepared(
    'create schema drizzle; create table drizzle."__journey_db_migrations" (id serial, created_at bigint)',
  );
  expect(await errorOf(migrate(db))).toMatchObject({
    code: "migration",
    message: expect.stringMatching(
      /^The journal drizzle\.__journey_db_migrations failed with SQLSTATE 42703/,
    ),
  });
});

test("an update of many rows has no time limit, and a lock has one, also in the script of --dry-run", async () => {
  for (const scripted of [false, true]) {
    const { url } = await prepared(OLD_TABLE);
    const sql = rawClient(url, { connection: { statement_timeout: 30_000 } });
    await sql`insert into journey_sessions (user_id, phase) values ('user_a', null)`;
    await sql.unsafe(`create function tell() returns trigger language plpgsql as $$ begin
        new.metadata := jsonb_build_array(current_setting('statement_timeout'), current_setting('lock_timeout'));
        return new; end $$;
      create trigger tell before update on journey_sessions for each row execute function tell()`);
    if (scripted) await sql.unsafe(toScript(shippedMigrations()));
    else await migrate(openPostgresJs(url, { connection: { statement_timeout: 30_000 } }));
    const [row] = await sql`select metadata #>> '{}' as told from journey_sessions`;
    expect(row).toEqual({ told: scripted ? '["30s", "10s"]' : '["0", "10s"]' });
  }
});

test("the migrations ignore only the errors that they expect", async () => {
  const { sql } = await migrated();
  const statementOf = (name: string) =>
    shippedMigrations().find((one) => one.name === name)?.statements[0] ?? "";
  await sql`alter table journey_sessions drop messages`;
  await expect(sql.unsafe(statementOf("0003_validate_checks"))).rejects.toMatchObject({ code: "42704" });
  await expect(sql.unsafe(statementOf("0006_messages_compression"))).rejects.toMatchObject({ code: "42703" });
});

import { expect, test } from "vitest";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { emptyDatabase, migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { makeOldTable } from "../support/old-table.js";

test.each(["dropped", "in a schema that the role's search_path does not lead to"])(
  "a table that the journal vouches for and that is %s is not called applied",
  async (where) => {
    const url = await migratedDatabase();
    await rawClient(url).unsafe(
      where === "dropped"
        ? "drop table journey_sessions"
        : "create schema chat; alter table journey_sessions set schema chat",
    );
    expect(await errorOf(migrate(openPostgresJs(url)))).toMatchObject({
      name: "JourneyDbError",
      code: "migration",
      retryable: false,
      message: expect.stringContaining("journey-db verify"),
    });
  },
);

test("a table behind another schema of the search_path is not hidden by an empty one", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await makeOldTable(sql);
  await sql`insert into journey_sessions (user_id) values ('user_a')`;
  await sql`create schema "My app"`;
  const through = (search_path: string) => openPostgresJs(url, { connection: { search_path } });
  const hiding = through('"My app", public');
  for (const call of [migrate, pendingMigrations]) {
    expect(await errorOf(call(hiding))).toMatchObject({
      code: "migration",
      retryable: false,
      message: expect.stringMatching(
        /in schema public, .* schema "My app" before it, .* nothing was applied\. .*\?search_path=public /,
      ),
    });
  }
  expect(await sql`select from pg_class where relnamespace = '"My app"'::regnamespace`).toHaveLength(0);
  expect(await sql`select from pg_namespace where nspname = 'drizzle'`).toHaveLength(0);
  await migrate(through('public, "My app"'));
  // What was adopted goes on where a schema is put before it later.
  expect(await migrate(hiding)).toEqual({ applied: [] });
});

test("no script is made for a table that is gone though its first migrations were applied", async () => {
  const url = await migratedDatabase();
  await rawClient(url).unsafe(
    "delete from drizzle.__journey_db_migrations where id > 4; drop table journey_sessions",
  );
  expect(await errorOf(pendingMigrations(openPostgresJs(url)))).toMatchObject({
    code: "migration",
    message: expect.stringContaining("Run journey-db verify"),
  });
});

test("a journal without dates is called damaged, with what to do", async () => {
  const url = await migratedDatabase();
  await rawClient(url)`alter table drizzle."__journey_db_migrations" drop created_at`;
  const { message, code } = await errorOf(migrate(openPostgresJs(url)));
  expect(code).toBe("migration");
  expect(message).toMatch(/drizzle\.__journey_db_migrations is damaged.*rename it/);
});

test("a journal that takes no entry is what is said to be in the way", async () => {
  const url = await emptyDatabase();
  await rawClient(url)`create schema drizzle`;
  await rawClient(url)`create table drizzle."__journey_db_migrations" (id serial, created_at bigint)`;
  expect(await errorOf(migrate(openPostgresJs(url)))).toMatchObject({
    code: "migration",
    message: expect.stringMatching(
      /^The journal drizzle\.__journey_db_migrations failed with SQLSTATE 42703/,
    ),
  });
});

test("an update of many rows has no time limit, and a lock has one, also in the script of --dry-run", async () => {
  for (const scripted of [false, true]) {
    const url = await emptyDatabase();
    const sql = rawClient(url, { connection: { statement_timeout: 30_000 } });
    await makeOldTable(sql);
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

test("what a block of SQL expects to fail is all that it forgives", async () => {
  const sql = rawClient(await migratedDatabase());
  const statementOf = (name: string) =>
    shippedMigrations().find((one) => one.name === name)?.statements[0] ?? "";
  await sql`alter table journey_sessions drop messages`;
  await expect(sql.unsafe(statementOf("0003_validate_checks"))).rejects.toMatchObject({ code: "42704" });
  await expect(sql.unsafe(statementOf("0006_messages_compression"))).rejects.toMatchObject({ code: "42703" });
});

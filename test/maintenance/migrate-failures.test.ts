import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzleProxy } from "drizzle-orm/pg-proxy";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import type { Sql } from "postgres";
import { describe, expect, test } from "vitest";
import {
  MIGRATION_LOCK,
  migrate,
  pendingMigrations,
  shippedMigrations,
  toScript,
} from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { catalogueOf, journalOf } from "../support/catalogue.js";
import { migrated, prepared } from "../support/changes.js";
import { journeyDb, temporaryFolder } from "../support/cli.js";
import { atEnd, openNodePostgres, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { OLD_TABLE } from "../support/old-table.js";
import { newRole } from "../support/roles.js";

/** Waits until this number of sessions of the database wait for a lock. */
async function untilWaiting(sql: Sql, sessions: number): Promise<void> {
  for (;;) {
    const [row] = await sql`select count(*)::int as waiting from pg_locks
      where not granted and database = (select oid from pg_database where datname = current_database())`;
    if (row?.waiting === sessions) return;
  }
}

test("four processes at once apply each migration once, and all succeed", async () => {
  const { url, sql } = await prepared();
  const folder = await temporaryFolder();
  const { processes } = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    const processes = [1, 2, 3, 4].map(() => journeyDb(folder, {}, "migrate", "--url", url));
    await untilWaiting(sql, 4);
    return { processes };
  });
  const ended = await Promise.all(processes);
  const applied = shippedMigrations().map(({ name }) => `applied ${name}\n`);
  expect(ended.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  expect(ended.map(({ stdout }) => stdout).sort()).toEqual(
    [applied.join(""), ...Array(3).fill("Nothing to apply.\n")].sort(),
  );
  expect(await journalOf(sql)).toHaveLength(applied.length);
});

test("a process that waited sees what the other applied, whatever the default isolation level", async () => {
  const { url, sql } = await prepared();
  const db = openPostgresJs(url, { connection: { default_transaction_isolation: "repeatable read" } });
  const { late } = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    const late = migrate(db);
    await untilWaiting(sql, 1);
    await tx.unsafe(toScript(shippedMigrations()));
    return { late };
  });
  expect(await late).toEqual({ applied: [] });
});

describe("a migration that fails", () => {
  const OBSTACLES: Record<string, [obstacle: string, file: string, sqlState: string, remedy: string]> = {
    "a view has the table's name": [
      "create view journey_sessions as select 1 as user_id",
      "0000_journey_sessions",
      "42809",
      "rename it",
    ],
    "the table lacks a column": [
      `${OLD_TABLE}; alter table journey_sessions drop metadata`,
      "0001_adopt_existing_rows",
      "42703",
      "lacks a column",
    ],
    "a row has no user_id": [
      `${OLD_TABLE}; alter table journey_sessions alter user_id drop not null; insert into journey_sessions default values`,
      "0002_constraints_rls_and_list_index",
      "23502",
      "a row has NULL in a required column",
    ],
    "a trigger refuses the update": [
      `${OLD_TABLE}; insert into journey_sessions (user_id, phase) values ('user_a', null);
        create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
        create trigger refuse before update on journey_sessions for each row execute function refuse()`,
      "0001_adopt_existing_rows",
      "P0001",
      "a trigger .* disable the table's triggers",
    ],
    "another function has the name": [
      "create function update_journey_sessions_updated_at() returns int language sql as 'select 1'",
      "0004_updated_at_trigger",
      "42P13",
      "rename it",
    ],
    "id is an identity column": [
      "create table journey_sessions (id int generated always as identity, user_id text)",
      "0001_adopt_existing_rows",
      "42601",
      "journey-db verify",
    ],
    "phase is a number": [
      `${OLD_TABLE}; alter table journey_sessions alter phase drop default, alter phase type int using 0`,
      "0001_adopt_existing_rows",
      "22P02",
      "journey-db verify",
    ],
  };
  const fails = async (name: string, open: (url: string) => Database) => {
    const [obstacle, file, sqlState, remedy] = OBSTACLES[name] as (typeof OBSTACLES)[string];
    const { url, sql } = await prepared(obstacle);
    const before = await catalogueOf(sql);
    const error = await errorOf(migrate(open(url)));
    expect(error).toMatchObject({ code: "migration", sqlState, retryable: false });
    expect(error.message).toMatch(new RegExp(`^${file}\\.sql failed with SQLSTATE ${sqlState} .*${remedy}`));
    expect(await catalogueOf(sql)).toEqual(before);
  };

  test.each(Object.keys(OBSTACLES))(
    "names the file and the SQLSTATE, and leaves nothing behind: %s",
    (name) => fails(name, openPostgresJs),
  );

  test("does the same on node-postgres", () => fails("a row has no user_id", openNodePostgres));

  test("leaves nothing behind on PGlite either, where the script of --dry-run works without the obstacle", async () => {
    const client = new PGlite();
    atEnd(() => client.close());
    const db = drizzlePglite({ client });
    await client.exec("create view journey_sessions as select 1 as user_id");
    expect(await errorOf(migrate(db))).toMatchObject({ code: "migration", sqlState: "42809" });
    const { rows } = await client.query("select to_regnamespace('drizzle') as journal");
    expect(rows).toEqual([{ journal: null }]);
    await client.exec("drop view journey_sessions");
    await client.exec(toScript(await pendingMigrations(db)));
    expect(await migrate(db)).toEqual({ applied: [] });
    expect(await verify(db)).toEqual([]);
  });
});

test.each([false, true])(
  "a deferred trigger of the table does not stop the migrations, scripted: %s",
  async (scripted) => {
    const { sql, db } =
      await prepared(`${OLD_TABLE}; insert into journey_sessions (user_id, phase) values ('user_a', null);
    create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
    create constraint trigger later after update on journey_sessions deferrable initially deferred
      for each row execute function nothing()`);
    if (scripted) await sql.unsafe(toScript(shippedMigrations()));
    else await migrate(db);
    expect([...(await sql`select phase from journey_sessions`)]).toEqual([{ phase: "setup" }]);
  },
);

test("a table that stays locked is a retryable error", async () => {
  const { sql, db } = await prepared(OLD_TABLE);
  const before = await catalogueOf(sql);
  await sql.begin(async (reader) => {
    await reader`select from journey_sessions`;
    expect(await errorOf(migrate(db, { lockTimeoutMs: 50 }))).toMatchObject({
      code: "migration",
      sqlState: "55P03",
      retryable: true,
      message: expect.stringMatching(/^0001_adopt_existing_rows\.sql /),
    });
  });
  expect(await catalogueOf(sql)).toEqual(before);
  expect((await migrate(db)).applied).toHaveLength(shippedMigrations().length);
});

test("the error says that a role may not create, or does not own the table", async () => {
  const { role, as } = await newRole();
  const { url, sql } = await prepared();
  const refusal = { name: "JourneyDbError", code: "migration", sqlState: "42501", retryable: false };
  expect(await errorOf(migrate(openPostgresJs(as(url))))).toMatchObject({
    ...refusal,
    message: expect.stringMatching(/drizzle\.__journey_db_migrations.* CREATE on the database .*schema/),
  });
  await sql.unsafe(`${OLD_TABLE}; create schema drizzle authorization ${role}; grant create on schema public to ${role};
    do $$ begin execute format('grant create on database %I to ${role}', current_database()); end $$`);
  expect(await errorOf(migrate(openPostgresJs(as(url))))).toMatchObject({
    ...refusal,
    message: expect.stringMatching(/^0000_.*owner of the table/),
  });
});

test("a role that may not create schemas can call migrate if nothing is pending", async () => {
  const { role, as } = await newRole();
  const { url, sql } = await migrated();
  await sql.unsafe(
    `grant usage on schema drizzle to ${role}; grant select on all tables in schema drizzle to ${role}`,
  );
  expect(await migrate(openPostgresJs(as(url)))).toEqual({ applied: [] });
});

test("a transaction, a driver without transactions and an unusable option are refused", async () => {
  const { db } = await prepared();
  await db.transaction(async (tx) => {
    expect(await errorOf(migrate(tx))).toMatchObject({ code: "invalid_input" });
  });
  const proxied = drizzleProxy(async () => ({ rows: [] }));
  expect(await errorOf(migrate(proxied))).toMatchObject({ code: "configuration" });
  expect(await errorOf(migrate(undefined as never))).toMatchObject({ code: "invalid_input" });
  for (const lockTimeoutMs of [0, -1, 1.5, Number.NaN, "1; drop table journey_sessions"]) {
    expect(await errorOf(migrate(db, { lockTimeoutMs: lockTimeoutMs as number }))).toMatchObject({
      code: "invalid_input",
    });
  }
});

test("notices that something exists already do not reach a log", async () => {
  const { url } = await prepared(OLD_TABLE);
  const notices: string[] = [];
  await migrate(openPostgresJs(url, { onnotice: ({ message = "" }) => notices.push(message) }));
  expect(notices).toEqual([]);
});

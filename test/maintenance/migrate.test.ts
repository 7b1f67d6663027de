import { beforeAll, describe, expect, test } from "vitest";
import { migrate, shippedMigrations } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { catalogueOf, journalOf } from "../support/catalogue.js";
import { prepared } from "../support/changes.js";
import { onEveryDriver } from "../support/drivers.js";
import { OLD_TABLE, rowsOf } from "../support/old-table.js";

const NAMES = shippedMigrations().map(({ name }) => name);

/** A database after the SQL and migrate. */
async function adopted(...statements: string[]) {
  const opened = await prepared(...statements);
  await migrate(opened.db);
  return opened;
}

let fresh: Awaited<ReturnType<typeof catalogueOf>>;
beforeAll(async () => {
  fresh = await catalogueOf((await adopted()).sql);
});

onEveryDriver((database) => {
  test("applies nothing a second time, and verify finds nothing", async () => {
    expect(await migrate(database())).toEqual({ applied: [] });
    expect(await verify(database())).toEqual([]);
  });
});

test("returns the names of the files it applied", async () => {
  const { db } = await prepared();
  expect(await migrate(db)).toEqual({ applied: NAMES });
});

describe("a table that was made by hand", () => {
  const VARIATIONS: Record<string, string[]> = {
    "as the application's owner wrote it": [],
    "without its index, trigger and defaults, with all columns NOT NULL and row level security on": [
      "drop index idx_journey_sessions_user_id",
      "drop trigger journey_sessions_updated_at on journey_sessions",
      `alter table journey_sessions alter id drop default, alter phase drop default, alter messages drop default,
        alter metadata drop default, alter created_at drop default, alter updated_at drop default`,
      `alter table journey_sessions alter phase set not null, alter messages set not null,
        alter metadata set not null, alter created_at set not null, alter updated_at set not null`,
      "alter table journey_sessions enable row level security",
    ],
    "without trigger and function, with other defaults, user_id nullable and row level security forced": [
      "drop function update_journey_sessions_updated_at() cascade",
      `alter table journey_sessions alter phase set default 'chat', alter messages set default null,
        alter created_at set default current_timestamp`,
      "alter table journey_sessions alter user_id drop not null",
      "alter table journey_sessions force row level security",
    ],
    "with its trigger disabled, and privileges for every role": [
      "alter table journey_sessions disable trigger journey_sessions_updated_at",
      "grant all on journey_sessions to public",
      "grant select (messages), update (phase) on journey_sessions to public",
      "grant execute on function update_journey_sessions_updated_at() to public",
    ],
    "with another trigger of that name, and a function that runs as its owner": [
      "drop trigger journey_sessions_updated_at on journey_sessions",
      `create trigger journey_sessions_updated_at after insert on journey_sessions
        for each row execute function update_journey_sessions_updated_at()`,
      "alter function update_journey_sessions_updated_at() security definer set search_path = public",
    ],
  };

  test.each(Object.entries(VARIATIONS))("%s becomes the same as a new one", async (_, statements) => {
    const { sql } = await adopted(OLD_TABLE, ...statements);
    expect(await catalogueOf(sql)).toEqual(fresh);
  });

  test("keeps every value of its rows", async () => {
    const { sql, db } = await prepared(OLD_TABLE);
    await sql.unsafe(`insert into journey_sessions (user_id, phase, messages, metadata, created_at, updated_at)
      select 'user_' || n % 3, case when n % 2 = 0 then 'setup' else '' end,
        jsonb_build_array(jsonb_build_object('id', n, 'text', repeat('é ', n * n))), jsonb_build_object('n', n),
        '2024-02-29 23:59:59.123456+00'::timestamptz + n * interval '1 microsecond', '1999-12-31 00:00:00.000001+02'
      from generate_series(1, 60) n`);
    await sql`insert into journey_sessions (user_id, updated_at) values ('user_a', 'infinity'), ('user_b', '-infinity')`;
    const before = await rowsOf(sql);
    await migrate(db);
    expect(await rowsOf(sql)).toEqual(before);
    expect(await verify(db)).toEqual([]);
  });

  test("gets the defaults in place of NULLs, and no other value changes", async () => {
    const { sql } = await adopted(
      OLD_TABLE,
      `insert into journey_sessions (id, user_id, phase, messages, metadata, created_at, updated_at) values
        ('00000000-0000-0000-0000-000000000001', 'user_a', null, null, null, null, null),
        ('00000000-0000-0000-0000-000000000002', 'user_a', 'review', null, '{"a":1}', '2020-01-01', '2020-01-02')`,
    );
    const rows = await sql`select phase, messages::text, metadata::text,
      created_at > now() - interval '1 hour' as created_now, updated_at = created_at as same,
      updated_at = '2020-01-02' as kept from journey_sessions order by id`;
    expect([...rows]).toEqual([
      { phase: "setup", messages: "[]", metadata: "{}", created_now: true, same: true, kept: false },
      { phase: "review", messages: "[]", metadata: '{"a": 1}', created_now: false, same: false, kept: true },
    ]);
  });

  test("gets the default of a column where that alone is NULL", async () => {
    const columns = ["phase", "messages", "metadata", "created_at", "updated_at"];
    const { sql } = await adopted(
      OLD_TABLE,
      ...columns.map((column) => `insert into journey_sessions (user_id, ${column}) values ('user_a', null)`),
    );
    expect(await sql`select from journey_sessions`).toHaveLength(columns.length);
    expect(await sql`select from journey_sessions where not (journey_sessions is not null)`).toHaveLength(0);
  });

  test("keeps rows that break a check, which verify counts, and rejects new ones", async () => {
    const { sql, db } = await prepared(OLD_TABLE);
    await sql`insert into journey_sessions (user_id, messages, metadata) values
      ('user_a', '"[]"', '{}'), ('user_a', '{}', '{}'), ('user_b', '[]', '[]'), ('', '[]', '{}'), ('user_c', '[]', '{}')`;
    const before = await rowsOf(sql);
    await migrate(db);
    expect(await rowsOf(sql)).toEqual(before);
    const findings = await verify(db);
    expect(findings.filter(({ code }) => code === "rows_forbidden").map(({ message }) => message)).toEqual([
      expect.stringContaining("1 row has an empty user_id"),
      expect.stringContaining("1 row has a messages value that is not a JSON array"),
      expect.stringContaining("1 row has a metadata value that is not a JSON object"),
    ]);
    expect(findings.filter(({ code }) => code === "rows_encoded_twice")).toHaveLength(1);
    expect(findings.filter(({ code }) => code === "check_not_validated")).toHaveLength(3);
    for (const bad of ["('', '[]', '{}')", "('user_d', '{}', '{}')", "('user_d', '[]', '[]')"]) {
      const insert = sql.unsafe(`insert into journey_sessions (user_id, messages, metadata) values ${bad}`);
      await expect(insert).rejects.toMatchObject({ code: "23514" });
    }
  });

  test("gets the checks validated that its rows satisfy, but not the one that they break", async () => {
    const { sql } = await adopted(
      OLD_TABLE,
      "insert into journey_sessions (user_id, metadata) values ('user_a', '1')",
    );
    const checks = await sql`select conname, convalidated from pg_constraint
      where conrelid = 'journey_sessions'::regclass and contype = 'c' order by conname`;
    expect(checks.map(({ conname, convalidated }) => [conname, convalidated])).toEqual([
      ["journey_sessions_messages_is_array", true],
      ["journey_sessions_metadata_is_object", false],
      ["journey_sessions_user_id_not_empty", true],
    ]);
  });
});

test("the migrations of the trigger can be run again on their own", async () => {
  const { sql } = await adopted();
  const trigger = shippedMigrations().filter(({ name }) => name.includes("updated_at_trigger"));
  expect(trigger).toHaveLength(2);
  for (const statement of trigger.flatMap(({ statements }) => statements)) await sql.unsafe(statement);
  expect(await catalogueOf(sql)).toEqual(fresh);
});

test("a table that was restored without the journal is migrated again, with the same result", async () => {
  const { sql, db } = await adopted();
  await sql`insert into journey_sessions (user_id) values ('user_a')`;
  const before = await rowsOf(sql);
  await sql`drop schema drizzle cascade`;
  expect(await migrate(db)).toEqual({ applied: NAMES });
  expect(await catalogueOf(sql)).toEqual(fresh);
  expect(await rowsOf(sql)).toEqual(before);
  expect((await journalOf(sql)).length).toBe(NAMES.length);
});

test("a later migration of the application in Drizzle's own journal changes nothing", async () => {
  const { sql } = await adopted(
    "create schema drizzle",
    "create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)",
    "insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 9999999999999)",
  );
  expect((await catalogueOf(sql)).triggers).toEqual(fresh.triggers);
});

import { expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type Change, onEveryChange } from "../support/changes.js";
import { emptyDatabase, migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { makeOldTable } from "../support/old-table.js";

/** What would lose rows or show them to others, and what a remedy once failed to put right. */
const CHANGES: Record<string, Change> = {
  "a rule swallows deletes": {
    change: "create rule keep as on delete to journey_sessions do instead nothing",
    errors: ["rule_unexpected", "delete_failed"],
  },
  "another trigger swallows deletes": {
    change: `create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before delete on journey_sessions for each row execute function swallow()`,
    errors: ["delete_failed"],
    warnings: ["trigger_unexpected"],
  },
  "another trigger refuses deletes": {
    change: `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before delete on journey_sessions for each row execute function refuse()`,
    errors: ["delete_failed"],
    warnings: ["trigger_unexpected"],
  },
  "another trigger swallows new rows": {
    change: `create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before insert on journey_sessions for each row execute function swallow()`,
    errors: ["insert_failed"],
    warnings: ["trigger_unexpected"],
  },
  "a crash would empty the table": {
    change: "alter table journey_sessions set unlogged",
    errors: ["table_unlogged"],
  },
  "row level security is forced on the owner too": {
    change: "alter table journey_sessions force row level security",
    warnings: ["rls_forced"],
  },
  "everybody may read a view of the table": {
    change: "create view recent as select * from journey_sessions; grant select on recent to public",
    errors: ["view_rights"],
  },
  "everybody may change a view of a view of the table": {
    change: `create view recent as select * from journey_sessions;
      create view oldest as select * from recent; grant delete on oldest to public`,
    errors: ["view_rights"],
  },
  "everybody may read a materialized view of the table": {
    change: `create materialized view copied as select * from journey_sessions;
      grant select on copied to public`,
    errors: ["view_rights"],
  },
  "a view of the table is nobody else's": {
    change: "create view recent as select * from journey_sessions",
  },
  "everybody may read a view that runs with the caller's rights": {
    change: `create view own with (security_invoker) as select * from journey_sessions;
      grant select on own to public`,
  },
  "an index is unique": {
    change: `drop index idx_journey_sessions_user_id;
      create unique index idx_journey_sessions_user_id on journey_sessions (user_id)`,
    errors: ["index_different"],
  },
  "an index of another table has the name": {
    change: `drop index idx_journey_sessions_user_id; create table other (user_id text);
      create index idx_journey_sessions_user_id on other (user_id)`,
    errors: ["index_missing"],
  },
  "a view has an index's name": {
    change: `drop index idx_journey_sessions_user_id_created_at_id;
      create view idx_journey_sessions_user_id_created_at_id as select 1 as one`,
    errors: ["index_missing"],
  },
  "id is text": {
    change: `alter table journey_sessions alter id drop default, alter id type text,
      alter id set default gen_random_uuid()::text`,
    errors: ["column_type"],
  },
  "messages is an array of jsonb": {
    change: `alter table journey_sessions drop constraint journey_sessions_messages_is_array,
      alter messages drop default, alter messages type jsonb[] using array[messages], alter messages set default '{}'`,
    errors: ["column_type", "check_missing", "insert_failed"],
  },
  "created_at has no time zone": {
    change:
      "alter table journey_sessions alter created_at type timestamp using created_at at time zone 'UTC'",
    errors: ["column_type"],
  },
  "id may be NULL": {
    change: `alter table journey_sessions drop constraint journey_sessions_pkey, alter id drop not null`,
    errors: ["column_nullable", "primary_key"],
  },
  "id is missing": {
    change: "alter table journey_sessions drop id",
    errors: ["column_missing", "primary_key", "index_missing", "insert_failed"],
  },
  "user_id counts itself": {
    change: `drop index idx_journey_sessions_user_id_created_at_id, idx_journey_sessions_user_id;
      alter table journey_sessions drop user_id; alter table journey_sessions add user_id bigint generated always as identity`,
    errors: ["column_type", "check_missing", "index_missing", "index_missing", "insert_failed"],
  },
  "phase is generated": {
    change: `alter table journey_sessions drop phase;
      alter table journey_sessions add phase text not null generated always as ('setup') stored`,
    errors: ["column_default"],
  },
};

onEveryChange(CHANGES);

test("a time without a zone is taken for UTC, whatever the session's time zone", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await makeOldTable(sql);
  await sql.unsafe(`alter table journey_sessions alter created_at type timestamp, alter updated_at type date;
    insert into journey_sessions (user_id, created_at, updated_at) values ('user_a', '2020-01-01 12:00', '2020-01-02')`);
  const findings = await verify(openPostgresJs(url));
  const remedies = findings.filter(({ code }) => code === "column_type").map(({ remedy }) => remedy);
  expect(remedies).toHaveLength(2);
  const abroad = rawClient(url, { connection: { TimeZone: "Asia/Tokyo" } });
  for (const remedy of remedies) await abroad.unsafe(remedy.replace(/, or .*/, ""));
  const rows =
    await sql`select created_at = '2020-01-01 12:00Z' as created, updated_at = '2020-01-02Z' as updated
    from journey_sessions`;
  expect([...rows]).toEqual([{ created: true, updated: true }]);
  await migrate(openPostgresJs(url));
  expect(await verify(openPostgresJs(url))).toEqual([]);
});

test("the remedy of an id that may be NULL is enough by itself", async () => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql.unsafe(
    "alter table journey_sessions drop constraint journey_sessions_pkey, alter id drop not null",
  );
  const nullable = (await verify(openPostgresJs(url))).find(({ code }) => code === "column_nullable");
  await sql.unsafe(nullable?.remedy ?? "");
  expect((await verify(openPostgresJs(url))).map(({ code }) => code)).toEqual(["primary_key"]);
});

test("an index in another schema is not in the way of one of its name", async () => {
  const url = await migratedDatabase();
  await rawClient(url).unsafe(`drop index idx_journey_sessions_user_id; create schema other;
    create table other.other (user_id text); create index idx_journey_sessions_user_id on other.other (user_id)`);
  expect(await verify(openPostgresJs(url))).toMatchObject([
    { code: "index_missing", message: "Index idx_journey_sessions_user_id is missing." },
  ]);
});

test("a rule that has another table's rows in it is none of this table's", async () => {
  const url = await migratedDatabase();
  await rawClient(url).unsafe(`create table other (user_id text);
    create rule counted as on insert to other do also update journey_sessions set phase = phase`);
  expect(await verify(openPostgresJs(url))).toEqual([]);
});

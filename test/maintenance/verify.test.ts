import { expect, test } from "vitest";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type Change, migrated, onEveryChange, verified } from "../support/changes.js";

/** A change to a migrated database, and what verify finds. */
const CHANGES: Record<string, Change> = {
  "conversations are compressed with pglz": {
    change:
      "alter table journey_sessions alter messages set compression pglz, alter messages set storage extended",
    warnings: ["storage"],
  },
  "the fillfactor is the server's": {
    change: "alter table journey_sessions reset (fillfactor)",
    warnings: ["storage"],
  },
  "the autovacuum threshold of TOAST is the server's": {
    change: "alter table journey_sessions reset (toast.autovacuum_vacuum_scale_factor)",
    warnings: ["storage"],
  },
  "the trigger is disabled": {
    change: "alter table journey_sessions disable trigger journey_sessions_updated_at",
    errors: ["trigger_disabled", "updated_at_unchanged"],
  },
  "the trigger fires on replicas only": {
    change: "alter table journey_sessions enable replica trigger journey_sessions_updated_at",
    errors: ["trigger_disabled", "updated_at_unchanged"],
  },
  "the trigger is missing": {
    change: "drop trigger journey_sessions_updated_at on journey_sessions",
    errors: ["trigger_missing", "updated_at_unchanged"],
  },
  "the trigger fires for one column": {
    change: `create or replace trigger journey_sessions_updated_at before update of phase on journey_sessions
      for each row execute function update_journey_sessions_updated_at()`,
    errors: ["trigger_different", "updated_at_unchanged"],
  },
  "the trigger fires on a condition": {
    change: `create or replace trigger journey_sessions_updated_at before update on journey_sessions
      for each row when (new.phase <> 'setup') execute function update_journey_sessions_updated_at()`,
    errors: ["trigger_different", "updated_at_unchanged"],
  },
  "the trigger calls another function": {
    change: `create function touch() returns trigger language plpgsql set search_path = '' as
        $$ begin new.updated_at = clock_timestamp(); return new; end $$;
      create or replace trigger journey_sessions_updated_at before update on journey_sessions
        for each row execute function touch()`,
    errors: ["trigger_different"],
  },
  "the function is that of the old table": {
    change: `create or replace function update_journey_sessions_updated_at() returns trigger language plpgsql
      set search_path = '' as $$ begin new.updated_at = now(); return new; end $$`,
    errors: ["function_different", "updated_at_unchanged"],
  },
  "the function runs as its owner": {
    change: "alter function update_journey_sessions_updated_at() security definer",
    errors: ["function_different"],
  },
  "the function follows the caller's search_path": {
    change: "alter function update_journey_sessions_updated_at() reset search_path",
    warnings: ["function_search_path"],
  },
  "another trigger resets updated_at": {
    change: `create function touch() returns trigger language plpgsql as
        $$ begin new.updated_at = now(); return new; end $$;
      create trigger zz_touch before update on journey_sessions for each row execute function touch()`,
    errors: ["updated_at_unchanged"],
    notes: ["trigger_unexpected"],
  },
  "another trigger changes created_at": {
    change: `create function touch() returns trigger language plpgsql as
        $$ begin new.created_at = '2000-01-01'; return new; end $$;
      create trigger touch before update on journey_sessions for each row execute function touch()`,
    errors: ["created_at_changed"],
    notes: ["trigger_unexpected"],
    by: "drop trigger touch on journey_sessions",
  },
  "another trigger discards updates": {
    change: `create function discard() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger discard before update on journey_sessions for each row execute function discard()`,
    errors: ["updated_at_unchanged"],
    notes: ["trigger_unexpected"],
    by: "drop trigger discard on journey_sessions",
  },
  "another trigger refuses updates": {
    change: `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before update on journey_sessions for each row execute function refuse()`,
    errors: ["update_failed"],
    notes: ["trigger_unexpected"],
    by: "drop trigger refuse on journey_sessions",
  },
  "another trigger sets the phase of new rows": {
    change: `create function set_phase() returns trigger language plpgsql as
        $$ begin new.phase = 'other'; return new; end $$;
      create trigger set_phase before insert on journey_sessions for each row execute function set_phase()`,
    errors: ["default_not_applied"],
    notes: ["trigger_unexpected"],
    by: "drop trigger set_phase on journey_sessions",
  },
  "an index is missing": {
    change: "drop index idx_journey_sessions_user_id_created_at_id",
    errors: ["index_missing"],
  },
  "an index has another order": {
    change: `drop index idx_journey_sessions_user_id_created_at_id;
      create index idx_journey_sessions_user_id_created_at_id on journey_sessions (user_id, created_at desc, id)`,
    errors: ["index_different"],
  },
  "an index covers a part of the rows": {
    change: `drop index idx_journey_sessions_user_id;
      create index idx_journey_sessions_user_id on journey_sessions (user_id) where phase = 'setup'`,
    errors: ["index_different"],
  },
  "an index is invalid": {
    change:
      "update pg_index set indisvalid = false where indexrelid = 'idx_journey_sessions_user_id'::regclass",
    errors: ["index_different"],
  },
  "a user can have one session only": {
    change: "alter table journey_sessions add unique (user_id)",
    notes: ["unique_index"],
  },
  "a check is missing": {
    change: "alter table journey_sessions drop constraint journey_sessions_messages_is_array",
    errors: ["check_missing"],
  },
  "a check has another definition": {
    change: `alter table journey_sessions drop constraint journey_sessions_messages_is_array,
      add constraint journey_sessions_messages_is_array check (messages is not null)`,
    errors: ["check_different"],
  },
  "a check is not validated, though no row breaks it": {
    change: `alter table journey_sessions drop constraint journey_sessions_user_id_not_empty,
      add constraint journey_sessions_user_id_not_empty check (user_id <> '') not valid`,
    warnings: ["check_not_validated"],
  },
  "there is another constraint": {
    change: "alter table journey_sessions add constraint phases check (phase in ('setup', 'review'))",
    notes: ["constraint_unexpected"],
  },
  "the primary key is missing": {
    change: "alter table journey_sessions drop constraint journey_sessions_pkey",
    errors: ["primary_key"],
  },
  "the primary key is deferrable": {
    change: `alter table journey_sessions drop constraint journey_sessions_pkey;
      alter table journey_sessions add primary key (id) deferrable`,
    errors: ["primary_key"],
  },
  "a column is missing": {
    change: "alter table journey_sessions drop metadata",
    errors: ["column_missing", "check_missing", "insert_failed"],
  },
  "a column has another type": {
    change: "alter table journey_sessions alter user_id type varchar(255)",
    errors: ["column_type", "check_different"],
  },
  "a column allows NULL": {
    change: "alter table journey_sessions alter phase drop not null",
    errors: ["column_nullable"],
  },
  "a column has another default": {
    change: "alter table journey_sessions alter phase set default 'chat'",
    errors: ["column_default", "default_not_applied"],
  },
  "a column has no default": {
    change: "alter table journey_sessions alter created_at drop default",
    errors: ["column_default", "insert_failed"],
  },
  "user_id has a default": {
    change: "alter table journey_sessions alter user_id set default 'nobody'",
    errors: ["column_default"],
  },
  "there is an eighth column": {
    change: "alter table journey_sessions add title text",
    notes: ["column_unexpected"],
  },
  "an eighth column needs a value": {
    change:
      "alter table journey_sessions add title text; update journey_sessions set title = ''; alter table journey_sessions alter title set not null",
    errors: ["column_unexpected", "insert_failed"],
    by: "alter table journey_sessions alter title set default ''",
  },
  "row level security is off": {
    change: "alter table journey_sessions disable row level security",
    warnings: ["rls_disabled"],
  },
  "a policy opens the table": {
    change: "create policy everything on journey_sessions using (true)",
    notes: ["policy"],
  },
  "every role may read a column": {
    change: "grant select (messages) on journey_sessions to public",
    errors: ["public_rights"],
  },
  "every role may empty the table and call the function": {
    change: `grant truncate on journey_sessions to public;
      grant execute on function update_journey_sessions_updated_at() to public`,
    errors: ["public_rights"],
    warnings: ["function_rights"],
  },
  "the newest migration was not applied": {
    change: `delete from drizzle."__journey_db_migrations" where id = (select max(id) from drizzle."__journey_db_migrations")`,
    errors: ["migrations_pending"],
  },
  "a rule discards deletes": {
    change: "create rule keep as on delete to journey_sessions do instead nothing",
    errors: ["rule_unexpected", "delete_failed"],
    by: "drop rule keep on journey_sessions",
  },
  "another trigger discards deletes": {
    change: `create function discard() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger discard before delete on journey_sessions for each row execute function discard()`,
    errors: ["delete_failed"],
    notes: ["trigger_unexpected"],
    by: "drop trigger discard on journey_sessions",
  },
  "another trigger refuses deletes": {
    change: `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before delete on journey_sessions for each row execute function refuse()`,
    errors: ["delete_failed"],
    notes: ["trigger_unexpected"],
    by: "drop trigger refuse on journey_sessions",
  },
  "another trigger discards new rows": {
    change: `create function discard() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger discard before insert on journey_sessions for each row execute function discard()`,
    errors: ["insert_failed"],
    notes: ["trigger_unexpected"],
    by: "drop trigger discard on journey_sessions",
  },
  "a crash would empty the table": {
    change: "alter table journey_sessions set unlogged",
    errors: ["table_unlogged"],
  },
  "row level security is forced": {
    change: "alter table journey_sessions force row level security",
    warnings: ["rls_forced"],
  },
  "every role may read a view of the table": {
    change: "create view recent as select * from journey_sessions; grant select on recent to public",
    errors: ["view_rights"],
  },
  "every role may change a view of a view of the table": {
    change: `create view recent as select * from journey_sessions;
      create view oldest as select * from recent; grant delete on oldest to public`,
    errors: ["view_rights"],
  },
  "every role may read a materialized view of the table": {
    change: `create materialized view copied as select * from journey_sessions;
      grant select on copied to public`,
    errors: ["view_rights"],
  },
  "no other role may read a view of the table": {
    change: "create view recent as select * from journey_sessions",
  },
  "every role may read a security_invoker view": {
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
  "id allows NULL": {
    change: `alter table journey_sessions drop constraint journey_sessions_pkey, alter id drop not null`,
    errors: ["column_nullable", "primary_key"],
  },
  "id is missing": {
    change: "alter table journey_sessions drop id",
    errors: ["column_missing", "primary_key", "index_missing", "insert_failed"],
  },
  "user_id is an identity column": {
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

test("the remedy of an id that allows NULL is complete", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe(
    "alter table journey_sessions drop constraint journey_sessions_pkey, alter id drop not null",
  );
  const nullable = (await verify(db)).find(({ code }) => code === "column_nullable");
  await sql.unsafe(nullable?.sql ?? "");
  expect(await verified(db)).toEqual(["error primary_key"]);
});

test("an index of the same name in another schema is not in the way", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe(`drop index idx_journey_sessions_user_id; create schema other;
    create table other.other (user_id text); create index idx_journey_sessions_user_id on other.other (user_id)`);
  expect(await verify(db)).toMatchObject([
    { code: "index_missing", message: "Index idx_journey_sessions_user_id is missing." },
  ]);
});

test("a rule of another table that changes this one is not reported", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe(`create table other (user_id text);
    create rule counted as on insert to other do also update journey_sessions set phase = phase`);
  expect(await verify(db)).toEqual([]);
});

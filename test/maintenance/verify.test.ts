import { expect, test } from "vitest";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type Change, onEveryChange } from "../support/changes.js";
import { onEveryDriver } from "../support/drivers.js";

onEveryDriver((database) => {
  test("a migrated database has no findings", async () => {
    expect(await verify(database())).toEqual([]);
  });
});

/** What was done to a migrated database, and what verify says of it. */
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
  "TOAST is vacuumed as late as the server says": {
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
  "the function is the old one": {
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
    warnings: ["trigger_unexpected"],
  },
  "another trigger changes created_at": {
    change: `create function touch() returns trigger language plpgsql as
        $$ begin new.created_at = '2000-01-01'; return new; end $$;
      create trigger touch before update on journey_sessions for each row execute function touch()`,
    errors: ["created_at_changed"],
    warnings: ["trigger_unexpected"],
  },
  "another trigger swallows updates": {
    change: `create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before update on journey_sessions for each row execute function swallow()`,
    errors: ["updated_at_unchanged"],
    warnings: ["trigger_unexpected"],
  },
  "another trigger refuses updates": {
    change: `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before update on journey_sessions for each row execute function refuse()`,
    errors: ["update_failed"],
    warnings: ["trigger_unexpected"],
  },
  "another trigger sets the phase of new rows": {
    change: `create function set_phase() returns trigger language plpgsql as
        $$ begin new.phase = 'other'; return new; end $$;
      create trigger set_phase before insert on journey_sessions for each row execute function set_phase()`,
    errors: ["default_not_applied"],
    warnings: ["trigger_unexpected"],
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
  "an index is unfinished": {
    change:
      "update pg_index set indisvalid = false where indexrelid = 'idx_journey_sessions_user_id'::regclass",
    errors: ["index_different"],
  },
  "a user can have one session only": {
    change: "alter table journey_sessions add unique (user_id)",
    errors: ["unique_index"],
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
  "another constraint is there": {
    change: "alter table journey_sessions add constraint phases check (phase in ('setup', 'review'))",
    warnings: ["constraint_unexpected"],
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
  "a column may be NULL": {
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
  "an eighth column is there": {
    change: "alter table journey_sessions add title text",
    warnings: ["column_unexpected"],
  },
  "an eighth column needs a value": {
    change:
      "alter table journey_sessions add title text; update journey_sessions set title = ''; alter table journey_sessions alter title set not null",
    errors: ["column_unexpected", "insert_failed"],
  },
  "row level security is off": {
    change: "alter table journey_sessions disable row level security",
    warnings: ["rls_disabled"],
  },
  "a policy opens the table": {
    change: "create policy everything on journey_sessions using (true)",
    warnings: ["policy"],
  },
  "everybody may read a column": {
    change: "grant select (messages) on journey_sessions to public",
    errors: ["public_rights"],
  },
  "everybody may empty the table and call the function": {
    change: `grant truncate on journey_sessions to public;
      grant execute on function update_journey_sessions_updated_at() to public`,
    errors: ["public_rights"],
    warnings: ["function_rights"],
  },
  "the newest migration was not applied": {
    change: `delete from drizzle."__journey_db_migrations" where id = (select max(id) from drizzle."__journey_db_migrations")`,
    errors: ["migrations_pending"],
  },
};

onEveryChange(CHANGES);

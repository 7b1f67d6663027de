import { describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { follow, prepared, problems } from "../support/changes.js";
import { rawClient } from "../support/database.js";

const PLAIN = {
  id: "uuid default gen_random_uuid() primary key",
  user_id: "text not null",
  phase: "text default 'setup'",
  messages: "jsonb default '[]'::jsonb",
  metadata: "jsonb default '{}'::jsonb",
  created_at: "timestamptz default now()",
  updated_at: "timestamptz default now()",
};

/** A table made by hand that differs in these columns. */
const table = (differing: Partial<typeof PLAIN>) =>
  `create table journey_sessions (${Object.entries({ ...PLAIN, ...differing })
    .map(([name, type]) => `${name} ${type}`)
    .join(", ")})`;

const USER = "6f1c2ad8-1111-4111-8111-111111111111";

interface Adopted {
  /** Creates the database as it is before this package is used. */
  made: string;
  /** The rows of the table in the end. */
  rows?: Record<string, unknown>[];
  /** A query of other objects, which must stay as they are, and its result. */
  kept?: [query: string, rows: Record<string, unknown>[]];
  /** What no SQL is printed for, since it could not be created again as it was, and what a person does about it. */
  byHand?: { named: string[]; drop: string; again?: string };
}

const ADOPTED: Record<string, Adopted> = {
  "times without a zone, and a trigger on them": {
    made: `${table({ created_at: "timestamp default now()", updated_at: "timestamp default now()" })};
      create function touch() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$;
      create trigger journey_sessions_updated_at before update on journey_sessions for each row execute function touch();
      insert into journey_sessions (user_id, created_at, updated_at) values ('user_a', '2020-01-01 12:00', '2020-01-02 12:00')`,
    rows: [{ user_id: "user_a", at: "2020-01-01 12:00" }],
  },
  "times as a date and as text": {
    made: `${table({ created_at: "date default now()", updated_at: "text default now()::text" })};
      insert into journey_sessions (user_id, created_at, updated_at) values ('user_a', '2020-01-01', '2020-01-02 12:00')`,
    rows: [{ user_id: "user_a", at: "2020-01-01 00:00" }],
  },
  "times as seconds and as milliseconds": {
    made: `${table({ created_at: "bigint default extract(epoch from now())", updated_at: "double precision" })};
      insert into journey_sessions (user_id, created_at, updated_at) values ('user_a', 1577880000, 1577880000000.5)`,
    rows: [{ user_id: "user_a", at: "2020-01-01 12:00" }],
  },
  "a uuid user_id with a policy and a foreign key": {
    made: `create table users (id uuid primary key); insert into users values ('${USER}');
      ${table({ user_id: "uuid not null references users (id) on delete cascade check (user_id <> '00000000-0000-0000-0000-000000000000'::uuid)" })};
      alter table journey_sessions enable row level security;
      create policy own on journey_sessions using (user_id = current_setting('app.user')::uuid);
      create policy "Not Others" on journey_sessions as restrictive for update using (phase <> 'done');
      create index by_user on journey_sessions (user_id) where user_id <> '${USER}'::uuid;
      insert into journey_sessions (user_id) values ('${USER}')`,
    rows: [{ user_id: USER }],
    byHand: {
      named: [
        'policy "Not Others", policy own',
        "constraint journey_sessions_user_id_check, constraint journey_sessions_user_id_fkey",
        "index by_user",
      ],
      drop: `drop policy own on journey_sessions; drop policy "Not Others" on journey_sessions; drop index by_user;
        alter table journey_sessions drop constraint journey_sessions_user_id_check, drop constraint journey_sessions_user_id_fkey`,
      again: `create policy own on journey_sessions using (user_id = current_setting('app.user'));
        create policy "Not Others" on journey_sessions as restrictive for update using (phase <> 'done');
        create index by_user on journey_sessions (user_id) where user_id <> '${USER}'`,
    },
  },
  "a varchar user_id with a policy, a view and a trigger of its own": {
    made: `${table({ user_id: "varchar(64) not null", phase: "varchar(20) default 'setup' check (phase in ('setup', 'review'))" })};
      create role reader_of_views;
      create view of_users with (security_barrier) as select user_id, count(*) as sessions from journey_sessions group by user_id;
      create view many as select * from of_users where sessions > 0;
      grant select on of_users to reader_of_views;
      create view lines as select user_id, E'it''s\\n  "b' as "a
        name" from journey_sessions;
      alter default privileges grant delete on tables to public;
      create index lower_user on journey_sessions (lower(user_id));
      create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger nothing after update of user_id on journey_sessions for each row execute function nothing();
      alter table journey_sessions disable trigger nothing;
      insert into journey_sessions (user_id) values ('user_a')`,
    rows: [{ user_id: "user_a" }],
    kept: [
      `select (select sessions from many) as sessions, reloptions::text,
        (select array_agg(privilege_type order by 1) from aclexplode(relacl) where grantee <> relowner)::text as rights,
        (select tgenabled from pg_trigger where tgname = 'nothing') as enabled, to_regclass('lower_user') is not null as indexed,
        (select to_jsonb(lines)::text from lines) as lines
        from pg_class where relname = 'of_users'`,
      [
        {
          sessions: "1",
          reloptions: "{security_barrier=true}",
          rights: "{SELECT}",
          enabled: "D",
          indexed: true,
          lines: String.raw`{"user_id": "user_a", "a\n        name": "it's\n  \"b"}`,
        },
      ],
    ],
  },
  "a user_id in whose collation different users are equal": {
    made: `create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      ${table({ user_id: "text collate caseless not null" })};
      create view of_users as select user_id from journey_sessions;
      create policy own on journey_sessions using (user_id = 'USER_A');
      create index by_user on journey_sessions (user_id, phase);
      insert into journey_sessions (user_id) values ('user_a'), ('USER_A')`,
    rows: [{}, {}],
    kept: [
      "select count(*)::int as rows, (select count(*)::int from journey_sessions where user_id = 'user_a') as users from of_users",
      [{ rows: 2, users: 1 }],
    ],
  },
  "domains over the declared types and over other types": {
    made: `create domain a_time as timestamp(3); create domain my_time as a_time; create domain my_id as uuid; create domain my_json as json;
      create domain my_count as bigint;
      ${table({ id: "my_id default gen_random_uuid() primary key", messages: "my_json default '[]'", created_at: "my_time default now()", updated_at: "my_count" })};
      create view of_ids as select id from journey_sessions;
      create table notes (session_id my_id references journey_sessions (id));
      insert into journey_sessions (id, user_id, created_at, updated_at) values ('${USER}', 'user_a', '2020-01-01 12:00', 1577880000000);
      insert into notes values ('${USER}')`,
    rows: [{ user_id: "user_a", id: USER, at: "2020-01-01 12:00" }],
    kept: ["select count(*)::int as ids from of_ids join notes on id = session_id", [{ ids: 1 }]],
  },
  "json in place of jsonb": {
    made: `${table({ messages: "json default '[]'", metadata: "json default '{}'::json check (json_typeof(metadata) = 'object')" })};
      alter table journey_sessions add a text generated always as (metadata ->> 'a') stored;
      insert into journey_sessions (user_id, metadata) values ('user_a', '{"a": 1.10}')`,
    rows: [{ user_id: "user_a", metadata: '{"a": 1.10}' }],
    byHand: {
      named: ["constraint journey_sessions_metadata_check", "generated column a"],
      drop: "alter table journey_sessions drop constraint journey_sessions_metadata_check, drop a",
      again: "alter table journey_sessions add a text generated always as (metadata ->> 'a') stored",
    },
  },
  "JSON as text": {
    made: `${table({ messages: "text default '[]'", metadata: "varchar default '{}'" })};
      insert into journey_sessions (user_id, metadata) values ('user_a', '{"a": 1.10}')`,
    rows: [{ user_id: "user_a", metadata: '{"a": 1.10}' }],
  },
  "bigint ids, which other tables reference": {
    made: `${table({ id: "bigint generated always as identity primary key" })};
      insert into journey_sessions (user_id) values ('user_a'), ('user_a');
      create table notes (session_id bigint not null unique references journey_sessions (id) on delete cascade, note text);
      create index on notes (note, session_id);
      insert into notes values (2, 'of the second')`,
    rows: [{ user_id: "user_a", id: "00000000-0000-0000-0000-000000000001" }, { user_id: "user_a" }],
    kept: ["select note from notes join journey_sessions on id = session_id", [{ note: "of the second" }]],
  },
  "serial ids": {
    made: `${table({ id: "serial primary key" })}; insert into journey_sessions (user_id) values ('user_a')`,
    rows: [{ user_id: "user_a", id: "00000000-0000-0000-0000-000000000001" }],
  },
  "text ids that are uuids, which other tables reference": {
    made: `${table({ id: "text default gen_random_uuid()::text primary key" })};
      insert into journey_sessions (id, user_id) values ('${USER}', 'user_a');
      create table notes (session_id text references journey_sessions (id) on update cascade on delete set null);
      insert into notes values ('${USER}')`,
    rows: [{ user_id: "user_a", id: USER }],
    kept: [
      "select count(*)::int as notes from notes join journey_sessions on id = session_id",
      [{ notes: 1 }],
    ],
  },
  "a bigint user_id, and a phase of an enum": {
    made: `create type a_phase as enum ('start', 'end');
      ${table({ user_id: "bigint not null", phase: "a_phase default 'start'" })};
      create index started on journey_sessions (created_at) where phase = 'start';
      create policy own on journey_sessions using (phase = 'start');
      insert into journey_sessions (user_id) values (7)`,
    rows: [{ user_id: "7", phase: "start" }],
    byHand: {
      named: ["policy own", "index started"],
      drop: "drop policy own on journey_sessions; drop index started",
      again: `create policy own on journey_sessions using (phase = 'start');
        create index started on journey_sessions (created_at) where phase = 'start'`,
    },
  },
  "a generated phase, and a column that is generated from another": {
    made: `${table({ phase: "text generated always as ('setup') stored", user_id: "varchar(9) not null" })};
      alter table journey_sessions add shouted text generated always as (upper(user_id)) stored;
      insert into journey_sessions (user_id) values ('user_a')`,
    rows: [{ user_id: "user_a", phase: "setup" }],
    byHand: {
      named: ["generated column shouted"],
      drop: "alter table journey_sessions drop shouted",
      again: "alter table journey_sessions add shouted text generated always as (upper(user_id)) stored",
    },
  },
  "columns with unusual names, and an index that the server builds again": {
    made: `${table({ messages: "text default '[]'", user_id: "varchar not null" })};
      alter table journey_sessions add "Odd ""name" int default 1;
      create index "Odd" on journey_sessions using hash (messages);
      insert into journey_sessions (user_id) values ('user_a')`,
    rows: [{ user_id: "user_a" }],
    kept: [`select to_regclass('"Odd"') is not null as indexed`, [{ indexed: true }]],
  },
  "a foreign key of another table that does not cascade": {
    made: `${table({})}; insert into journey_sessions (user_id) values ('user_a');
      create table "My notes" ("Session" uuid references journey_sessions (id) on update cascade deferrable, by uuid);
      alter table "My notes" add constraint "By whom" foreign key (by) references journey_sessions on delete restrict not valid`,
    rows: [{ user_id: "user_a" }],
    kept: [
      "select string_agg(confdeltype::text, ',' order by confdeltype) as deleted from pg_constraint where confrelid = 'journey_sessions'::regclass and confdeltype <> ' '",
      [{ deleted: "a,r" }],
    ],
  },
  "user ids with white space around them": {
    made: `${table({})}; insert into journey_sessions (user_id) values (' user_a'), (E'user_a\\u00a0\\ufeff'), ('user_a')`,
    rows: [{ user_id: "user_a" }, { user_id: "user_a" }, { user_id: "user_a" }],
  },
  "conversations and metadata that were encoded twice": {
    made: `${table({})}; insert into journey_sessions (user_id, messages, metadata) values
      ('user_a', to_jsonb('[{"id": "m1", "n": 1.10}]'::text), to_jsonb(to_jsonb(' {"a": 1.10}'::text)::text)), ('user_b', '[]', to_jsonb('{}'::text))`,
    rows: [
      { user_id: "user_a", messages: '[{"n": 1.10, "id": "m1"}]', metadata: '{"a": 1.10}' },
      { user_id: "user_b", metadata: "{}" },
    ],
  },
};

describe.each(Object.keys(ADOPTED))("a table with %s", (name) => {
  const { made, rows = [], kept, byHand } = ADOPTED[name] as Adopted;

  test("is as it should be once it is migrated and each remedy is followed, in the order in which they are printed", async () => {
    const { url, db } = await prepared(`set timezone = 'UTC'; ${made}`);
    const sql = rawClient(url, { connection: { TimeZone: "Asia/Tokyo", DateStyle: "SQL, DMY" } });
    // If it is refused, verify says what to do first.
    await migrate(db).catch(({ code }) => expect(code).toBe("migration"));
    if (byHand) {
      const blocked = (await verify(db)).filter((one) => one.code === "column_type" && one.sql === undefined);
      for (const named of byHand.named)
        expect(
          blocked.some(({ remedy }) => remedy.includes(named)),
          named,
        ).toBe(true);
      await sql.unsafe(byHand.drop);
    }
    await follow(await verify(db), { url, db, sql });
    if (byHand?.again) await sql.unsafe(byHand.again);
    expect(problems(await verify(db))).toEqual([]);
    const stored = await sql`select id::text, user_id, phase, messages::text, metadata::text,
      to_char(created_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at from journey_sessions order by user_id, id`.catch(
      () => [],
    );
    expect(stored).toMatchObject(rows);
    if (kept) expect([...(await sql.unsafe(kept[0]))]).toEqual(kept[1]);
  });
});

const BIGINT = `${table({ id: "bigint primary key" })}; insert into journey_sessions (id, user_id) values (1, 'user_a')`;
const NOTES =
  "create table notes (session_id bigint references journey_sessions (id) on delete cascade, note text)";
/** Tables that no printed SQL can repair without loss, and what uses the column or key. */
const NAMED: Record<string, [made: string, code: string, used: string]> = {
  "two keys on one column": [
    `${BIGINT}; ${NOTES}; alter table notes add constraint again foreign key (session_id) references journey_sessions (id)`,
    "column_type",
    "foreign key again of notes, foreign key notes_session_id_fkey of notes",
  ],
  "a referencing column that references another table, too": [
    `${BIGINT}; ${NOTES}; create table others (id bigint primary key); insert into others values (1);
      alter table notes add foreign key (session_id) references others`,
    "column_type",
    "foreign key notes_session_id_fkey of notes",
  ],
  "a referencing column that a third table references": [
    `${BIGINT}; ${NOTES}; alter table notes add unique (session_id); create table others (id bigint references notes (session_id))`,
    "column_type",
    "foreign key notes_session_id_fkey of notes",
  ],
  "a reference to itself": [
    `${BIGINT}; alter table journey_sessions add parent_id bigint references journey_sessions`,
    "column_type",
    "foreign key journey_sessions_parent_id_fkey of journey_sessions",
  ],
  "a key of two columns": [
    `${BIGINT}; alter table journey_sessions add constraint "Both" unique (user_id, id);
      create table notes (u text, s bigint, constraint "Key" foreign key (u, s) references journey_sessions (user_id, id) on delete cascade)`,
    "column_type",
    'foreign key "Key" of notes',
  ],
  ...Object.fromEntries(
    Object.entries({
      "a view": "create view of_notes as select session_id from notes",
      "a policy": "create policy own on notes using (session_id > 0)",
      "a check": "alter table notes add check (session_id > 0)",
      "a generated column": "alter table notes add twice bigint generated always as (session_id * 2) stored",
      "an index expression": "create index on notes ((session_id + 1))",
      "an index of some rows": "create index on notes (note) where session_id > 1",
      "a trigger":
        "create function nothing() returns trigger language plpgsql as $$ begin return new; end $$; create trigger nothing before update of session_id on notes for each row execute function nothing()",
      "a table that inherits it": "create table more () inherits (notes)",
      "a default": "alter table notes alter session_id set default 1",
      "a comment on the key": "comment on constraint notes_session_id_fkey on notes is 'x'",
      "a key that is not validated":
        "alter table notes drop constraint notes_session_id_fkey, add foreign key (session_id) references journey_sessions on delete cascade not valid",
    }).map(([what, more]) => [
      `a referencing column and ${what}`,
      [`${BIGINT}; ${NOTES}; ${more}`, "column_type", "foreign key notes_session_id_fkey of notes"],
    ]),
  ),
  "a policy of another table": [
    `${table({ user_id: "varchar(64) not null" })}; create table notes (session_id uuid);
      create policy own on notes using (session_id in (select id from journey_sessions where user_id = current_user))`,
    "column_type",
    "policy own on table notes",
  ],
  "a rule of the table": [
    `${table({ user_id: "varchar(64) not null" })}; create rule kept as on delete to journey_sessions where old.user_id = 'user_a' do instead nothing`,
    "column_type",
    "rule kept on table journey_sessions",
  ],
  "a primary key of two columns that another table references": [
    `${table({ id: "uuid default gen_random_uuid() not null" })}; alter table journey_sessions add primary key (user_id, id);
      create table notes (u text, s uuid, constraint "Key" foreign key (u, s) references journey_sessions (user_id, id) on delete cascade)`,
    "primary_key",
    'foreign key "Key" of notes',
  ],
};

test.each(Object.entries(NAMED))("%s is named, without SQL", async (_, [made, code, used]) => {
  const { db } = await prepared(made);
  await migrate(db).catch(({ code }) => expect(code).toBe("migration"));
  const found = (await verify(db)).filter((one) => one.code === code);
  expect(found).toHaveLength(1);
  expect(found[0]).not.toHaveProperty("sql");
  expect(found[0]?.remedy).toContain(used);
});

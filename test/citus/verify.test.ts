import { sql as drizzleSql } from "drizzle-orm";
import { check, index, integer, pgTable, text, unique } from "drizzle-orm/pg-core";
import { describe, expect, it } from "vitest";
import { distribute } from "../../src/maintenance/distribute.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { type Finding, verify } from "../../src/maintenance/verify/verify.js";
import { journeyTable } from "../../src/schema.js";
import { OPTIONAL } from "../../src/validation/options.js";
import { codesOf, follow, problems } from "../support/changes.js";
import { citusDatabase, clusterDatabase } from "../support/citus.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";

const open = (url: string) => ({ url, sql: rawClient(url), db: openPostgresJs(url) });
type Open = ReturnType<typeof open>;

/** For each user, sessions with two messages in rows and one with a message in the column. */
const STORED = [
  `delete from journey_messages; delete from journey_replies; delete from journey_sessions`,
  `insert into journey_sessions (user_id, messages) select 'user_' || n, messages from generate_series(1, $n) as n,
    (values ('{"rows": 2, "last": "m2"}'::jsonb), ('[{"id": "m1", "role": "user", "parts": []}]')) as v (messages)`,
  `insert into journey_messages (user_id, session_id, id, appended_at, n, message)
    select user_id, id, 'm' || n, updated_at, n, format('{"id":"m%s","role":"user","parts":[]}', n)::json
    from journey_sessions, generate_series(1, 2) as n where jsonb_typeof(messages) = 'object'`,
];

async function store({ sql }: Open, users: number) {
  for (const statement of STORED.join("; ").split("; "))
    await sql.unsafe(statement.replace("$n", `${users}`));
}

/** Statements one by one, on one connection: Citus refuses some of them beside others. */
async function run({ sql }: Open, statements: string) {
  const connection = await sql.reserve();
  await connection.unsafe("set citus.enable_unsafe_triggers = on");
  for (const statement of statements.split(";; ")) await connection.unsafe(statement);
  await connection.unsafe("reset all");
  connection.release();
}

const shared = citusDatabase().then(open);
shared.catch(() => {});

it("nothing is wrong with a distributed database, also with thousands of sessions", async () => {
  const opened = await shared;
  expect(await verify(opened.db)).toEqual([]);
  await store(opened, 2_000);
  expect(await verify(opened.db)).toEqual([]);
  await store(opened, 3);
});

interface Change {
  change: string;
  found: string[];
  /** What a person does about findings without SQL. */
  by?: string;
}

const ADD = "alter table journey_sessions add constraint journey_sessions_metadata_is_object";
const TRIGGER = "create or replace function app_f() returns trigger language plpgsql as";
const CHANGES: Record<string, Change> = {
  "the primary key of the sessions is missing": {
    change: "alter table journey_sessions drop constraint journey_sessions_pkey cascade",
    found: ["error primary_key", "error constraint_missing", "error constraint_missing"],
  },
  "the messages have another primary key": {
    change:
      "alter table journey_messages drop constraint journey_messages_pkey;; alter table journey_messages add constraint k primary key (user_id, session_id, id)",
    found: ["error primary_key"],
  },
  "the index by id is missing": {
    change: "drop index idx_journey_sessions_id",
    found: ["warning index_missing"],
  },
  "the index by id is another": {
    change:
      "drop index idx_journey_sessions_id;; create index idx_journey_sessions_id on journey_sessions (id, phase)",
    found: ["warning index_different"],
  },
  "the index by id has another name": {
    change: "drop index idx_journey_sessions_id;; create index by_id on journey_sessions (id)",
    found: ["note index_unexpected"],
    by: "drop index by_id;; create index idx_journey_sessions_id on journey_sessions (id)",
  },
  "a foreign key is missing": {
    change: "alter table journey_messages drop constraint journey_messages_session_id_fkey",
    found: ["error constraint_missing"],
  },
  "a foreign key does not cascade": {
    change:
      "alter table journey_messages drop constraint journey_messages_session_id_fkey;; alter table journey_messages add constraint journey_messages_session_id_fkey foreign key (user_id, session_id) references journey_sessions (user_id, id)",
    found: ["error constraint_different"],
  },
  "replies have no session": {
    change:
      "alter table journey_replies drop constraint journey_replies_session_id_fkey;; insert into journey_replies (user_id, session_id, id, state, batches, started_at, written_at) select 'user_' || n, gen_random_uuid(), 'm', 'running', 0, now(), now() from generate_series(1, 9) as n",
    found: ["error constraint_missing"],
  },
  "messages have no session": {
    change:
      "alter table journey_messages drop constraint journey_messages_session_id_fkey;; delete from journey_sessions where user_id = 'user_1'",
    found: ["error constraint_missing", "error message_rows_orphaned"],
    by: "delete from journey_messages where user_id = 'user_1'",
  },
  "a check is missing": {
    change: "alter table journey_sessions drop constraint journey_sessions_metadata_is_object",
    found: ["error check_missing"],
  },
  "a check is another": {
    change:
      "alter table journey_replies drop constraint journey_replies_state;; alter table journey_replies add constraint journey_replies_state check (state <> '')",
    found: ["error check_different"],
  },
  "a check is not validated": {
    change: `alter table journey_sessions drop constraint journey_sessions_metadata_is_object;; ${ADD} check (jsonb_typeof(metadata) = 'object') not valid`,
    found: ["warning check_not_validated"],
  },
  "stored rows break a check": {
    change: `alter table journey_sessions drop constraint journey_sessions_metadata_is_object;; update journey_sessions set metadata = '[]' where user_id = 'user_1';; ${ADD} check (jsonb_typeof(metadata) = 'object') not valid`,
    found: ["warning rows_forbidden", "warning check_not_validated"],
    by: "update journey_sessions set metadata = '{}' where user_id = 'user_1'",
  },
  "a column is missing": {
    change: "alter table journey_sessions drop created_at",
    found: ["error column_missing", "error index_missing", "error insert_failed"],
  },
  "a column allows NULL": {
    change:
      "alter table journey_sessions alter phase drop not null;; update journey_sessions set phase = null where user_id = 'user_2'",
    found: ["error column_nullable", "warning null_values"],
  },
  "a default is missing": {
    change: "alter table journey_sessions alter phase drop default",
    found: ["error column_default", "error insert_failed"],
  },
  "the default of a time is another": {
    change: "alter table journey_sessions alter created_at set default '2020-01-01'",
    found: ["error column_default", "error default_not_applied"],
  },
  "a column has another type": {
    change: "alter table journey_sessions alter phase type varchar(20)",
    found: ["error column_type"],
  },
  "the trigger is missing": {
    change: "drop trigger journey_sessions_updated_at on journey_sessions",
    found: ["error trigger_missing", "error updated_at_unchanged"],
  },
  "the trigger is disabled": {
    change: "alter table journey_sessions disable trigger journey_sessions_updated_at",
    found: ["error trigger_disabled", "error updated_at_unchanged"],
  },
  "the triggers of foreign keys are disabled": {
    change: "alter table journey_messages disable trigger all",
    found: ["error trigger_disabled"],
  },
  "the function is another": {
    change: `create or replace function update_journey_sessions_updated_at() returns trigger language plpgsql set search_path = '' as $$ begin new.updated_at := now(); return new; end $$`,
    found: ["error function_different", "error updated_at_unchanged"],
  },
  "the function uses the caller's search_path": {
    change: "alter function update_journey_sessions_updated_at() reset search_path",
    found: ["warning function_search_path"],
  },
  "another trigger sets updated_at": {
    change: `${TRIGGER} $$ begin new.updated_at := now(); return new; end $$;; create trigger z before update on journey_sessions for each row execute function app_f()`,
    found: ["error updated_at_unchanged", "note trigger_unexpected"],
    by: `drop trigger "0_z" on journey_sessions`,
  },
  "the triggers that notify are there": {
    change:
      "create trigger journey_sessions_notify after update or delete on journey_sessions for each row execute function notify_journey_sessions();; create trigger journey_replies_notify after insert on journey_replies for each row execute function notify_journey_replies()",
    found: ["error trigger_unexpected", "error trigger_unexpected"],
  },
  "row level security is off": {
    change: "alter table journey_sessions disable row level security",
    found: ["warning rls_disabled"],
  },
  "everyone has privileges": {
    change:
      "grant select on journey_messages to public;; grant execute on function update_journey_sessions_updated_at() to public",
    found: ["error public_rights", "warning function_rights"],
  },
  "messages are compressed in another way": {
    change: "alter table journey_sessions alter messages set compression pglz",
    found: ["warning storage"],
  },
  "the storage settings are not set": {
    change:
      "alter table journey_sessions reset (fillfactor);; alter table journey_messages reset (toast_tuple_target);; drop statistics journey_messages_owner",
    found: ["warning storage", "warning storage", "warning storage"],
  },
  "the number of messages is wrong": {
    change: `update journey_sessions set messages = '{"rows": 0, "last": "x"}' where jsonb_typeof(messages) = 'object'`,
    found: ["error marker_different"],
  },
  "updated_at cannot increase": {
    change:
      "alter table journey_sessions disable trigger journey_sessions_updated_at;; update journey_sessions set updated_at = 'infinity';; alter table journey_sessions enable trigger journey_sessions_updated_at",
    found: ["error updated_at_unordered"],
  },
  "updated_at is before the last message": {
    change:
      "alter table journey_sessions disable trigger journey_sessions_updated_at;; update journey_sessions set updated_at = '2020-01-01';; alter table journey_sessions enable trigger journey_sessions_updated_at",
    found: ["error updated_at_unordered"],
  },
  "a user id has white space": {
    change: "insert into journey_sessions (user_id) values (' user_1 ')",
    found: ["warning user_id_unusable"],
    by: "delete from journey_sessions where user_id = ' user_1 '",
  },
  "message ids repeat": {
    change: `update journey_sessions set messages = '[{"id": "m", "role": "user", "parts": []}, {"id": "m", "role": "user", "parts": []}]' where jsonb_typeof(messages) = 'array'`,
    found: ["warning message_ids"],
    by: `update journey_sessions set messages = '[]' where jsonb_typeof(messages) = 'array'`,
  },
  "a message is none": {
    change: "update journey_messages set message = '[]' where user_id = 'user_1'",
    found: ["error rows_forbidden"],
    by: `update journey_messages set message = ('{"id":"' || id || '"}')::json where user_id = 'user_1'`,
  },
  "a reply was abandoned": {
    change: `insert into journey_replies (user_id, session_id, id, state, batches, started_at, written_at) select user_id, id, 'm', 'running', 0, '2020-01-01', '2020-01-01' from journey_sessions where user_id = 'user_1' and jsonb_typeof(messages) = 'object'`,
    found: ["note replies_abandoned"],
  },
};

describe.each(Object.entries(CHANGES))("if %s", (_, { change, found, by }) => {
  it("verify says so, and its remedies put it right", async () => {
    const opened = await shared;
    await store(opened, 3);
    await run(opened, change);
    const findings = await verify(opened.db);
    expect(codesOf(findings)).toEqual(found);
    await follow(findings, opened);
    if (by) await run(opened, by);
    // What a remedy needs may be missing before, and a person may have done the rest.
    await follow(await verify(opened.db), opened);
    expect(problems(await verify(opened.db))).toEqual([]);
    await run(opened, "drop trigger if exists z on journey_sessions;; drop function if exists app_f");
  });
});

describe("the clock of the server that stores the row", () => {
  it.each([
    ["1 minute", []],
    ["1 hour", ["error default_not_applied"]],
  ])("may differ: by %s", async (by, found) => {
    const opened = await shared;
    await store(opened, 3);
    await run(
      opened,
      `${TRIGGER} $$ begin new.created_at := now() - interval '${by}'; return new; end $$;; create trigger z before insert on journey_sessions for each row execute function app_f()`,
    );
    const findings = await verify(opened.db);
    await run(opened, "drop trigger z on journey_sessions;; drop function app_f");
    expect(codesOf(findings)).toEqual([...found, "note trigger_unexpected"]);
  });
});

describe("a table that is not stored beside the sessions", () => {
  const found = (findings: readonly Finding[]) =>
    findings.map(({ severity, code, message, remedy }) => [`${severity} ${code}`, message, remedy]);

  it("is found, and distribute puts it right", async () => {
    const opened = await shared;
    await store(opened, 3);
    await run(
      opened,
      "alter table journey_messages drop constraint journey_messages_session_id_fkey;; select undistribute_table('journey_messages')",
    );
    expect(found(await verify(opened.db))).toEqual([
      [
        "error not_distributed",
        "journey_messages is on one server, and other tables of the sessions are distributed: calls that need both fail.",
        "run journey-db distribute",
      ],
    ]);
    await distribute(opened.db);
    expect(await verify(opened.db)).toEqual([]);
  });

  it("is found if it has shards of its own", async () => {
    const opened = await shared;
    await store(opened, 3);
    await run(
      opened,
      "alter table journey_messages drop constraint journey_messages_session_id_fkey;; select alter_distributed_table('journey_messages', shard_count => 2, cascade_to_colocated => false)",
    );
    expect(found(await verify(opened.db))).toEqual([
      [
        "error not_distributed",
        "journey_messages is not co-located with journey_sessions: calls that need both fail.",
        "run journey-db distribute --undo, then run journey-db distribute",
      ],
    ]);
    await distribute(opened.db, { undo: true });
    await distribute(opened.db);
    expect(await verify(opened.db)).toEqual([]);
  });
});

it("a lost journal is made again while the tables are those of one server", async () => {
  const opened = await shared;
  await store(opened, 3);
  await run(opened, "delete from drizzle.__journey_db_migrations");
  const remedy =
    "run journey-db distribute --undo, then run journey-db migrate, then run journey-db distribute";
  expect(await verify(opened.db)).toMatchObject([{ code: "migrations_pending", remedy }]);
  await distribute(opened.db, { undo: true });
  await migrate(opened.db);
  expect(codesOf(await verify(opened.db))).toEqual([]);
  await distribute(opened.db);
  expect(await verify(opened.db)).toEqual([]);
});

describe.each([[[]], [["message-rows"]], [["durable-replies"]]] as const)(
  "with the tables of %j",
  (optional) => {
    it("nothing is wrong, and another table is created on one server first", async () => {
      const opened = open(await clusterDatabase(optional));
      expect(await verify(opened.db)).toEqual([]);
      await run(
        opened,
        `insert into journey_sessions (user_id, messages) select 'u', jsonb_agg(md5(n::text)) from generate_series(1, 100000) as n`,
      );
      const [large] = await verify(opened.db);
      expect(large).toMatchObject({ code: "large_sessions" });
      if (optional[0] !== "message-rows")
        expect(large?.remedy).toContain(
          "run journey-db distribute --undo, then run journey-db migrate --with message-rows, then run journey-db distribute, then declare",
        );
      else expect(large?.remedy).not.toContain("--undo");
    });
  },
);

it("a table of one server with the key of a distributed one is as wrong as elsewhere", async () => {
  const opened = open(await clusterDatabase());
  await migrate(opened.db, { with: OPTIONAL });
  expect(await verify(opened.db)).toEqual([]);
  await run(
    opened,
    "alter table journey_messages drop constraint journey_messages_session_id_fkey;; alter table journey_replies drop constraint journey_replies_session_id_fkey;; alter table journey_sessions drop constraint journey_sessions_pkey, add primary key (user_id, id);; create index idx_journey_sessions_id on journey_sessions (id)",
  );
  const findings = await verify(opened.db);
  expect(codesOf(findings)).toEqual([
    "error primary_key",
    "error constraint_missing",
    "error constraint_missing",
    "note index_unexpected",
  ]);
  await follow(findings, opened);
  await follow(await verify(opened.db), opened);
  expect(codesOf(await verify(opened.db))).toEqual(["note index_unexpected"]);
});

describe("a table of the application", () => {
  const orgs = pgTable("orgs", { id: text("id").primaryKey() });
  const places = pgTable("places", { id: text("id").primaryKey() });
  const columns = {
    orgId: text("org_id")
      .notNull()
      .references(() => orgs.id),
    slug: text("slug"),
  };
  const chats = journeyTable("chats", columns, (t) => [
    index("chats_org").on(t.userId, t.orgId),
    unique("chats_slug").on(t.userId, t.slug),
    check("chats_slug_is_short", drizzleSql`length(slug) < 40`),
  ]);
  const made = async () => {
    const opened = open(await clusterDatabase());
    for (const statement of await generated({ orgs, places, chats })) await opened.sql.unsafe(statement);
    for (const statement of tableSql(chats)) await opened.sql.unsafe(statement);
    await opened.sql.unsafe("insert into orgs values ('a')");
    // Beside a table that every server has, Citus would not take the sessions for one of this server alone.
    await run(
      opened,
      "alter table chats drop constraint chats_org_id_orgs_id_fk;; select create_reference_table('orgs')",
    );
    await distribute(opened.db, { table: chats });
    const findings = await verify(opened.db, { table: chats });
    expect(codesOf(findings)).toEqual(["warning constraint_missing"]);
    await follow(findings, opened);
    return opened;
  };

  it("is checked with its own columns, indexes and constraints, and its remedies work", async () => {
    const opened = await made();
    expect(await verify(opened.db, { table: chats })).toEqual([]);
    await run(
      opened,
      "drop index chats_org;; alter table chats drop constraint chats_slug;; alter table chats drop constraint chats_slug_is_short;; alter table chats drop constraint chats_org_id_orgs_id_fk;; insert into chats (user_id, org_id) select 'user_' || n, 'a' from generate_series(1, 9) as n",
    );
    const findings = await verify(opened.db, { table: chats });
    expect(codesOf(findings)).toEqual([
      "warning index_missing",
      "warning constraint_missing",
      "warning check_missing",
      "warning constraint_missing",
    ]);
    await follow(findings, opened);
    expect(await verify(opened.db, { table: chats })).toEqual([]);
  });

  it("is told what Citus does not accept", async () => {
    const opened = await made();
    const declared = journeyTable(
      "chats",
      {
        ...columns,
        place: text("place").references(() => places.id),
        no: integer("no").generatedAlwaysAsIdentity(),
      },
      (t) => [
        index("chats_org").on(t.userId, t.orgId),
        unique("chats_slug").on(t.userId, t.slug),
        unique("chats_slug_only").on(t.slug),
        check("chats_slug_is_short", drizzleSql`length(slug) < 40`),
      ],
    );
    await run(opened, "alter table chats add place text");
    const findings = await verify(opened.db, { table: declared });
    expect(findings.map(({ code, remedy }) => [code, remedy])).toEqual([
      [
        "column_missing",
        "run journey-db distribute --table chats --undo, then run journey-db verify for the remedy, then run journey-db distribute --table chats",
      ],
      [
        "constraint_missing",
        "declare it with user_id: each server of a distributed table knows only its own rows",
      ],
      [
        "constraint_missing",
        "make the table that it references one that every server has (select create_reference_table(…)), then run journey-db verify",
      ],
    ]);
  });
});

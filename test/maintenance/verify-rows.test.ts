import { randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import { describe, expect, test } from "vitest";
import { repairJson } from "../../src/admin.js";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { codesOf, follow, migrated, prepared } from "../support/changes.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { idsOf, text } from "../support/messages.js";
import { rowsOf } from "../support/old-table.js";

/** As an older program may have created the table. */
const unchecked = (sql: Sql) =>
  sql.unsafe(`alter table journey_sessions drop constraint journey_sessions_messages_is_array,
    drop constraint journey_sessions_metadata_is_object`);
const checked = (sql: Sql) =>
  sql.unsafe(`alter table journey_sessions
    add constraint journey_sessions_messages_is_array check (jsonb_typeof(messages) = 'array') not valid,
    add constraint journey_sessions_metadata_is_object check (jsonb_typeof(metadata) = 'object') not valid`);

describe("the settings of the role, the database or the connection", () => {
  const SETTINGS: Record<string, string | boolean | number>[] = [
    { quote_all_identifiers: true },
    { standard_conforming_strings: false },
    { search_path: "public, pg_catalog" },
    { DateStyle: "SQL, DMY", IntervalStyle: "sql_standard", TimeZone: "Asia/Tokyo" },
    { bytea_output: "escape", extra_float_digits: -15 },
    { transform_null_equals: true, default_transaction_isolation: "serializable" },
  ];

  test.each(SETTINGS.map((connection) => [Object.keys(connection).join(", "), connection] as const))(
    "that change what the server writes do not make findings: %s",
    async (_, connection) => {
      const { url, sql } = await migrated();
      // A search_path that names pg_catalog last finds these first.
      await sql.unsafe(`create function now() returns timestamptz language sql return pg_catalog.now();
        create function jsonb_typeof(jsonb) returns text language sql immutable return pg_catalog.jsonb_typeof($1);
        create function gen_random_uuid() returns uuid language sql return pg_catalog.gen_random_uuid()`);
      expect(await verify(openPostgresJs(url, { connection }))).toEqual([]);
    },
  );

  test("nor those of the role", async () => {
    const { url, sql } = await migrated();
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set quote_all_identifiers = on`);
    expect(await verify(openPostgresJs(url))).toEqual([]);
  });
});

describe("values that the right type does not take", () => {
  test.each([
    ["id", "text", "'not a uuid'", "update journey_sessions set id = md5(id)::uuid::text"],
    [
      "messages",
      "text",
      "'[not JSON'",
      "update journey_sessions set messages = '[]' where messages like '[not%'",
    ],
    ["metadata", "json", `'{"a": "\\u0000"}'`, "update journey_sessions set metadata = '{}'"],
    ["created_at", "text", "'yesterday-ish'", "update journey_sessions set created_at = '2020-01-01'"],
  ])(
    "of %s as %s are counted and shown, in place of a cast that fails",
    async (column, type, value, repair) => {
      const columns = {
        id: "uuid default gen_random_uuid()",
        user_id: "text not null",
        phase: "text",
        messages: "jsonb",
        metadata: "jsonb",
        created_at: "timestamptz",
        updated_at: "timestamptz",
        [column]: type,
      };
      const opened = await prepared(
        `create table journey_sessions (${Object.entries(columns)
          .map((one) => one.join(" "))
          .join(", ")})`,
        `insert into journey_sessions (user_id, ${column}) values ('secret', ${value})`,
      );
      const { sql, db } = opened;
      const finding = (await verify(db)).find(({ code }) => code === "column_type");
      expect(finding?.message).toMatch(/, and 1 row has a value that is not a valid [\w ]+\.$/);
      expect(JSON.stringify(finding)).not.toContain("secret");
      expect(await sql.unsafe(finding?.sql ?? "")).toHaveLength(1);
      await sql.unsafe(repair);
      await follow(await verify(db), opened);
      expect(await verify(db)).toEqual([]);
    },
  );

  test("what no statement can make again is named, and no statement that fails is printed", async () => {
    const opened =
      await prepared(`create table journey_sessions (id uuid primary key, user_id varchar(9) not null);
      create materialized view users as select distinct user_id from journey_sessions`);
    const { sql, db } = opened;
    const finding = (await verify(db)).find(({ code }) => code === "column_type");
    expect(finding?.message).toBe(
      "Column user_id is character varying(9), not text, and is used by view users.",
    );
    expect(finding?.sql).toBeUndefined();
    await sql`drop materialized view users`;
    await follow(await verify(db), opened);
    expect(await verify(db)).toEqual([]);
  });
});

describe("a view or a policy of a column with another type", () => {
  test.each([
    ["another owner", "create role owner_of_views; alter view users owner to owner_of_views", "view users"],
    [
      "a right to a column",
      "create role reader_of_columns; grant select (user_id) on users to reader_of_columns",
      "view users",
    ],
    [
      "a right to grant",
      "create role granter; grant select on users to granter with grant option",
      "view users",
    ],
    [
      "a trigger",
      `create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger nothing instead of insert on users for each row execute function nothing()`,
      "view users",
    ],
    ["a rule", "create rule nothing as on insert to users do instead nothing", "view users"],
    ["a default", "alter view users alter user_id set default 'user_a'", "view users"],
    ["a comment", "comment on column users.user_id is 'of whom'", "view users"],
    [
      "a function of its rows",
      "create function of_row(users) returns text language sql as $$ select $1.user_id $$",
      "view users",
    ],
    [
      "a comment on a policy",
      "create policy own on journey_sessions using (user_id = 'user_a'); comment on policy own on journey_sessions is 'why'",
      "policy own",
    ],
    [
      "a comment on a trigger",
      `create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger nothing after update of user_id on journey_sessions for each row execute function nothing();
        comment on trigger nothing on journey_sessions is 'why'`,
      "trigger nothing",
    ],
  ])("that cannot be made again as it was is named, without SQL: %s", async (_, change, named) => {
    const { sql, db } =
      await prepared(`create table journey_sessions (id uuid primary key, user_id varchar(9) not null);
      create view users as select user_id from journey_sessions`);
    const typeOf = async () => (await verify(db)).find(({ code }) => code === "column_type");
    expect((await typeOf())?.sql).toContain("drop view users");
    await sql.unsafe(change);
    const finding = await typeOf();
    expect(finding?.message).toContain(`is used by ${named}.`);
    expect(finding?.sql).toBeUndefined();
  });
});

test("an id of a type that cannot be cast to uuid is named, without SQL", async () => {
  const { db } = await prepared(
    "create table journey_sessions (id interval primary key, user_id text not null, created_at time)",
  );
  const types = (await verify(db)).filter(({ code }) => code === "column_type");
  expect(types.map(({ message, sql }) => [message, sql])).toEqual([
    ["Column id is interval, not uuid, and there is no cast between them.", undefined],
    [
      "Column created_at is time without time zone, not timestamp with time zone, and there is no cast between them.",
      "alter table journey_sessions rename column created_at to created_at_old",
    ],
  ]);
});

describe("a column that no statement can change without loss", () => {
  const typed = async (made: string) => {
    const { sql, db } = await prepared(made);
    return { sql, finding: (await verify(db)).find(({ code }) => code === "column_type") };
  };

  test.each([
    ["microseconds", "bigint", "1577880000000000"],
    ["before 1970", "integer", "-1"],
    ["no number", "double precision", "'NaN'"],
    ["no number either", "numeric(20, 3)", "'NaN'"],
    ["endless", "double precision", "'infinity'"],
  ])("times as %s are named, without SQL", async (_, type, value) => {
    const { finding } =
      await typed(`create table journey_sessions (id uuid primary key, user_id text, created_at ${type});
      insert into journey_sessions values (gen_random_uuid(), 'a', ${value}), (gen_random_uuid(), 'a', 1577880000)`);
    expect(finding?.message).toContain("and 1 row has a number that is not a time between 1970 and");
    expect(finding?.sql).toBeUndefined();
  });

  test("the message says what the remedy assumes", async () => {
    const numbers = await typed("create table journey_sessions (created_at bigint)");
    expect(numbers.finding?.message).toContain(
      "below 100000000000 as seconds since 1970, and others as milli",
    );
    const json = await typed("create table journey_sessions (messages json)");
    expect(json.finding?.message).toContain("jsonb keeps only the last value");
    const money = await typed("create table journey_sessions (created_at money)");
    expect(money.finding?.message).toContain("there is no cast");
  });

  test("ids that differ only in case are shown", async () => {
    const id = "6f1c2ad8-aaaa-4111-8111-111111111111";
    const { sql, finding } =
      await typed(`create table journey_sessions (id text primary key, user_id text not null);
      insert into journey_sessions values ('${id}', 'a'), (upper('${id}'), 'a'), (gen_random_uuid(), 'a')`);
    expect(finding?.message).toContain("2 rows have values that are equal as uuid");
    expect(await sql.unsafe(finding?.sql ?? "")).toHaveLength(2);
  });

  test("a virtual generated column is named, without SQL", async () => {
    const { sql, db } = await prepared();
    const [server] = await sql`select current_setting('server_version_num')::int >= 180000 as has`;
    if (!server?.has) return;
    await sql.unsafe(`create table journey_sessions (id uuid primary key, phase text generated always as ('setup') virtual,
      created_at timestamp generated always as ('2020-01-01'::timestamp) virtual, user_id varchar(9) not null,
      shouted text generated always as (user_id || '!') virtual)`);
    const findings = await verify(db);
    const named = findings.filter(({ message }) => message.endsWith("is a virtual generated column."));
    expect(named.map(({ code, sql: statement }) => [code, statement])).toEqual([
      ["column_type", undefined],
      ["column_default", undefined],
    ]);
    const user = findings.find(({ message }) => message.startsWith("Column user_id is"));
    expect(user?.message).toContain("is used by generated column shouted.");
    expect(user?.sql).toBeUndefined();
  });

  test("an inherited column is named, without SQL, and other columns are notes", async () => {
    const { db } = await prepared(`create table parents (user_id varchar(9), more int);
      create table journey_sessions (id uuid primary key, seen int) inherits (parents);
      create view seen as select seen from journey_sessions`);
    const findings = (await verify(db)).filter(
      ({ message, code }) => /user_id|more|seen/.test(message) && /column_(type|unexpected)/.test(code),
    );
    expect(findings.map(({ remedy, message, sql }) => [`${message} ${remedy}`, sql])).toEqual([
      [
        expect.stringContaining("Column user_id is character varying(9), not text, and is inherited."),
        undefined,
      ],
      [expect.stringMatching(/^Column more is not in the schema: .* declare it/), undefined],
      [expect.stringMatching(/^Column seen is not in the schema: .* declare it/), undefined],
    ]);
  });
});

test("a collation of user_id that a foreign key goes by is named, without SQL", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe(`create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table users (id text collate caseless primary key);
    alter table journey_sessions alter user_id type text collate caseless, add constraint of_user foreign key (user_id) references users`);
  const findings = await verify(db);
  expect(findings[0]).toMatchObject({
    severity: "error",
    code: "column_collation",
    message: expect.stringMatching(
      /collation caseless, .* used by foreign key of_user of journey_sessions\.$/,
    ),
  });
  expect(findings[0]?.sql).toBeUndefined();
});

describe("ids of messages that repeat", () => {
  const twice = [text("m1"), text("same", "first"), text("m2"), text("same", "second"), text("m3")];
  async function repeated() {
    const { sql, ...rest } = await migrated();
    const [userId, id] = [newUser(), randomUUID()];
    await sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${userId}, ${sql.json(twice as never)})`;
    return { ...rest, sql, id, sessions: forUser(rest.db, userId) };
  }

  test("are counted, by session, and shown", async () => {
    const { sql, db, id, sessions } = await repeated();
    await sessions.create({ messages: [text("m1"), text("m2")] });
    await sql`insert into journey_sessions (user_id, messages) values ('user_a', '[7, {"id": 7}, {"id": 7}, {}, {}, null]')`;
    const findings = await verify(db);
    expect(codesOf(findings)).toEqual(["warning message_ids"]);
    expect(findings[0]?.message).toMatch(/^1 session has several messages with the same id/);
    expect(await sql.unsafe(findings[0]?.sql ?? "")).toMatchObject([{ id, message_id: "same", count: "2" }]);
  });

  test("lose no more than they must: truncate, append from and fork go by the last", async () => {
    for (const [call, left] of [
      ["truncate", ["m1", "same", "m2"]],
      ["append", ["m1", "same", "m2", "new"]],
    ] as const) {
      const { id, sessions } = await repeated();
      if (call === "truncate") await sessions.truncate(id, { from: "same" });
      else await sessions.append(id, text("new"), { from: "same" });
      expect(idsOf((await sessions.get(id))?.messages ?? []), call).toEqual(left);
    }
    const { id, sessions } = await repeated();
    expect((await sessions.fork(id, { through: "same" })).messages).toEqual(twice.slice(0, 4));
  });
});

describe("what no call can access", () => {
  test("user ids with white space around them, of white space alone and of more than 255 characters", async () => {
    const opened = await migrated();
    const { sql, db } = opened;
    const store = (userId: string) => sql`insert into journey_sessions (user_id) values (${userId})`;
    for (const usable of ["user_a", "a b", "é".repeat(255), "😀".repeat(127)]) {
      await store(usable);
      expect(await forUser(db, usable).count()).toBe(1);
    }
    expect(await verify(db)).toEqual([]);
    const padded = ["\tuser_a", "user_a\u3000", "\ufeff user_a"];
    const unusable = [" ", "\u2028\u00a0", "a".repeat(256), "😀".repeat(128)];
    for (const userId of [...padded, ...unusable]) {
      expect(() => forUser(db, userId)).toThrow();
      await store(userId);
    }
    const findings = await verify(db);
    expect(codesOf(findings)).toEqual(["warning user_id_unusable", "warning user_id_unusable"]);
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^3 rows have a user_id with leading or trailing white space/),
      expect.stringMatching(/^4 rows have a user_id of only white space/),
    ]);
    expect(await sql.unsafe(findings[1]?.sql ?? "")).toHaveLength(4);
    await follow(findings, opened);
    expect(await forUser(db, "user_a").count()).toBe(4);
    expect(codesOf(await verify(db))).toEqual(["warning user_id_unusable"]);
  });

  test("phases that the application does not list, where they are told", async () => {
    const { sql, db } = await migrated();
    await sql`insert into journey_sessions (user_id, phase) values ('u', 'setup'), ('u', 'it''s \\done'), ('u', 'gone'), ('u', 'gone')`;
    expect(await verify(db)).toEqual([]);
    expect(await verify(db, { phases: ["setup", "it's \\done", "gone"] })).toEqual([]);
    const [finding, ...more] = await verify(db, { phases: ["setup", "it's \\done"] });
    expect({ ...finding, more }).toMatchObject({ severity: "warning", code: "phase_unlisted", more: [] });
    expect(finding?.message).toMatch(/^2 rows have a phase that the application does not list/);
    expect([...(await sql.unsafe(finding?.sql ?? ""))]).toEqual([{ phase: "gone", count: "2" }]);
    expect(await errorOf(verify(db, { phases: [] }))).toMatchObject({ code: "invalid_input" });
    expect(await errorOf(verify(db, { phase: ["setup"] } as never))).toMatchObject({ code: "invalid_input" });
  });
});

describe("JSON that was encoded twice", () => {
  const CONVERSATION = '[{"id": "m1", "n": 12345678901234567890.10}]';
  const encoded = (json: string, times: number): string =>
    times === 0 ? json : JSON.stringify(encoded(json, times - 1));

  async function stored() {
    const { sql, ...rest } = await migrated();
    await unchecked(sql);
    const rows: [string, string][] = [
      ["{}", CONVERSATION],
      ["{}", encoded(CONVERSATION, 1)],
      [encoded(' {"a": 1.10}', 1), encoded(`\n${CONVERSATION}`, 2)],
      [encoded("{}", 5), "[]"],
      // Values that cannot be repaired.
      ["{}", encoded("[secret", 1)],
      ["{}", encoded("{}", 1)],
      ["{}", encoded(encoded('["\\u0000"]', 1), 1)],
      ["[]", encoded("[]", 1)],
      ["7", '"secret"'],
    ];
    for (const [metadata, messages] of rows)
      await sql`insert into journey_sessions (user_id, metadata, messages) values ('user_a', ${metadata}::text::jsonb, ${messages}::text::jsonb)`;
    await checked(sql);
    return { sql, ...rest };
  }

  test("is counted apart from what no one can repair", async () => {
    const { db } = await stored();
    const findings = await verify(db);
    expect(findings.map(({ code, message }) => `${code}: ${message.split(":")[0]}`)).toEqual([
      "rows_encoded_twice: 2 rows have a messages value that is a JSON array encoded twice",
      "rows_forbidden: 5 rows have a messages value that is not a JSON array",
      expect.stringMatching(/^check_not_validated/),
      "rows_encoded_twice: 2 rows have a metadata value that is a JSON object encoded twice",
      "rows_forbidden: 2 rows have a metadata value that is not a JSON object",
      expect.stringMatching(/^check_not_validated/),
    ]);
    expect(JSON.stringify(findings)).not.toContain("secret");
  });

  test("is not counted after the repair, whatever is skipped", async () => {
    const { sql, db } = await stored();
    await sql`alter table journey_sessions drop constraint journey_sessions_user_id_not_empty, drop constraint journey_sessions_messages_is_array`;
    await sql`insert into journey_sessions (user_id, messages) values ('', to_jsonb('[]'::text))`;
    const { sessions } = await repairJson(db);
    expect(sessions).toBe(3);
    const found = await verify(db);
    expect(found.map(({ code }) => code)).toContain("rows_forbidden");
    expect(found.map(({ code }) => code)).not.toContain("rows_encoded_twice");
  });

  test("is decoded to the digit, and nothing else is touched; a dry run only counts, and a repeated call does nothing", async () => {
    const { sql, db } = await stored();
    const before = await rowsOf(sql);
    const seen: number[] = [];
    const onProgress = ({ examined }: { examined: number }) => void seen.push(examined);
    expect(await repairJson(db, { dryRun: true, batchSize: 4, onProgress })).toEqual({
      sessions: 3,
      skipped: 5,
    });
    expect(seen).toEqual([4, 8, 9]);
    expect(await rowsOf(sql)).toEqual(before);
    expect(await repairJson(db)).toEqual({ sessions: 3, skipped: 5 });
    const repaired = await sql`select metadata::text, messages::text from journey_sessions
      where jsonb_typeof(messages) = 'array' and jsonb_typeof(metadata) = 'object' order by 1, 2`;
    expect([...repaired]).toEqual([
      { metadata: '{"a": 1.10}', messages: '[{"n": 12345678901234567890.10, "id": "m1"}]' },
      { metadata: "{}", messages: "[]" },
      { metadata: "{}", messages: '[{"n": 12345678901234567890.10, "id": "m1"}]' },
      { metadata: "{}", messages: '[{"n": 12345678901234567890.10, "id": "m1"}]' },
    ]);
    const after = await rowsOf(sql);
    expect(await repairJson(db)).toEqual({ sessions: 0, skipped: 5 });
    expect(await rowsOf(sql)).toEqual(after);
  });

  test("a session that others change meanwhile is not overwritten, and a signal ends it", async () => {
    const { sql, db } = await migrated();
    await unchecked(sql);
    await sql`insert into journey_sessions (user_id, messages) values ('user_a', ${encoded("[]", 1)}::text::jsonb)`;
    const stop = AbortSignal.abort();
    expect(await errorOf(repairJson(db, { signal: stop }))).toMatchObject({
      code: "timeout",
      retryable: true,
    });
    expect(await errorOf(repairJson(db, { dryrun: true } as never))).toMatchObject({ code: "invalid_input" });
    const other = await sql.reserve();
    await other`begin`;
    await other`update journey_sessions set messages = '[{"id": "new"}]'`;
    const repaired = repairJson(db);
    await expect
      .poll(
        () =>
          sql`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      .toHaveLength(1);
    await other`commit`;
    other.release();
    expect(await repaired).toEqual({ sessions: 0, skipped: 0 });
    expect([...(await sql`select messages from journey_sessions`)]).toEqual([{ messages: [{ id: "new" }] }]);
  });
});

describe("more than one schema", () => {
  test("a table of the same name in another schema is reported", async () => {
    const { sql, db } = await migrated();
    await sql.unsafe("create schema tenant; create table tenant.journey_sessions (id uuid)");
    expect(await verify(db)).toMatchObject([
      { severity: "warning", code: "table_elsewhere", message: expect.stringContaining("in schema tenant") },
    ]);
  });

  test("an empty table before one with rows is an error", async () => {
    const { sql, db } = await migrated();
    await sql.unsafe(`create schema "My app"; create table "My app".journey_sessions (id int);
      create schema empty; create table empty.journey_sessions ()`);
    expect(await verify(db)).toMatchObject([{ severity: "warning", code: "table_elsewhere" }]);
    await sql`insert into "My app".journey_sessions values (1)`;
    expect(await verify(db)).toMatchObject([
      {
        severity: "error",
        code: "table_elsewhere",
        message: expect.stringMatching(
          /in schema "My app" has rows, but the one in schema public, .* has none/,
        ),
        remedy: expect.stringContaining('?search_path="My app" in the URL'),
      },
    ]);
    await sql`insert into journey_sessions (user_id) values ('user_a')`;
    expect(await verify(db)).toMatchObject([{ severity: "warning", code: "table_elsewhere" }]);
  });

  test("no remedy touches what has the same name in a schema that comes first", async () => {
    const url = await migratedDatabase();
    const sql = rawClient(url);
    await sql.unsafe(`create schema "My app"; create table "My app".orders (user_id text);
      create unique index uix on "My app".orders (user_id); create index idx_journey_sessions_user_id on "My app".orders (user_id);
      create function "My app".update_journey_sessions_updated_at() returns trigger language plpgsql as $$ begin return new; end $$;
      create unique index uix on journey_sessions (user_id);
      drop index public.idx_journey_sessions_user_id; create index idx_journey_sessions_user_id on journey_sessions (phase);
      grant execute on function update_journey_sessions_updated_at() to public;
      alter function update_journey_sessions_updated_at() reset search_path`);
    const through = new URL(url);
    through.searchParams.set("search_path", '"My app", public');
    const db = openPostgresJs(through.href);
    const findings = await verify(db);
    expect(codesOf(findings)).toEqual([
      "error index_different",
      "warning function_search_path",
      "warning function_rights",
      "note unique_index",
    ]);
    for (const { sql: statement = "" } of findings) await rawClient(through.href).unsafe(statement);
    await migrate(openPostgresJs(url));
    expect(codesOf(await verify(db))).toEqual(["note unique_index"]);
    await sql`drop trigger journey_sessions_updated_at on journey_sessions`;
    const missing = (await verify(db)).find(({ code }) => code === "trigger_missing");
    await rawClient(through.href).unsafe(missing?.sql ?? "");
    expect(codesOf(await verify(db))).toEqual(["note unique_index"]);
    const [{ kept } = {}] =
      await sql`select prosrc not like '%greatest%' as kept from pg_proc where pronamespace = '"My app"'::regnamespace`;
    expect(kept).toBe(true);
    expect(
      await sql`select from pg_indexes where schemaname = 'My app' and tablename = 'orders'`,
    ).toHaveLength(2);
  });
});

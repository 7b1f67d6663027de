import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { JourneyMessage } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { defineJourney } from "../../src/sessions/define-journey.js";
import { codesOf, follow, migrated, prepared, problems } from "../support/changes.js";
import { openPostgresJs } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";
import { idsOf, text } from "../support/messages.js";
import { countedDuring } from "../support/table-statistics.js";

const chats = journeyTable({ name: "chats", schema: "app" });
const app = { chats, chatMessages: messagesTable(chats) };

/** Each kind of table, and its names in SQL: S of the sessions, M of the messages, N without their schema. */
const TABLES = {
  default: {
    table: journeySessions,
    names: { S: "journey_sessions", M: "journey_messages", N: "journey_sessions", O: "journey_messages" },
    async make() {
      const opened = await migrated();
      await migrate(opened.db, { with: ["message-rows"] });
      return opened;
    },
  },
  own: {
    table: chats,
    names: { S: "app.chats", M: "app.chats_messages", N: "chats", O: "chats_messages" },
    async make() {
      const opened = await prepared("create schema app");
      for (const statement of await generated(app)) await opened.sql.unsafe(statement);
      for (const statement of tableSql(chats, { with: ["message-rows"] })) await opened.sql.unsafe(statement);
      return opened;
    },
  },
};
type Which = keyof typeof TABLES;

const USERS = ["user_a", "user_b"];

/** A database in which each user has a session in rows with three messages, one without any, and one in the column. */
async function inRows(which: Which) {
  const { table, make, names } = TABLES[which];
  const opened = await make();
  const rows = defineJourney({ table, messages: messagesTable(table) } as never);
  const column = defineJourney({ table });
  for (const user of USERS) {
    const sessions = rows.forUser(opened.db, user);
    const { id } = await sessions.create({ messages: [text("m1"), text("m2")] });
    await sessions.append(id, text("m3"));
    await sessions.create();
    await column.forUser(opened.db, user).create({ messages: [text("c1")] });
  }
  const written = (statements: string) =>
    statements.replaceAll(/(?<![A-Za-z'])[SMNO](?![A-Za-z'])/g, (name) => names[name as "S"]);
  /** What the users see, by handles of rows. */
  async function seen() {
    const all: JourneyMessage[][] = [];
    for (const user of USERS)
      for await (const { messages } of rows.forUser(opened.db, user).export())
        all.push(messages as JourneyMessage[]);
    return all.map(idsOf).toSorted();
  }
  const change = (statements: string) => opened.sql.unsafe(written(statements));
  return { ...opened, table, rows, change, seen, verify: () => verify(opened.db, { table }) };
}

const EVERY = [[], [], ["c1"], ["c1"], ["m1", "m2", "m3"], ["m1", "m2", "m3"]];
const LATEST = "'294276-06-01 00:00:00+00'";

interface Change {
  change: string;
  found: string[];
  /** What a person does, after the SQL of the remedies. */
  by?: string;
  /** What the users see at the end. @default EVERY */
  left?: string[][];
}

const CHANGES: Record<string, Change> = {
  "a column is missing": {
    change: "alter table M drop n",
    found: ["error column_missing", "error index_missing"],
    by: "update M set n = substr(id, 2)::int; alter table M alter n set not null",
  },
  "there is another column that needs a value": {
    change: "alter table M add more text not null default 'x'; alter table M alter more drop default",
    found: ["error column_unexpected"],
    by: "alter table M drop more",
  },
  "a column has another type": {
    change:
      "alter table M alter message type jsonb using message::jsonb, alter n type bigint, alter message set storage external",
    found: ["error column_type", "error column_type"],
  },
  "a column allows NULL": {
    change: "alter table M alter message drop not null",
    found: ["error column_nullable"],
  },
  "the primary key is another": {
    change: "alter table M drop constraint O_pkey, add primary key (user_id, session_id, id)",
    found: ["error primary_key"],
  },
  "the foreign key is missing": {
    change: "alter table M drop constraint O_session_id_fkey",
    found: ["error constraint_missing"],
  },
  "the foreign key is missing, and messages have no session": {
    change:
      "alter table M drop constraint O_session_id_fkey; insert into M select 'user_a', gen_random_uuid(), 'm1', now(), 1, '{\"id\":\"m1\"}'",
    found: ["error constraint_missing", "error message_rows_orphaned"],
    by: "delete from M where session_id not in (select id from S); alter table M add constraint O_session_id_fkey foreign key (session_id) references S (id) on delete cascade",
  },
  "a session was deleted without its messages": {
    change:
      "set session_replication_role = replica; delete from S where user_id = 'user_a' and messages ->> 'rows' = '3'; reset session_replication_role",
    found: ["error message_rows_orphaned"],
    by: "delete from M where session_id not in (select id from S)",
    left: [[], [], ["c1"], ["c1"], ["m1", "m2", "m3"]],
  },
  "the foreign key does not cascade": {
    change:
      "alter table M drop constraint O_session_id_fkey, add constraint O_session_id_fkey foreign key (session_id) references S (id)",
    found: ["error constraint_different"],
  },
  "the index is missing": { change: "drop index I_O_order", found: ["error index_missing"] },
  "the index has another order": {
    change: "drop index I_O_order; create index idx_O_order on M (user_id, session_id, n)",
    found: ["error index_different"],
  },
  "row level security is off": {
    change: "alter table M disable row level security",
    found: ["warning rls_disabled"],
  },
  "every role may read messages": {
    change: "grant select on M to public",
    found: ["error public_rights"],
  },
  "messages are compressed": {
    change: "alter table M alter message set storage extended",
    found: ["warning storage"],
  },
  "messages move to TOAST early": {
    change: "alter table M reset (toast_tuple_target)",
    found: ["warning storage"],
  },
  "the statistics are missing": {
    change: "drop statistics T_O_owner",
    found: ["warning storage"],
  },
  "the table is unlogged": { change: "alter table M set unlogged", found: ["error table_unlogged"] },
  "the sessions' check refuses markers": {
    change:
      "alter table S drop constraint N_messages_is_array, add constraint N_messages_is_array check (jsonb_typeof(messages) = 'array') not valid",
    found: ["error check_different"],
  },
  "the sessions' check is missing": {
    change: "alter table S drop constraint N_messages_is_array",
    found: ["error check_missing"],
  },
  "the sessions' check is not validated": {
    change:
      "alter table S drop constraint N_messages_is_array, add constraint N_messages_is_array check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number') not valid",
    found: ["warning check_not_validated"],
  },
  "the index of the sessions by their last change is missing": {
    change: "drop index I_N_user_id_updated_at_id",
    found: ["error index_missing"],
  },
  "the trigger is disabled": {
    change: "alter table S disable trigger N_updated_at",
    found: ["error trigger_disabled", "error updated_at_unchanged"],
  },
  "all triggers of the sessions are disabled": {
    change: "alter table S disable trigger all",
    found: ["error trigger_disabled", "error trigger_disabled", "error updated_at_unchanged"],
  },
  "all triggers of the messages are disabled": {
    change: "alter table M disable trigger all",
    found: ["error trigger_disabled"],
  },
  "a trigger of the application changes messages": {
    change: `create function own() returns trigger language plpgsql as 'begin return new; end';
      create trigger own before insert on M for each row execute function own()`,
    found: ["note trigger_unexpected"],
  },
  "a trigger of the application discards messages": {
    change: `create function own() returns trigger language plpgsql as 'begin return null; end';
      create trigger own before insert on M for each row execute function own()`,
    found: ["error insert_failed", "note trigger_unexpected"],
    by: "drop trigger own on M",
  },
  "a trigger of the application refuses messages": {
    change: `create function own() returns trigger language plpgsql as $$begin raise 'no'; end$$;
      create trigger own before insert on M for each row execute function own()`,
    found: ["note trigger_unexpected", "note unchecked"],
  },
  "a session has the latest time": {
    change:
      "alter table S disable trigger user; update S set updated_at = 'infinity' where user_id = 'user_a'; alter table S enable trigger user",
    found: ["error updated_at_unordered"],
  },
  "a session and its messages have late times": {
    change: `alter table S disable trigger user; update S set updated_at = ${LATEST}; alter table S enable trigger user;
      update M set appended_at = ${LATEST}::timestamptz + n * interval '1 day' + case id when 'm3' then interval '9 days' else '0' end where id <> 'm1'`,
    found: ["error updated_at_unordered"],
  },
  "a session's time was set back": {
    change:
      "alter table S disable trigger user; update S set updated_at = '2020-01-01'; alter table S enable trigger user",
    found: ["error updated_at_unordered"],
  },
  "messages have a later time than their session": {
    change:
      "update M set appended_at = now() + n * interval '1 day' + case id when 'm3' then interval '9 days' else '0' end where id <> 'm1'; update M set appended_at = 'infinity' where id = 'm3' and user_id = 'user_a'",
    found: ["error updated_at_unordered"],
  },
  "sessions in the column have the latest time": {
    change:
      "alter table S disable trigger user; update S set updated_at = 'infinity' where jsonb_typeof(messages) = 'array'; alter table S enable trigger user",
    found: [],
  },
  "the number of a marker is none": {
    change: `update S set messages = case user_id when 'user_a' then '{"rows": 2.5, "last": "m3"}' else '{"rows": 1e30, "last": "m3"}' end::jsonb where messages ->> 'rows' = '3'`,
    found: ["error marker_different"],
  },
  "the primary key is missing, and a message is stored twice": {
    change:
      "alter table M drop constraint O_pkey; insert into M select * from M where user_id = 'user_a' and id = 'm2'",
    found: ["error primary_key"],
    by: "delete from M where ctid in (select max(ctid) from M group by session_id, user_id, id having count(*) > 1); alter table M add primary key (session_id, id, user_id)",
  },
  "a message has another id than its row": {
    change: `update M set message = '{"id":"m4","role":"user","parts":[]}' where id = 'm2' and user_id = 'user_a'`,
    found: ["error rows_forbidden"],
    by: `update M set message = '{"id":"m2","role":"user","parts":[]}' where id = 'm2'`,
  },
  "a message is no object": {
    change: `update M set message = '[]' where id = 'm2' and user_id = 'user_a'`,
    found: ["error rows_forbidden"],
    by: `update M set message = '{"id":"m2","role":"user","parts":[]}' where id = 'm2'`,
  },
  "a message has a zero byte": {
    change: `update M set message = '{"id":"m2","role":"user","parts":[{"type":"text","text":"\\\\\\u0000"}]}' where id = 'm2' and user_id = 'user_a'`,
    found: ["error rows_forbidden"],
    by: `update M set message = '{"id":"m2","role":"user","parts":[]}' where id = 'm2'`,
  },
  "a message has a backslash before u0000": {
    change: `update M set message = '{"id":"m2","role":"user","parts":[{"type":"text","text":"\\\\u0000"}]}' where id = 'm2' and user_id = 'user_a'`,
    found: [],
  },
  "a message is of AI SDK 4": {
    change: `update M set message = '{"id":"m2","role":"user","content":"x"}' where id = 'm2' and user_id = 'user_a'`,
    found: ["warning messages_ai_sdk_4"],
    by: `update M set message = '{"id":"m2","role":"user","parts":[]}' where id = 'm2'`,
  },
  "messages are jsonb": {
    change: "alter table M alter message type jsonb using message::jsonb",
    found: ["error column_type"],
  },
  "messages have another owner than the sessions": {
    change:
      "create schema if not exists app; grant usage on schema app to pg_database_owner; alter table M owner to pg_database_owner",
    found: ["warning table_owner"],
  },
  "another table references messages": {
    change:
      "create table votes (session_id uuid, user_id text, id text, foreign key (session_id, user_id, id) references M)",
    found: ["note foreign_key"],
  },
  "a marker has too few messages": {
    change: `update S set messages = '{"rows": 2, "last": "m2"}' where messages ->> 'rows' = '3'`,
    found: ["error marker_different"],
  },
  "a marker has another last message": {
    change: `update S set messages = '{"rows": 3, "last": null}' where messages ->> 'rows' = '3'`,
    found: ["error marker_different"],
  },
  "messages are gone": {
    change: "delete from M where id = 'm3'",
    found: ["error message_rows_missing"],
    by: `update S set messages = '{"rows": 2, "last": "m2"}' where messages ->> 'rows' = '3'`,
    left: [[], [], ["c1"], ["c1"], ["m1", "m2"], ["m1", "m2"]],
  },
  "messages belong to a session in the column": {
    change:
      "insert into M select user_id, id, 'm9', now(), 1, '{\"id\":\"m9\"}' from S where jsonb_typeof(messages) = 'array'",
    found: ["error message_rows_unmarked"],
    by: "delete from M where id = 'm9'",
  },
  "messages belong to another user than their session": {
    change: "update M set user_id = 'user_b' where user_id = 'user_a' and id <> 'm1'",
    found: ["error message_owner"],
  },
  "messages belong to another user, and their marker counts none of them": {
    change: `update M set user_id = 'user_b' where user_id = 'user_a' and id <> 'm1'; update S set messages = '{"rows": 1, "last": "m1"}' where user_id = 'user_a' and messages ->> 'rows' = '3'`,
    found: ["error message_owner", "error marker_different"],
  },
  "two users have the same message of a session": {
    change:
      "insert into M select 'user_c', session_id, id, appended_at, n, message from M where user_id = 'user_a' and id = 'm2'",
    found: ["error message_owner"],
    by: `delete from M where user_id = 'user_c'`,
  },
};

describe.each(Object.keys(TABLES) as Which[])("the %s table, with message rows", (which) => {
  test("has no findings as it was made, with sessions of both layouts", async () => {
    const opened = await inRows(which);
    expect(await opened.verify()).toEqual([]);
    expect(await opened.seen()).toEqual(EVERY);
  });

  test.each(Object.keys(CHANGES))("is reported where %s, and the remedies put it right", async (name) => {
    const { change, found, by, left = EVERY } = CHANGES[name] as Change;
    const opened = await inRows(which);
    await opened.change(
      change
        .replaceAll("I_", which === "own" ? "app.idx_" : "idx_")
        .replaceAll("T_", which === "own" ? "app." : ""),
    );
    const findings = await opened.verify();
    expect(codesOf(findings), JSON.stringify(findings)).toEqual(found);
    for (const { remedy } of findings) expect(remedy).not.toContain("\n");
    await follow(findings, opened);
    if (by) await opened.change(by);
    expect(problems(await opened.verify())).toEqual([]);
    expect(await opened.seen()).toEqual(left);
  });
});

describe("the default table", () => {
  const {
    names: { S, M },
  } = TABLES.default;
  const codes = async (opened: { verify: () => ReturnType<typeof verify> }) => codesOf(await opened.verify());

  test("a message without a time is shown", async () => {
    const { change, sql, verify } = await inRows("default");
    await change(
      `alter table ${M} alter appended_at drop not null; update ${M} set appended_at = null where id = 'm1'`,
    );
    const [found, ...more] = await verify();
    expect(codesOf(more)).toEqual(["error column_nullable"]);
    expect(found).toMatchObject({ severity: "error", code: "null_values" });
    expect(await sql.unsafe(found?.sql ?? "")).toMatchObject([{ id: "m1" }, { id: "m1" }]);
    await change(`update ${M} set appended_at = '2020-01-01' where appended_at is null; ${more[0]?.sql}`);
    expect(await verify()).toEqual([]);
  });

  test("without a table of messages, sessions in rows are an error, and others are none", async () => {
    const opened = await inRows("default");
    await opened.change(`drop table ${M}`);
    const findings = await opened.verify();
    expect(codesOf(findings)).toEqual(["error message_rows_missing"]);
    expect(findings[0]?.message).toBe("4 rows have messages in rows, but there is no table of messages.");
    await follow(findings, opened);
    expect(await codes(opened)).toEqual(["error message_rows_missing"]);
    await opened.change(
      `update ${S} set messages = '{"rows": 0, "last": null}' where jsonb_typeof(messages) = 'object'`,
    );
    expect(await opened.verify()).toEqual([]);
    await opened.change(`drop table ${M}; delete from ${S} where jsonb_typeof(messages) = 'object'`);
    expect(await codes(opened)).toEqual(["warning table_missing"]);
  });

  test("migrations that the journal does not list are pending, if there is a table of messages", async () => {
    const opened = await inRows("default");
    for (const lost of [
      "delete from drizzle.__journey_db_message_rows where id > 2",
      "drop table drizzle.__journey_db_message_rows",
      "alter table drizzle.__journey_db_message_rows drop created_at",
    ]) {
      await opened.change(lost);
      const findings = await opened.verify();
      expect(codesOf(findings)).toEqual([
        `error ${lost.includes("created_at") ? "journal_damaged" : "migrations_pending"}`,
      ]);
      expect(findings[0]?.remedy).toMatch(/run journey-db migrate --with message-rows$/);
      await follow(findings, opened);
      expect(await opened.verify()).toEqual([]);
    }
  });

  test("a table that was made by hand is completed by the command", async () => {
    const opened = await inRows("default");
    await opened.change(`drop table drizzle.__journey_db_message_rows; drop index idx_journey_sessions_user_id_updated_at_id;
      alter table ${S} drop constraint journey_sessions_messages_is_array,
        add constraint journey_sessions_messages_is_array check (jsonb_typeof(messages) = 'array') not valid`);
    const findings = await opened.verify();
    expect(codesOf(findings)).toEqual([
      "error migrations_pending",
      "error check_different",
      "error index_missing",
    ]);
    for (const { remedy } of findings) expect(remedy).toBe("run journey-db migrate --with message-rows");
    await follow(findings, opened);
    expect(await opened.verify()).toEqual([]);
  });

  test("the wider check is as good without a table of messages", async () => {
    const { sql, db } = await migrated();
    await sql`alter table journey_sessions drop constraint journey_sessions_messages_is_array,
      add constraint journey_sessions_messages_is_array check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number')`;
    expect(await verify(db)).toEqual([]);
  });

  test("a table of the same name with other columns is the application's", async () => {
    const { sql, db } = await migrated();
    await sql`create table journey_messages (id uuid primary key, session_id uuid not null, user_id text, message text, created_at timestamptz)`;
    expect(await verify(db)).toEqual([]);
  });

  test("sessions in rows are not among those whose messages are no array", async () => {
    const opened = await inRows("default");
    await opened.change(`alter table ${S} drop constraint journey_sessions_messages_is_array;
      insert into ${S} (user_id, messages) values ('user_c', '"no"'), ('user_c', '{"rows": "2"}')`);
    for (const then of ["", `drop table ${M}`]) {
      await opened.change(then);
      const forbidden = (await opened.verify()).filter(({ code }) => code === "rows_forbidden");
      expect(forbidden.map(({ message }) => message.split(":")[0])).toEqual([
        "2 rows have a messages value that is not a JSON array",
      ]);
      expect(await opened.sql.unsafe(forbidden[0]?.sql ?? "")).toHaveLength(2);
    }
  });

  test("a session in the column that has the latest time has another after its next write", async () => {
    const opened = await inRows("default");
    await opened.change(
      `alter table ${S} disable trigger user; update ${S} set updated_at = 'infinity' where user_id = 'user_a' and jsonb_typeof(messages) = 'array'; alter table ${S} enable trigger user`,
    );
    const [{ id } = {}] = await opened.sql`select id from journey_sessions where updated_at = 'infinity'`;
    const sessions = opened.rows.forUser(opened.db, "user_a");
    for (const next of ["c2", "c3"]) await sessions.append(id, text(next));
    expect(idsOf((await sessions.get(id))?.messages as JourneyMessage[])).toEqual(["c1", "c2", "c3"]);
    expect(await opened.verify()).toEqual([]);
  });

  test("a new message is the last one where a session's time starts again", async () => {
    const opened = await inRows("default");
    await opened.change(
      `alter table ${S} disable trigger user; update ${S} set updated_at = ${LATEST}; alter table ${S} enable trigger user;
      update ${M} set appended_at = ${LATEST} where id = 'm3'`,
    );
    const [{ id } = {}] =
      await opened.sql`select id from journey_sessions where messages ->> 'rows' = '3' and user_id = 'user_a'`;
    const sessions = opened.rows.forUser(opened.db, "user_a");
    await expect(sessions.append(id, text("m4"))).rejects.toMatchObject({ code: "corrupt" });
    await follow(await opened.verify(), opened);
    await sessions.append(id, text("m4"));
    expect(idsOf((await sessions.get(id))?.messages as JourneyMessage[])).toEqual(["m1", "m2", "m3", "m4"]);
    expect(await opened.verify()).toEqual([]);
  });

  test("every message in rows is read twice", async () => {
    const opened = await inRows("default");
    const large = randomBytes(750_000).toString("base64");
    const sessions = opened.rows.forUser(opened.db, "user_a");
    const { id } = await sessions.create({ messages: [text("m1", large), text("m2", large)] });
    const db = openPostgresJs(opened.url, { max: 1 });
    const once = await countedDuring(db, () => opened.rows.forUser(db, "user_a").get(id), "journey_messages");
    const read = await countedDuring(db, () => verify(db), "journey_messages");
    expect(once.toastBlocks).toBeGreaterThan(100);
    expect(read.toastBlocks / once.toastBlocks).toBeGreaterThan(1.9);
    expect(read.toastBlocks / once.toastBlocks).toBeLessThan(2.1);
  });
});

describe("sessions that an append rewrites", () => {
  const large = randomBytes(900_000).toString("base64");

  test("are a note from 1 MB on, with the bytes and the commands", async () => {
    const { db, sql } = await migrated();
    const column = defineJourney().forUser(db, "user_a");
    await column.create({ messages: [text("m1", large)] });
    await column.create({ messages: [text("m1", large), text("m2", large)] });
    await column.create({ messages: [text("m1", large.slice(0, 900_000))] });
    expect(await verify(db)).toEqual([
      {
        severity: "note",
        code: "large_sessions",
        message:
          "2 rows have more than 1 MB of messages in the column, as stored: each append rewrites 1.8 MB on average and 2.4 MB at most; with messages in rows it writes a few kB.",
        remedy:
          "run journey-db migrate --with message-rows, then declare messagesTable in defineJourney({ messages }), then run journey-db convert --to rows",
      },
    ]);
    await migrate(db, { with: ["message-rows"] });
    expect(await verify(db)).toMatchObject([
      {
        code: "large_sessions",
        remedy: "declare messagesTable in defineJourney({ messages }), then run journey-db convert --to rows",
      },
    ]);
    await sql`delete from journey_sessions where pg_column_size(messages) > 1000000`;
    expect(await verify(db)).toEqual([]);
  });

  test("of an application's table", async () => {
    const opened = await inRows("own");
    const column = defineJourney({ table: chats }).forUser(opened.db, "user_a");
    await column.create({ messages: [text("m1", large)] });
    expect(await opened.verify()).toMatchObject([
      {
        code: "large_sessions",
        remedy:
          "declare messagesTable in defineJourney({ messages }), then run journey-db convert --to rows --table chats --schema app",
      },
    ]);
    await opened.change(
      "drop table M cascade; update S set messages = '[]' where jsonb_typeof(messages) = 'object'; drop index app.idx_chats_user_id_updated_at_id",
    );
    expect(await opened.verify()).toMatchObject([
      {
        code: "large_sessions",
        remedy: expect.stringMatching(
          /^apply the application's migrations; one of them must have the SQL that journey-db sql --table chats --schema app --with message-rows prints, then declare/,
        ),
      },
    ]);
  });
});

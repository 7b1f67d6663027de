import type { Sql } from "postgres";
import { afterEach, describe, expect, test } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { type Finding, verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { defineJourney } from "../../src/sessions/define-journey.js";
import type { OptionalMigrations } from "../../src/validation/options.js";
import { codesOf, follow, migrated, prepared, problems } from "../support/changes.js";
import { generated } from "../support/drizzle-kit.js";

const chats = journeyTable({ name: "chats", schema: "app" });

/** Each kind of table, and its names in SQL: S of the sessions, R of the replies, C of the chunks, N, Q, P without schema. */
const TABLES = {
  default: {
    table: journeySessions,
    prefix: "",
    names: {
      S: "journey_sessions",
      R: "journey_replies",
      C: "journey_reply_chunks",
      N: "journey_sessions",
      Q: "journey_replies",
      P: "journey_reply_chunks",
    },
    async make(chosen: OptionalMigrations[]) {
      const opened = await migrated();
      await migrate(opened.db, { with: chosen });
      return opened;
    },
  },
  own: {
    table: chats,
    prefix: "app.",
    names: {
      S: "app.chats",
      R: "app.chats_replies",
      C: "app.chats_reply_chunks",
      N: "chats",
      Q: "chats_replies",
      P: "chats_reply_chunks",
    },
    async make(chosen: OptionalMigrations[]) {
      const opened = await prepared("create schema app");
      const messages = chosen.includes("message-rows") ? { messages: messagesTable(chats) } : {};
      for (const statement of await generated({ chats, ...messages, ...replyTables(chats) }))
        await opened.sql.unsafe(statement);
      for (const statement of tableSql(chats, { with: chosen })) await opened.sql.unsafe(statement);
      return opened;
    },
  },
};
type Which = keyof typeof TABLES;

const USERS = ["user_a", "user_b"];

/** Of the databases of one test, closed after it: the server has too few connections for those of all tests. */
const clients: Sql[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
});

/** A database in which each user has a session with a running reply of two batches, and one without. */
async function withReplies(which: Which, chosen: OptionalMigrations[] = ["durable-replies"]) {
  const { table, make, names, prefix } = TABLES[which];
  const opened = await make(chosen);
  clients.push(opened.sql, (opened.db as unknown as { $client: Sql }).$client);
  const messages = chosen.includes("message-rows") ? { messages: messagesTable(table) } : {};
  const journey = defineJourney({ table, ...messages, replies: replyTables(table).replies } as never);
  for (const user of USERS) {
    const sessions = journey.forUser(opened.db, user);
    const { id } = await sessions.create();
    await sessions.create();
    await sessions.replies?.start(id, "r1");
    for (const n of [1, 2]) await sessions.replies?.write(id, "r1", { n, chunks: `c${n}` });
  }
  const change = (statements: string) =>
    opened.sql.unsafe(
      statements
        .replaceAll("F_", `${prefix}notify_`)
        .replaceAll(/(?<![A-Za-z'])[SRCNQP](?![A-Za-z'])/g, (name) => names[name as "S"]),
    );
  /** The text of the replies of both users, whom their sessions belong to. */
  async function seen() {
    const rows = await change(
      "select string_agg(chunks, '' order by n) as text from R join S on S.id = R.session_id and S.user_id = R.user_id left join C on C.session_id = R.session_id and C.reply_id = R.id group by R.session_id",
    );
    return rows.map(({ text }) => text);
  }
  return { ...opened, table, change, seen, verify: () => verify(opened.db, { table }) };
}

const EVERY = ["c1c2", "c1c2"];

interface Change {
  change: string;
  found: string[];
  /** What a person does, after the SQL of the remedies. */
  by?: string;
  left?: (string | null)[];
}

const CHANGES: Record<string, Change> = {
  "a column is missing": {
    change: "alter table R drop state",
    found: ["error check_missing", "error column_missing"],
    by: "update R set state = 'running'; alter table R alter state set not null",
  },
  "a column that may be NULL is missing": {
    change: "alter table R drop continues",
    found: ["error column_missing"],
  },
  "a column has another type": {
    change: "alter table C alter n type bigint; alter table R alter written_at type timestamp",
    found: ["error column_type", "error column_type"],
  },
  "a column of the chunks has another type": {
    change: "alter table C alter chunks type varchar(100)",
    found: ["error column_type"],
  },
  "a column allows NULL": {
    change: "alter table C alter chunks drop not null",
    found: ["error column_nullable"],
  },
  "a column does not allow NULL": {
    change: "update R set continues = 0; alter table R alter continues set not null",
    found: ["error column_nullable"],
  },
  "the keys are missing": {
    change: "alter table R drop constraint Q_pkey cascade; alter table C drop constraint P_pkey",
    found: ["error constraint_missing", "error primary_key", "error primary_key"],
  },
  "the states are not checked": {
    change: "alter table R drop constraint Q_state",
    found: ["error check_missing"],
  },
  "another state is allowed": {
    change: "alter table R drop constraint Q_state, add constraint Q_state check (state <> '')",
    found: ["error check_different"],
  },
  "the foreign keys are missing": {
    change: "alter table R drop constraint Q_session_id_fkey; alter table C drop constraint P_reply_fkey",
    found: ["error constraint_missing", "error constraint_missing"],
  },
  "the foreign keys are missing, and sessions and replies were deleted": {
    change:
      "alter table R drop constraint Q_session_id_fkey; alter table C drop constraint P_reply_fkey; delete from R where user_id = 'user_a'; delete from S where user_id = 'user_b'",
    found: ["error constraint_missing", "error constraint_missing"],
    left: [],
  },
  "chunks do not follow their reply": {
    change:
      "alter table C drop constraint P_reply_fkey, add constraint P_reply_fkey foreign key (session_id, user_id) references R",
    found: ["error constraint_different"],
  },
  "replies do not go with their session": {
    change:
      "alter table R drop constraint Q_session_id_fkey, add constraint Q_session_id_fkey foreign key (session_id) references S",
    found: ["error constraint_different"],
  },
  "row level security is off": {
    change: "alter table R disable row level security; alter table C disable row level security",
    found: ["warning rls_disabled", "warning rls_disabled"],
  },
  "every role may read chunks": { change: "grant select on C to public", found: ["error public_rights"] },
  "the tables are unlogged": {
    change: "alter table C set unlogged; alter table R set unlogged",
    found: ["error table_unlogged", "error table_unlogged"],
  },
  "replies have another owner than the sessions": {
    change:
      "create schema if not exists app; grant usage on schema app to pg_database_owner; alter table R owner to pg_database_owner",
    found: ["warning table_owner"],
  },
  "the triggers are missing": {
    change: "drop trigger N_notify on S; drop trigger Q_notify on R",
    found: ["warning trigger_missing", "warning trigger_missing"],
  },
  "the triggers and their functions are missing": {
    change: "drop function F_N cascade; drop function F_Q cascade",
    found: ["warning trigger_missing", "warning trigger_missing"],
  },
  "the triggers are disabled": {
    change: "alter table S disable trigger N_notify; alter table R disable trigger Q_notify",
    found: ["warning trigger_disabled", "warning trigger_disabled"],
  },
  "the triggers fire for something else": {
    change: `drop trigger N_notify on S; create trigger N_notify after update on S for each row execute function F_N();
      drop trigger Q_notify on R; create trigger Q_notify after insert or update or delete on R for each row when (pg_trigger_depth() = 0) execute function F_Q()`,
    found: ["warning trigger_different", "warning trigger_different"],
  },
  "the functions are others": {
    change: `create or replace function F_N() returns trigger language plpgsql set search_path = '' as 'begin return null; end';
      create or replace function F_Q() returns trigger language plpgsql set search_path = '' as 'begin return null; end'`,
    found: ["warning function_different", "warning function_different"],
  },
  "the functions follow the caller's search_path": {
    change: "alter function F_N() reset search_path; alter function F_Q() reset search_path",
    found: ["warning function_search_path", "warning function_search_path"],
  },
  "every role may execute the functions": {
    change: "grant execute on function F_N(), F_Q() to public",
    found: ["warning function_rights", "warning function_rights"],
  },
  "the triggers of the keys are disabled": {
    change: "alter table C disable trigger all",
    found: ["error trigger_disabled"],
  },
  "a trigger and a policy of the application are on the replies": {
    change: `create function own() returns trigger language plpgsql as 'begin return new; end';
      create trigger own before insert on R for each row execute function own(); create policy own on R using (false)`,
    found: ["note trigger_unexpected", "note policy"],
  },
  "another table references replies": {
    change:
      "create table votes (session_id uuid, user_id text, foreign key (session_id, user_id) references R)",
    found: ["note foreign_key"],
  },
  "the table of chunks is gone": {
    change: "drop table C",
    found: ["error table_missing"],
    left: [null, null],
  },
  "the table of replies is gone": {
    change: "drop table R cascade",
    found: ["error constraint_missing", "error table_missing"],
    left: [],
  },
  "a reply belongs to another user than its session": {
    change: "update R set user_id = 'user_c' where user_id = 'user_a'",
    found: ["error reply_owner"],
    left: ["c1c2"],
  },
  "another user has a reply of the same session": {
    change:
      "insert into R select 'user_c', session_id, 'r2', message_id, state, continues, batches, started_at, written_at from R",
    found: ["error reply_owner"],
  },
  "replies were left by a crash": {
    change:
      "update R set written_at = now() - interval '61 minutes', state = 'ended' where user_id = 'user_a'",
    found: ["note replies_abandoned"],
  },
};

describe.each(Object.keys(TABLES) as Which[])("the %s table, with durable replies", (which) => {
  test.each<OptionalMigrations[][]>([[["durable-replies"]], [["message-rows", "durable-replies"]]])(
    "has no findings as it was made, with %j",
    async (chosen) => {
      const opened = await withReplies(which, chosen);
      expect(await opened.verify()).toEqual([]);
      expect(await opened.seen()).toEqual(EVERY);
    },
  );

  test.each(Object.keys(CHANGES))("is reported where %s, and the remedies put it right", async (name) => {
    const { change, found, by, left = EVERY } = CHANGES[name] as Change;
    const opened = await withReplies(which);
    await opened.change(change);
    const findings = await opened.verify();
    expect(codesOf(findings).toSorted(), JSON.stringify(findings)).toEqual(found.toSorted());
    for (const { remedy } of findings) expect(remedy).not.toContain("\n");
    if (which === "own" && found.includes("error table_missing")) await recreate(opened, findings);
    else await follow(findings, opened);
    if (by) await opened.change(by);
    expect(problems(await opened.verify())).toEqual([]);
    expect((await opened.seen()).toSorted()).toEqual(left);
  });
});

/** As the application's migrations do, which come first; then the remedies that are left. */
async function recreate(opened: Awaited<ReturnType<typeof withReplies>>, findings: readonly Finding[]) {
  const missing = findings.flatMap(
    ({ message }) => /^There is no table app\.(.*)\.$/.exec(message)?.[1] ?? [],
  );
  for (const statement of await generated({ ...replyTables(chats) }))
    if (missing.some((name) => statement.includes(`TABLE "app"."${name}"`)))
      await opened.sql.unsafe(statement);
  for (const statement of tableSql(chats, { with: ["durable-replies"] })) await opened.sql.unsafe(statement);
  await follow(await opened.verify(), opened);
}

describe("the default table", () => {
  const { table } = TABLES.default;

  test("without the tables, nothing is said of them", async () => {
    const { db, sql } = await migrated();
    expect(await verify(db)).toEqual([]);
    await migrate(db, { with: ["durable-replies"] });
    await sql`drop table journey_replies, journey_reply_chunks`;
    expect(codesOf(await verify(db, { table }))).toEqual([
      "warning table_missing",
      "note trigger_unexpected",
    ]);
    await sql`drop table drizzle.__journey_db_durable_replies`;
    const [note, ...more] = await verify(db);
    expect(more).toEqual([]);
    expect(note).toMatchObject({
      code: "trigger_unexpected",
      message: expect.stringContaining("there is no table of replies"),
      remedy: expect.stringMatching(/^drop it \(drop trigger journey_sessions_notify on journey_sessions\)/),
    });
  });

  test("without the tables that the journal lists, the command creates them again", async () => {
    const opened = await withReplies("default");
    await opened.sql`drop table journey_replies, journey_reply_chunks`;
    const findings = await opened.verify();
    await follow(findings, opened);
    expect(await opened.verify()).toEqual([]);
  });

  test("migrations that the journal does not list are pending, if there is a table of replies", async () => {
    const opened = await withReplies("default");
    for (const lost of [
      "delete from drizzle.__journey_db_durable_replies where id > 1",
      "drop table drizzle.__journey_db_durable_replies",
      "alter table drizzle.__journey_db_durable_replies drop created_at",
    ]) {
      await opened.sql.unsafe(lost);
      const findings = await opened.verify();
      expect(codesOf(findings)).toEqual([
        `error ${lost.includes("created_at") ? "journal_damaged" : "migrations_pending"}`,
      ]);
      expect(findings[0]?.remedy).toMatch(/run journey-db migrate --with durable-replies$/);
      await follow(findings, opened);
      expect(await opened.verify()).toEqual([]);
    }
    expect(await opened.seen()).toEqual(EVERY);
  });

  test("what is missing is created by the command, where the journal is lost", async () => {
    const opened = await withReplies("default");
    await opened.sql.unsafe(
      "drop table drizzle.__journey_db_durable_replies; drop function notify_journey_sessions cascade; drop function notify_journey_replies cascade",
    );
    const findings = await opened.verify();
    expect(codesOf(findings)).toEqual([
      "error migrations_pending",
      "warning trigger_missing",
      "warning trigger_missing",
    ]);
    for (const { remedy } of findings) expect(remedy).toBe("run journey-db migrate --with durable-replies");
    await follow(findings, opened);
    expect(await opened.verify()).toEqual([]);
  });

  test("tables of the same names with other columns are the application's", async () => {
    const { sql, db } = await migrated();
    await sql.unsafe(
      "create table journey_replies (id uuid primary key, session_id uuid, body text); create table journey_reply_chunks (id uuid primary key)",
    );
    expect(await verify(db)).toEqual([]);
  });

  test("a reply with NULL is shown", async () => {
    const opened = await withReplies("default");
    await opened.sql.unsafe(
      "alter table journey_replies alter written_at drop not null; update journey_replies set written_at = null where user_id = 'user_a'",
    );
    const [found, ...more] = await opened.verify();
    expect(codesOf(more)).toEqual(["error column_nullable"]);
    expect(found).toMatchObject({ severity: "error", code: "null_values" });
    expect(await opened.sql.unsafe(found?.sql ?? "")).toMatchObject([{ user_id: "user_a" }]);
  });

  test("what a crash left is counted after an hour, and the statement of the note removes it", async () => {
    const opened = await withReplies("default");
    const lastSign = (interval: string) =>
      opened.sql`update journey_replies set written_at = now() - ${interval}::interval`;
    await lastSign("59 minutes");
    expect(await opened.verify()).toEqual([]);
    await lastSign("61 minutes");
    const [found] = await opened.verify();
    expect(found).toMatchObject({
      severity: "note",
      code: "replies_abandoned",
      message: expect.stringMatching(/^2 replies have had no sign of life for an hour/),
      remedy: expect.stringContaining("journey-db prune"),
    });
    await opened.sql.unsafe(/; (delete from .*) removes all of them$/.exec(found?.remedy ?? "")?.[1] ?? "");
    expect(await opened.verify()).toEqual([]);
    expect(await opened.sql`select from journey_reply_chunks`).toHaveLength(0);
  });
});

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { prune, transfer } from "../../src/admin.js";
import { defineJourney, forUser } from "../../src/index.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { commandLine } from "../support/cli.js";
import {
  migratedDatabase,
  newUser,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { text } from "../support/messages.js";
import { chats, createChats } from "../support/own-table.js";

/** A table of the application's that keeps sessions, and what it says of one. */
const NOTES = (onDelete = "") =>
  `create table notes (session_id uuid constraint "notes of a session" references journey_sessions (id) ${onDelete}, note text)`;

const REFERENCED = {
  name: "JourneyDbError",
  code: "conflict",
  retryable: false,
  constraint: "notes of a session",
  message:
    'A row that references the session, or a trigger, prevents its deletion (constraint "notes of a session"); nothing was deleted. Delete or change that row first.',
};

async function referenced(onDelete?: string) {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql.unsafe(NOTES(onDelete));
  const [db, userId] = [openPostgresJs(url), newUser()];
  const sessions = forUser(db, userId);
  /** So many sessions, older than a year, of which these are referenced. */
  const make = async (count: number, ...kept: number[]) => {
    const ids = Array.from({ length: count }, () => randomUUID()).sort();
    for (const id of ids)
      await sql`insert into journey_sessions (id, user_id, created_at, updated_at) values (${id}, ${userId}, '2020-01-01', '2020-01-01')`;
    for (const n of kept) await sql`insert into notes values (${ids[n] as string}, 'what the user wrote')`;
    return { ids, kept: kept.map((n) => ids[n]) };
  };
  const stored = async () =>
    (await sql<{ id: string }[]>`select id from journey_sessions order by id`).map(({ id }) => id);
  return { url, sql, db, userId, sessions, make, stored };
}

onOneDriver((database) => {
  test("a session that another table references is not deleted, and the error says by which constraint", async () => {
    const [db, userId] = [database(), newUser()];
    await db.execute(NOTES());
    const sessions = forUser(db, userId);
    const { id, revision } = await sessions.create({ messages: [text("m1")] });
    await sessions.create();
    await db.execute(`insert into notes values ('${id}', 'what the user wrote')`);
    for (const call of [
      () => sessions.delete(id),
      () => sessions.delete(id, { ifRevision: revision }),
      () => sessions.deleteAll(),
    ])
      expect(await errorOf(call())).toMatchObject(REFERENCED);
    expect(await sessions.count()).toBe(2);
    await db.execute("delete from notes");
    expect(await sessions.deleteAll()).toBe(2);
    await db.execute("drop table notes");
  });
});

test("so it is with ON DELETE RESTRICT, and where it is checked at the end", async () => {
  for (const how of ["on delete restrict", "deferrable initially deferred"]) {
    const { sessions, make } = await referenced(how);
    const { kept } = await make(1, 0);
    expect(await errorOf(sessions.delete(kept[0] as string)), how).toMatchObject(REFERENCED);
  }
});

/** What else of the application's keeps a session from being deleted, and of which constraint the server tells. */
const KEEPERS: Record<string, [made: string, sqlState: string, constraint?: string]> = {
  "set null, in a column that must not be": [
    "create table kept (session_id uuid not null references journey_sessions on delete set null)",
    "23502",
  ],
  "set default, which no session is": [
    `create table kept (session_id uuid default '${randomUUID()}' constraint a references journey_sessions on delete set default)`,
    "23503",
    "a",
  ],
  "set null, which a check refuses": [
    "create table kept (session_id uuid references journey_sessions on delete set null, constraint b check (session_id is not null))",
    "23514",
    "b",
  ],
  "set null, where one is null already": [
    `create table kept (session_id uuid references journey_sessions on delete set null, constraint c unique nulls not distinct (session_id));
      insert into kept values (null)`,
    "23505",
    "c",
  ],
  "a trigger that raises": [
    `create table kept (session_id uuid references journey_sessions on delete cascade);
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'what the user wrote'; end $$;
      create trigger refuse before delete on kept for each row execute function refuse()`,
    "P0001",
  ],
  "a row of a row that goes with it": [
    `create table kept (session_id uuid unique references journey_sessions on delete cascade);
      create table grandchildren (id uuid constraint d references kept (session_id));
      create function also() returns trigger language plpgsql as $$ begin insert into grandchildren values (new.session_id); return null; end $$;
      create trigger also after insert on kept for each row execute function also()`,
    "23503",
    "d",
  ],
  "a session of the same table": [
    "alter table journey_sessions add parent_id uuid constraint e references journey_sessions; create view kept as select parent_id from journey_sessions; create rule r as on insert to kept do instead insert into journey_sessions (user_id, parent_id) values ('someone', new.parent_id)",
    "23503",
    "e",
  ],
};

test.each(Object.entries(KEEPERS))(
  "%s keeps a session, and prune and erase go on with the others",
  async (_, [made, sqlState, constraint]) => {
    const { sql, db, userId, sessions, make } = await referenced();
    const [server] = await sql`select current_setting('server_version_num')::int as version`;
    if (server?.version < 150_000 && made.includes("nulls not distinct")) return;
    await sql.unsafe(made);
    const { ids } = await make(4);
    await sql`insert into kept values (${ids[1] as string})`;
    const refused = {
      code: "conflict",
      retryable: false,
      sqlState,
      constraint,
      message: `A row that references the session, or a trigger, prevents its deletion${constraint ? ` (constraint "${constraint}")` : ""}; nothing was deleted. Delete or change that row first.`,
    };
    for (const call of [() => sessions.delete(ids[1] as string), () => sessions.deleteAll()]) {
      const { code, retryable, message, ...error } = await errorOf(call());
      expect({ code, retryable, message, sqlState: error.sqlState, constraint: error.constraint }).toEqual(
        refused,
      );
    }
    expect(await prune(db, { inactiveFor: "1y" })).toEqual({
      sessions: 3,
      left: { sessions: 1, constraints: constraint ? [constraint] : [] },
    });
    expect(await forUser(db, userId).count()).toBe(1);
  },
);

test("of other calls such an error is none of a session that is kept", async () => {
  const { sql, sessions } = await referenced();
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
    create trigger refuse before insert on journey_sessions for each row execute function refuse()`);
  expect(await errorOf(sessions.create())).toMatchObject({ code: "internal", sqlState: "P0001" });
});

/** Foreign keys, and those of them that keep a session. */
const KEYS: [made: string, keeping: string[]][] = [
  ["create table a (s uuid references journey_sessions on delete set null)", []],
  ["create table a (s uuid references journey_sessions on delete cascade)", []],
  ["create table a (s uuid references journey_sessions)", ["a_s_fkey of a"]],
  ...["restrict", "set null", "set default"].map((action): [string, string[]] => [
    `create table a (s uuid not null references journey_sessions on delete ${action})`,
    ["a_s_fkey of a"],
  ]),
  [
    `create table a (s uuid unique references journey_sessions on delete cascade); create table b (s uuid unique references a (s) on delete cascade);
      alter table a add b uuid references b (s) on delete cascade; create table c (s uuid not null references b (s))`,
    ["c_s_fkey of c"],
  ],
  [
    `create table a (s uuid unique references journey_sessions on delete set null); create table b (s uuid references a (s))`,
    [],
  ],
];

test.each(KEYS)("verify, of %s", async (made, keeping) => {
  const { sql, db } = await referenced("on delete cascade");
  await sql.unsafe(made);
  const found = await verify(db);
  expect(found.map(({ severity, code, sql }) => ({ severity, code, sql }))).toEqual(
    keeping.map(() => ({ severity: "note", code: "foreign_key", sql: undefined })),
  );
  for (const [index, key] of keeping.entries())
    expect(found[index]?.message).toContain(`Foreign key ${key} keeps sessions`);
});

test("verify passes by a foreign key that is not enforced", async ({ skip }) => {
  const { sql, db } = await referenced("on delete cascade");
  const [server] = await sql`select current_setting('server_version_num')::int as version`;
  if (server?.version < 180000) skip("PostgreSQL 18 has them");
  await sql.unsafe("create table a (s uuid references journey_sessions not enforced)");
  expect(await verify(db)).toEqual([]);
});

test("a foreign key of the table's own says nothing of deleting", async () => {
  const { sql, sessions } = await referenced();
  await sql.unsafe(`create table users (id text primary key);
    alter table journey_sessions add constraint of_user foreign key (user_id) references users (id)`);
  expect(await errorOf(sessions.create())).toMatchObject({
    code: "conflict",
    message: "The database returned SQLSTATE 23503: a constraint of the application refused the row.",
    sqlState: "23503",
    constraint: "of_user",
  });
});

test.each([
  ["one in the middle", 9, [4]],
  ["the first and the last", 9, [0, 8]],
  ["all", 5, [0, 1, 2, 3, 4]],
])(
  "prune deletes the others where %s is referenced, and says how many are left",
  async (_, count, places) => {
    for (const batchSize of [1, 3, 500]) {
      const { db, make, stored } = await referenced();
      const { kept } = await make(count, ...places);
      let examined = 0;
      const onProgress = (progress: { examined: number }) => {
        examined = progress.examined;
      };
      expect(await prune(db, { inactiveFor: "1y", batchSize, onProgress })).toEqual({
        sessions: count - kept.length,
        left: { sessions: kept.length, constraints: ["notes of a session"] },
      });
      expect(await stored()).toEqual(kept);
      expect(examined).toBe(count);
    }
  },
);

test("in a transaction prune throws what kept it from going on", async () => {
  const { db, make, stored } = await referenced();
  const { ids } = await make(3, 1);
  expect(await errorOf(db.transaction((tx) => prune(tx, { inactiveFor: "1y" })))).toMatchObject(REFERENCED);
  expect(await stored()).toEqual(ids);
});

test("on the command line prune and erase go on with the others, and exit with 1", {
  timeout: 60_000,
}, async () => {
  const { url, userId, make, stored } = await referenced();
  const { kept } = await make(4, 2);
  const cli = await commandLine(url);
  const left =
    'journey-db: left: 1 session, since another table or a trigger prevents its deletion (constraint "notes of a session"); delete or change the rows there first\n';
  const pruned = await cli.run("prune", "--inactive-for", "1y");
  expect(pruned).toMatchObject({ status: 1, stdout: "deleted 3 sessions\n" });
  expect(pruned.stderr.endsWith(left)).toBe(true);
  await make(2);
  expect(await cli.run("erase", userId, "--yes")).toEqual({
    status: 1,
    stdout: "erased 2 sessions; left: 1\n",
    stderr: left,
  });
  expect(await stored()).toEqual(kept);
});

test("verify tells of it in a note, which names the key and what calls report", async () => {
  const { db, make } = await referenced("on update cascade");
  await make(2, 1);
  const [finding, ...more] = await verify(db);
  expect({ ...finding, more }).toMatchObject({
    severity: "note",
    code: "foreign_key",
    message: expect.stringMatching(/"notes of a session" of notes .* report conflict with its name/),
    more: [],
  });
  expect(finding).not.toHaveProperty("sql");
});

test("node-postgres is told the same", async () => {
  const { url, userId, make } = await referenced();
  await make(1, 0);
  expect(await errorOf(forUser(openNodePostgres(url), userId).deleteAll())).toMatchObject(REFERENCED);
});

/** Of the application's: a key of an own table in another schema, by the id and by the id and the owner. */
async function ownTable() {
  const url = await migratedDatabase();
  const [sql, db] = [rawClient(url), openPostgresJs(url)];
  await createChats(db);
  await sql`alter table app.chats add unique (id, user_id)`;
  await sql`create table notes (session_id uuid constraint "notes of a chat" references app.chats (id))`;
  await sql`create table shares (session_id uuid, owner text, constraint "shares of a chat" foreign key (session_id, owner) references app.chats (id, user_id))`;
  await sql`create table pins (session_id uuid, owner text not null, foreign key (session_id, owner) references app.chats (id, user_id) on update set null)`;
  const userId = newUser();
  const sessions = defineJourney({ table: chats }).forUser(db, userId);
  const make = async () => {
    const runId = randomUUID();
    await sql`insert into app.chats (user_id, run_id, updated_at) values (${userId}, ${runId}, '2020-01-01')`;
    const [row] = await sql<{ id: string }[]>`select id from app.chats where run_id = ${runId}`;
    return (row as { id: string }).id;
  };
  return { url, sql, db, userId, sessions, make };
}

test("so it is with an own table in another schema, by the command line too", {
  timeout: 60_000,
}, async () => {
  const { url, sql, db, userId, sessions, make } = await ownTable();
  const [kept] = [await make(), await make(), await make()];
  await sql`insert into notes values (${kept})`;
  const refused = {
    ...REFERENCED,
    constraint: "notes of a chat",
    message: REFERENCED.message.replace("notes of a session", "notes of a chat"),
  };
  expect(await errorOf(sessions.delete(kept))).toMatchObject(refused);
  expect(await errorOf(sessions.deleteAll())).toMatchObject(refused);
  expect(await sessions.count()).toBe(3);
  expect(await prune(db, { table: chats, inactiveFor: "1y" })).toEqual({
    sessions: 2,
    left: { sessions: 1, constraints: ["notes of a chat"] },
  });
  await make();
  const cli = await commandLine(url);
  const named = ["--table", "chats", "--schema", "app"];
  const left = expect.stringMatching(
    /journey-db: left: 1 session, .* \(constraint "notes of a chat"\); delete or change the rows there first\n$/,
  );
  expect(await cli.run("prune", "--inactive-for", "1y", ...named)).toMatchObject({
    status: 1,
    stdout: "deleted 1 session\n",
    stderr: left,
  });
  await make();
  expect(await cli.run("erase", userId, "--yes", ...named)).toEqual({
    status: 1,
    stdout: "erased 1 session; left: 1\n",
    stderr: left,
  });
});

test.each([
  ["without ON UPDATE", "shares", "23503", "shares of a chat"],
  ["with ON UPDATE SET NULL, in a column that must not be null", "pins", "23502", undefined],
])(
  "transfer is refused by a foreign key over the id and the user %s, and nothing is moved",
  async (_, table, sqlState, constraint) => {
    const { sql, db, userId, sessions, make } = await ownTable();
    const [id] = [await make(), await make()];
    await sql`insert into ${sql(table)} values (${id}, ${userId})`;
    const moving = transfer(db, { table: chats, from: userId, to: newUser() });
    expect(await errorOf(moving)).toMatchObject({
      code: "conflict",
      retryable: false,
      sqlState,
      ...(constraint && { constraint }),
      message: `The database returned SQLSTATE ${sqlState}: a constraint of the application refused the row.`,
    });
    expect(await sessions.count()).toBe(2);
  },
);

test("transfer changes a foreign key over the id and the user that has ON UPDATE CASCADE", async () => {
  const { sql, db, userId, make } = await ownTable();
  await sql`create table follows (session_id uuid, owner text, foreign key (session_id, owner) references app.chats (id, user_id) on update cascade)`;
  const [id, to] = [await make(), newUser()];
  await sql`insert into follows values (${id}, ${userId})`;
  expect(await transfer(db, { table: chats, from: userId, to })).toEqual({ sessions: 1 });
  expect(await sql`select owner from follows`).toEqual([{ owner: to }]);
});

test("transfer of the default table is refused by a foreign key over the id and the user too", async () => {
  const { sql, db, userId, make } = await referenced();
  await sql`alter table journey_sessions add unique (id, user_id)`;
  await sql`create table shares (session_id uuid, owner text, constraint "shares of a session" foreign key (session_id, owner) references journey_sessions (id, user_id))`;
  const { ids } = await make(2);
  await sql`insert into shares values (${ids[0] as string}, ${userId})`;
  expect(await errorOf(transfer(db, { from: userId, to: newUser() }))).toMatchObject({
    code: "conflict",
    sqlState: "23503",
    constraint: "shares of a session",
  });
  expect(await sql`select from journey_sessions where user_id = ${userId}`).toHaveLength(2);
});

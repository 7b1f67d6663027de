import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { prune } from "../src/admin.js";
import { forUser } from "../src/index.js";
import { verify } from "../src/verify.js";
import { commandLine } from "./support/cli.js";
import {
  migratedDatabase,
  newUser,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "./support/database.js";
import { onEveryDriver } from "./support/drivers.js";
import { errorOf } from "./support/errors.js";
import { text } from "./support/messages.js";

/** A table of the application's that keeps sessions, and what it says of one. */
const NOTES = (onDelete = "") =>
  `create table notes (session_id uuid constraint "notes of a session" references journey_sessions (id) ${onDelete}, note text)`;

const REFERENCED = {
  name: "JourneyDbError",
  code: "conflict",
  retryable: false,
  constraint: "notes of a session",
  message:
    'Another table still references the session (constraint "notes of a session"); nothing was deleted. Run journey-db verify.',
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

onEveryDriver((database) => {
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

test("a foreign key of the table's own says nothing of deleting", async () => {
  const { sql, sessions } = await referenced();
  await sql.unsafe(`create table users (id text primary key);
    alter table journey_sessions add constraint of_user foreign key (user_id) references users (id)`);
  expect(await errorOf(sessions.create())).toMatchObject({
    code: "internal",
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
    'journey-db: left: 1 session, since another table references it (constraint "notes of a session"); see journey-db verify\n';
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

test("verify tells of it, and its remedy has the rows go with their session", async () => {
  const { sql, db, sessions, make } = await referenced("on update cascade");
  const { kept } = await make(2, 1);
  const [finding, ...more] = await verify(db);
  expect({ ...finding, more }).toMatchObject({ severity: "warning", code: "foreign_key", more: [] });
  await sql.unsafe(finding?.sql ?? "");
  expect(await verify(db)).toEqual([]);
  expect(await sessions.delete(kept[0] as string)).toBe(true);
  expect(await sql`select from notes`).toHaveLength(0);
});

test("node-postgres is told the same", async () => {
  const { url, userId, make } = await referenced();
  await make(1, 0);
  expect(await errorOf(forUser(openNodePostgres(url), userId).deleteAll())).toMatchObject(REFERENCED);
});

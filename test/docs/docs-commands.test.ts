import type { ReservedSql, Sql } from "postgres";
import { beforeAll, describe, expect, it } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney, forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { contentAlone } from "../support/ai-sdk-4.js";
import { startServer } from "../support/child-server.js";
import { atEnd, openPostgresJs, rawClient } from "../support/database.js";
import { type Block, blocksOf, pages, readDocument } from "../support/markdown.js";
import { makeOldTable, OLD_TABLE, rowsOf } from "../support/old-table.js";
import { type Done, shellSession, shownAs } from "../support/shell-session.js";
import { supabaseDatabase } from "../support/supabase.js";

/** The `sh` and `sql` blocks that no test runs, by page and section, and why. Keep it short. */
const NOT_RUN: Record<string, string> = {
  "docs/performance.md: How to repeat it":
    "the benchmark has an install of its own and takes half an hour; that its programs compile is part of .ci/run",
  "docs/install.md: As a workspace": "needs the address of a repository; workspace.test.ts installs a copy",
  "docs/install.md: As a tarball": "needs an application; package.test.ts installs the tarball",
  "docs/drivers.md: Drizzle Studio": "runs until it is stopped; studio.test.ts starts it",
  "docs/schema.md: Your first column": "changes the sources; schema-workspace.test.ts runs it in a copy",
  "docs/schema.md: Your own table": "needs drizzle-kit; schema-own-table.test.ts runs it in an application",
  "docs/schema.md: Message rows": "as docs/schema.md: Your own table",
  "docs/schema.md: Durable replies": "as docs/schema.md: Your own table",
  "docs/cli.md: Over several servers":
    "needs a cluster of Citus; test/citus/distribute.test.ts runs it on one",
  "docs/operations.md: A standby that takes over": "needs two servers; failover.test.ts starts them",
  "docs/nextjs-supabase.md: 2. Install the package": "as docs/install.md: As a workspace",
};

/** A project's database, named as the documents name it in their URLs, and what a section starts from. */
type Databases = Record<"project" | "new-project", string>;
interface Section {
  /** What the project's database holds. The other is empty. */
  given?: (databases: Databases) => Promise<void>;
  /** The commands that end with another status than 0. */
  fails?: string[];
  /** That what the page says holds afterwards. */
  after?: (databases: Databases, done: Done[]) => Promise<void>;
}

const SECTIONS: Record<string, Section> = {
  "Deploying migrations": {},
  "Adopting a Supabase table": {
    given: oldTableOnSupabase,
    fails: ["npx journey-db verify", "npx journey-db repair-json --dry-run", "npx journey-db repair-json"],
    after: async ({ project }) => expect(await verify(openPostgresJs(project))).toEqual([]),
  },
  "3. Adopt the table": {
    given: async ({ project }) => {
      await makeOldTable(rawClient(project));
    },
    fails: ["npx journey-db verify"],
    after: async ({ project }) => expect(await verify(openPostgresJs(project))).toEqual([]),
  },
  "Converting messages of AI SDK 4": { given: migratedWithAiSdk4 },
  "Backup and restore": { given: migratedWithBothLayouts, after: haveTheSameRows },
  "Repairing message rows": { given: withLostMessages, after: haveTheirMessages },
  "Switch it on": {},
  "Durable replies": { given: migratedWithReplies, after: hasTheRunningReply },
  Retention: { given: migratedWithOldSessions },
  Erasure: { given: migratedWithBothLayouts, after: keepsTheOthers },
  Monitoring: { given: oneWaitsForAnother, after: showsWhoWaits },
  "Moving from a transaction pooler": { given: migratedWithSessions },
  "Check the database": {},
  "Move or erase a user's sessions": { given: migratedWithSessions, after: haveBeenMoved },
  "Work on all users": { given: migratedWithSessions },
  "Use message rows": {},
  "Read a conversation in SQL": { given: inBothLayouts, after: readsTheConversations },
  Convert: { given: migratedWithSessions, after: areInColumnAgain },
};

/** The one place where the documents' URLs become the test server's. */
const fillWith = (databases: Databases) => (text: string) =>
  text.replace(
    /postgres:\/\/postgres\.<([\w-]+)>:<password>@<host>\.pooler\.supabase\.com:5432\/postgres/g,
    (_, name: keyof Databases) => databases[name],
  );

let server: URL;
beforeAll(async () => {
  const { url, stop } = await startServer("shared_preload_libraries=pg_stat_statements");
  atEnd(stop);
  server = new URL(url);
});

/** What README.md and CONTRIBUTING.md show is for a clone of this repository; docs.test.ts looks whether it exists. */
const runnable: (Block & { title: string })[] = pages
  .filter((page) => page.startsWith("docs/"))
  .flatMap((page) =>
    blocksOf(readDocument(page))
      .filter(({ lang }) => ["sh", "sql", "dotenv"].includes(lang))
      .map((block) => ({ ...block, title: `${page}: ${block.section}` })),
  );
const commands = runnable.filter(({ lang }) => lang !== "dotenv");
const titles = [...new Set(commands.map(({ title }) => title))].filter(
  (title) => !(title in NOT_RUN || title.endsWith(": ")),
);

it("each block that is not run is still there", () => {
  const all = runnable.map(({ title }) => title);
  for (const title of Object.keys(NOT_RUN)) expect(all).toContain(title);
});

describe.each(titles)("%s", (title) => {
  it("its commands and statements do what the page shows", { timeout: 180_000 }, async () => {
    const blocks = runnable.filter((block) => block.title === title);
    const section = SECTIONS[blocks[0]?.section ?? ""];
    expect(section, "a section with commands needs an entry in SECTIONS").toBeDefined();
    const databases = await makeDatabases();
    await section?.given?.(databases);
    const session = await shellSession(databases.project, fillWith(databases));
    const page = title.replace(/: .*/, ": ");
    // What stands above the first section holds for all, and so does an .env file.
    const first = runnable.filter((block) => block.title === page);
    const dotenv = runnable.filter((block) => block.lang === "dotenv" && block.title.startsWith(page));
    const all: Done[] = [];
    for (const block of [...dotenv, ...first, ...blocks]) {
      const done = await session.run(block);
      all.push(done);
      const line = `line ${block.line}:\n${block.value}\n`;
      if (block.output !== undefined) expect(done.printed, line).toMatch(shownAs(block.output));
      if (done.columns.length === 0) continue;
      expect(done.rows, line).not.toEqual([]);
      for (const column of done.columns) expect(block.after, line).toContain(`\`${column}\``);
    }
    expect(all.flatMap(({ failed }) => failed)).toEqual(section?.fails ?? []);
    await section?.after?.(databases, all);
  });
});

it("the statements on rows in another format leave sessions in rows alone", async () => {
  const databases = await makeDatabases();
  await migratedWithBothLayouts(databases);
  const sql = rawClient(databases.project);
  const ofAdoption = commands.filter(({ section }) => section === "Adopting a Supabase table");
  const statements = ofAdoption.filter(({ lang }) => lang === "sql");
  expect(statements).toHaveLength(2);
  for (const { value } of statements) expect([...(await sql.unsafe(value))].flat()).toEqual([]);
  expect(await rowsOf(sql)).toHaveLength(3);
  expect(await messageRowsOf(databases.project)).toHaveLength(2);
});

let made = 0;

/** Two projects as on Supabase, reached as the role that owns the table and is no superuser. */
async function makeDatabases(): Promise<Databases> {
  const n = made++;
  const project = await supabaseDatabase(server, `project_${n}`, "legacy");
  const other = await supabaseDatabase(server, `new_project_${n}`, "legacy");
  await project.sql`create extension pg_stat_statements`;
  await project.sql`grant pg_read_all_stats to owner`;
  return { project: project.urlAs("owner"), "new-project": other.urlAs("owner") };
}

const HELLO = [{ id: "m1", role: "user" as const, parts: [{ type: "text", text: "Hello" }] }];

async function oldTableOnSupabase({ project }: Databases): Promise<void> {
  const sql = rawClient(project);
  await sql.unsafe(OLD_TABLE);
  await sql`insert into journey_sessions (user_id, messages) values
    ('user_2abc', ${sql.json(HELLO)}), ('user_2abc', '[]'), ('user_2def', ${sql.json({ text: "Hello" })})`;
  await sql`insert into journey_sessions (user_id, phase, messages, metadata) values ('user_2def', null, null, null)`;
  for (const text of [JSON.stringify(HELLO), "Hello"])
    await sql`insert into journey_sessions (user_id, messages) values ('user_2abc', to_jsonb(${text}::text))`;
}

async function migratedWithSessions({ project }: Databases): Promise<void> {
  const db = openPostgresJs(project);
  await migrate(db);
  for (const userId of ["user_2abc", "user_2abc", "user_2def"])
    await forUser(db, userId).create({ messages: HELLO });
}

/** As migratedWithSessions, but for one session of each user, which is in rows. */
async function migratedWithBothLayouts({ project }: Databases): Promise<void> {
  const db = openPostgresJs(project);
  await migrate(db, { with: ["message-rows"] });
  const rows = defineJourney({ messages: messagesTable(journeySessions) });
  await forUser(db, "user_2abc").create({ messages: HELLO });
  for (const userId of ["user_2abc", "user_2def"]) await rows.forUser(db, userId).create({ messages: HELLO });
}

async function migratedWithAiSdk4(databases: Databases): Promise<void> {
  await migratedWithSessions(databases);
  const sql = rawClient(databases.project);
  for (const messages of [contentAlone.slice(0, 1), contentAlone.slice(1, 4)])
    await sql`insert into journey_sessions (user_id, messages) values ('user_2abc', ${sql.json(messages)})`;
}

const inColumn = "0198c0de-0000-7000-8000-000000000001";
const inRows = "0198c0de-0000-7000-8000-000000000002";

async function inBothLayouts({ project }: Databases): Promise<void> {
  const db = openPostgresJs(project);
  await migrate(db, { with: ["message-rows"] });
  const messages = [
    ...HELLO,
    { id: "m2", role: "assistant" as const, parts: [{ type: "text", text: "Hi" }] },
  ];
  await forUser(db, "user_2abc").create({ id: inColumn, messages });
  const rows = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, "user_2abc");
  await rows.create({ id: inRows, messages: HELLO });
  await rows.append(inRows, messages.slice(1));
}

async function readsTheConversations(_: Databases, done: Done[]): Promise<void> {
  const read = done.map(({ rows }) => rows).filter(({ length }) => length > 0);
  const ids = read.map((rows) => rows.map(({ message }) => (message as { id: string }).id));
  expect(ids).toEqual([
    ["m1", "m2"],
    ["m1", "m2"],
    ["m1", "m2", "m1", "m2"],
  ]);
}

async function areInColumnAgain({ project }: Databases, done: Done[]): Promise<void> {
  const [toRows = "", toColumn = ""] = done.slice(-2).map(({ printed }) => printed);
  expect(toRows).toMatch(/converted 3 sessions/);
  expect(toColumn).toMatch(/converted 3 sessions/);
  const rows = await rowsOf(rawClient(project));
  expect(rows.map(({ messages }) => JSON.parse(messages))).toEqual([HELLO, HELLO, HELLO]);
}

const messageRowsOf = async (url: string) => [
  ...(await rawClient(
    url,
  )`select user_id, session_id, id, appended_at::text, n, message::text from journey_messages
    order by session_id, appended_at, n`),
];

async function haveTheSameRows(databases: Databases): Promise<void> {
  const [before, after] = await Promise.all(
    Object.values(databases).map(async (url) => [await rowsOf(rawClient(url)), await messageRowsOf(url)]),
  );
  expect(before?.map(({ length }) => length)).toEqual([3, 2]);
  expect(after).toEqual(before);
}

async function withLostMessages(databases: Databases): Promise<void> {
  await inBothLayouts(databases);
  const sql = rawClient(databases.project);
  await sql`create table restored_messages as select * from journey_messages`;
  await sql`delete from journey_messages where id = 'm1'`;
}

async function haveTheirMessages({ project }: Databases): Promise<void> {
  expect((await messageRowsOf(project)).map(({ id }) => id)).toEqual(["m1", "m2"]);
  expect(await verify(openPostgresJs(project))).toEqual([]);
}

async function haveBeenMoved({ project }: Databases, done: Done[]): Promise<void> {
  expect(done.at(-1)?.printed).toContain(
    "imported 2 sessions; already there, left as they are: 0; refused: 0",
  );
  expect(await rowsOf(rawClient(project))).toHaveLength(3);
}

async function keepsTheOthers({ project }: Databases): Promise<void> {
  const rows = await rowsOf(rawClient(project));
  expect(rows.map(({ user_id }) => user_id)).toEqual(["user_2def"]);
  expect((await messageRowsOf(project)).map(({ user_id }) => user_id)).toEqual(["user_2def"]);
}

async function migratedWithOldSessions(databases: Databases): Promise<void> {
  await migratedWithBothLayouts(databases);
  await rawClient(databases.project)`insert into journey_sessions (user_id, created_at, updated_at)
    select 'user_2abc', written, written from (values (now() - interval '91 days'), (now() - interval '1 year')) as old (written)`;
}

/** One reply is running, and one has ended that nobody has removed. */
async function migratedWithReplies({ project }: Databases): Promise<void> {
  const db = openPostgresJs(project);
  await migrate(db, { with: ["durable-replies"] });
  const durable = defineJourney({ replies: replyTables(journeySessions).replies });
  const sql = rawClient(project);
  for (const written of ["now() + interval '1 minute'", "now() - interval '2 hours'"]) {
    const sessions = durable.forUser(db, "user_2abc");
    const { id } = await sessions.create({ messages: HELLO });
    await sessions.replies?.start(id, "r1");
    const state = written.includes("+") ? "running" : "ended";
    await sql`update journey_replies set state = ${state}, written_at = ${sql.unsafe(written)} where session_id = ${id}`;
  }
}

async function hasTheRunningReply({ project }: Databases): Promise<void> {
  const left = await rawClient(project)`select state from journey_replies`;
  expect(left.map(({ state }) => state)).toEqual(["running"]);
}

async function oneWaitsForAnother(databases: Databases): Promise<void> {
  await migratedWithBothLayouts(databases);
  const sql = rawClient(databases.project);
  const touch = (on: Sql | ReservedSql) => on`update journey_sessions set phase = 'review'`;
  const holder = await sql.reserve();
  await holder`begin`;
  await touch(holder);
  // Ends with its connection.
  touch(sql).catch(() => {});
  const waiting = () => sql`select from pg_stat_activity where wait_event_type = 'Lock'`;
  await expect.poll(async () => (await waiting()).length).toBe(1);
}

async function showsWhoWaits(_: Databases, done: Done[]): Promise<void> {
  const rows = done.flatMap(({ rows }) => rows);
  const [waiter] = rows.filter(({ waits_for: pids }) => Array.isArray(pids) && pids.length > 0);
  expect(rows.map(({ pid }) => pid)).toContain((waiter?.waits_for as number[] | undefined)?.[0]);
}

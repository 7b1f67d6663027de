import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import type { Sql } from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney } from "../../src/index.js";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema.js";
import { catalogueOf } from "../support/catalogue.js";
import { prepared } from "../support/changes.js";
import { atEnd, emptyDatabase, openNodePostgres, openPostgresJs, rawClient } from "../support/database.js";
import { migrateWithKit } from "../support/drizzle-kit.js";
import { errorOf } from "../support/errors.js";
import { makeOldTable, OLD_TABLE, rowsOf } from "../support/old-table.js";
import { startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

const WITH = { with: ["durable-replies"] } as const;
const BOTH = { with: ["durable-replies", "message-rows"] } as const;
const namesOf = (of: "main" | "message-rows" | "durable-replies") =>
  shippedMigrations(of).map(({ name }) => name);
const [MAIN, ROWS, REPLIES] = [namesOf("main"), namesOf("message-rows"), namesOf("durable-replies")];

const { replies } = replyTables(journeySessions);
const handle = (db: Database) => defineJourney({ replies }).forUser(db, "user_a");

/** Begins a reply, and reads what it has written. */
async function replyIn(db: Database): Promise<string | undefined> {
  const { create, replies } = handle(db);
  const { id } = await create();
  await replies?.start(id, "r1");
  await replies?.write(id, "r1", { n: 1, chunks: "a" });
  return (await replies?.read(id))?.chunks;
}

let fresh: Awaited<ReturnType<typeof catalogueOf>>;
beforeAll(async () => {
  const { sql, db } = await prepared();
  await migrate(db, WITH);
  fresh = await catalogueOf(sql);
});

test("the names are those of the files in their folder", () => {
  expect(REPLIES[0]).toBe("durable-replies/0000_journey_replies");
});

describe.each<[string, (url: string) => Database]>([
  ["postgres.js", (url) => openPostgresJs(url)],
  ["node-postgres", (url) => openNodePostgres(url)],
  [
    "PGlite",
    () => {
      const client = new PGlite();
      atEnd(() => client.close());
      return drizzlePglite({ client });
    },
  ],
])("%s", (_, open) => {
  test("applies the folders, then nothing, and a reply is written and read", async () => {
    const db = open(await emptyDatabase());
    expect(await migrate(db, WITH)).toEqual({ applied: [...MAIN, ...REPLIES] });
    expect(await migrate(db, WITH)).toEqual({ applied: [] });
    expect(await migrate(db)).toEqual({ applied: [] });
    expect(await replyIn(db)).toBe("a");
    expect(await migrate(db, BOTH)).toEqual({ applied: ROWS });
    expect(await verify(db)).toEqual([]);
  });
});

test("both optional folders give the same in one call, in either order", async () => {
  const catalogues = [];
  for (const calls of [
    [BOTH],
    [WITH, { with: ["message-rows"] }],
    [{ with: ["message-rows"] }, WITH],
  ] as const) {
    const { sql, db } = await prepared();
    for (const options of calls) await migrate(db, options);
    expect(await verify(db)).toEqual([]);
    catalogues.push(await catalogueOf(sql));
  }
  expect(catalogues[1]).toEqual(catalogues[0]);
  expect(catalogues[2]).toEqual(catalogues[0]);
});

test("a table of sessions gets them later, with the same result, and keeps its rows", async () => {
  const { sql, db } = await prepared();
  await migrate(db);
  await sql`insert into journey_sessions (user_id, messages) values ('user_a', '[{"id": "a"}]')`;
  const before = await rowsOf(sql);
  expect(await migrate(db, WITH)).toEqual({ applied: REPLIES });
  expect(await catalogueOf(sql)).toEqual(fresh);
  expect(await rowsOf(sql)).toEqual(before);
});

test("a table of sessions that was made by hand has the same result", async () => {
  const { sql, db } = await prepared(OLD_TABLE);
  await migrate(db, WITH);
  expect(await catalogueOf(sql)).toEqual(fresh);
});

test("a database restored without the journals keeps its replies, with the same result", async () => {
  const { sql, db } = await prepared();
  await migrate(db, WITH);
  expect(await replyIn(db)).toBe("a");
  await sql`drop schema drizzle cascade`;
  expect(await migrate(db, WITH)).toEqual({ applied: [...MAIN, ...REPLIES] });
  expect(await sql`select from journey_reply_chunks`).toHaveLength(1);
  expect(await verify(db)).toEqual([]);
});

test("the script of --dry-run has the same result as migrate, and contains only what is pending", async () => {
  const { sql, db } = await prepared(OLD_TABLE);
  await sql.unsafe(toScript(await pendingMigrations(db)));
  const pending = await pendingMigrations(db, WITH);
  expect(pending.map(({ name }) => name)).toEqual(REPLIES);
  await sql.unsafe(toScript(pending));
  expect(await catalogueOf(sql)).toEqual(fresh);
  expect(await migrate(db, WITH)).toEqual({ applied: [] });
  expect(toScript(await pendingMigrations(db, WITH))).toBe("-- Nothing to apply.\n");
  await expect(sql.unsafe(toScript(pending))).rejects.toMatchObject({ code: "P0001" });
});

test("drizzle-kit, with the repository's own configuration, agrees on what is applied", async () => {
  const { url, sql, db } = await prepared();
  expect(await migrateWithKit(url)).toMatchObject({ status: 0 });
  expect(await migrateWithKit(url, "drizzle.durable-replies.config.ts")).toMatchObject({ status: 0 });
  expect(await migrate(db, WITH)).toEqual({ applied: [] });
  expect(await catalogueOf(sql)).toEqual(fresh);
});

describe("the journal of the replies", () => {
  test("lists a table that is missing: migrate and pendingMigrations fail", async () => {
    const { sql, db } = await prepared();
    await migrate(db, WITH);
    await sql`drop table journey_replies cascade`;
    for (const call of [migrate, pendingMigrations])
      expect(await errorOf(call(db, WITH))).toMatchObject({
        code: "migration",
        message: expect.stringMatching(
          /^The journal drizzle\.__journey_db_durable_replies lists the table as created/,
        ),
      });
    expect(await migrate(db)).toEqual({ applied: [] });
  });

  test("stays empty where a file fails, whose folder the error names", async () => {
    const { sql, db } = await prepared("create view journey_replies as select 1 as id");
    expect(await errorOf(migrate(db, WITH))).toMatchObject({
      code: "migration",
      message: expect.stringMatching(
        /^durable-replies\/0000_journey_replies\.sql failed with SQLSTATE 42809/,
      ),
    });
    expect(await sql`select from pg_namespace where nspname = 'drizzle'`).toHaveLength(0);
  });
});

test("replies are created in the schema of their sessions, or not at all", async () => {
  const { url, sql } = await prepared("create schema app", "create schema other");
  const through = (search_path: string) => openPostgresJs(url, { connection: { search_path } });
  await migrate(through("app"));
  for (const call of [migrate, pendingMigrations])
    expect(await errorOf(call(through("other, app"), WITH))).toMatchObject({
      code: "migration",
      message: expect.stringMatching(
        /in schema app, but schema other comes before it .* nothing was applied\./,
      ),
    });
  await migrate(through("app"), WITH);
  const places = await sql`select distinct relnamespace::regnamespace::text as schema from pg_class
    where relname in ('journey_replies', 'journey_reply_chunks')
    union select distinct pronamespace::regnamespace::text from pg_proc where proname like 'notify_journey_%'`;
  expect([...places]).toEqual([{ schema: "app" }]);
  expect(await replyIn(through("app"))).toBe("a");
});

test("without the tables, a call that needs them says what to run", async () => {
  const { db } = await prepared();
  await migrate(db);
  const { id } = await defineJourney().forUser(db, "user_a").create();
  expect(await errorOf(Promise.resolve(handle(db).replies?.start(id, "r1")))).toMatchObject({
    code: "migration",
    message: expect.stringContaining("run journey-db migrate --with durable-replies"),
  });
});

describe("rights", async () => {
  const server = await startSupabaseServer();
  const admin = rawClient(server.href);
  await admin`create role app_role login`;

  const rightsOf = async (sql: Sql, table: string) => [
    ...(await sql`
    select coalesce(grantee::regrole::text, 'PUBLIC') as role, string_agg(privilege_type, ',' order by privilege_type) as rights
    from pg_class, aclexplode(relacl) where oid = ${table}::regclass and grantee <> relowner group by 1 order by 1`),
  ];

  test.each(["legacy", "explicit"] as const)(
    "a Supabase project with %s grants: those of the sessions, row level security, and functions that nobody may call",
    async (grants) => {
      const { urlAs, sql } = await supabaseDatabase(server, `replies_${grants}`, grants);
      const owner = openPostgresJs(urlAs("owner"));
      await makeOldTable(rawClient(urlAs("owner")));
      await migrate(owner);
      await sql`grant select, insert, update, delete, truncate on journey_sessions to app_role`;
      await sql`grant all on journey_sessions to public`;
      await migrate(owner, WITH);
      for (const table of ["journey_replies", "journey_reply_chunks"])
        expect(await rightsOf(sql, table)).toEqual([
          { role: "app_role", rights: "DELETE,INSERT,SELECT,UPDATE" },
          { role: "service_role", rights: "DELETE,INSERT,SELECT,UPDATE" },
        ]);
      const tables =
        await sql`select relrowsecurity, relforcerowsecurity from pg_class where relname in ('journey_replies', 'journey_reply_chunks')`;
      expect([...tables]).toEqual(Array(2).fill({ relrowsecurity: true, relforcerowsecurity: false }));
      const callers =
        await sql`select rolname, proname from pg_proc, pg_roles where proname like 'notify_journey_%'
        and rolname in ('anon', 'authenticated', 'service_role', 'app_role') and has_function_privilege(pg_roles.oid, pg_proc.oid, 'execute')`;
      expect([...callers]).toEqual([]);
      // The triggers call them for a role that may not.
      await sql.begin(async (tx) => {
        await tx`set local role service_role`;
        const [session] = await tx`insert into journey_sessions (user_id) values ('user_b') returning id`;
        await tx`update journey_sessions set phase = 'review' where id = ${session?.id}`;
        await tx`insert into journey_replies (user_id, session_id, id, state, batches, started_at, written_at)
          values ('user_b', ${session?.id}, 'r1', 'running', 0, now(), now())`;
        await tx`delete from journey_sessions where id = ${session?.id}`;
      });
      expect(await sql`select from journey_replies`).toHaveLength(0);
    },
  );

  test("a superuser who migrates gives the tables to the owner of the sessions", async () => {
    const { urlAs } = await supabaseDatabase(server, "replies_superuser", "explicit");
    const owner = openPostgresJs(urlAs("owner"));
    await migrate(owner);
    await migrate(openPostgresJs(urlAs("postgres")), WITH);
    expect(await replyIn(owner)).toBe("a");
  });
});

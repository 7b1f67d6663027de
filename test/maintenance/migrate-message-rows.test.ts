import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import type { Sql } from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/connection/connect.js";
import { defineJourney } from "../../src/index.js";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema.js";
import { catalogueOf } from "../support/catalogue.js";
import { prepared } from "../support/changes.js";
import { atEnd, emptyDatabase, openNodePostgres, openPostgresJs, rawClient } from "../support/database.js";
import { migrateWithKit } from "../support/drizzle-kit.js";
import { errorOf } from "../support/errors.js";
import { makeOldTable, OLD_TABLE, rowsOf } from "../support/old-table.js";
import { startSupabaseServer, supabaseDatabase } from "../support/supabase.js";

const WITH = { with: ["message-rows"] } as const;
const MAIN = shippedMigrations().map(({ name }) => name);
const ROWS = shippedMigrations("message-rows").map(({ name }) => name);

const handle = (db: Database) =>
  defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, "user_a");

const text = (id: string) => ({ id, role: "user" as const, parts: [{ type: "text" as const, text: id }] });

const migratedWithRows = async (...statements: string[]) => {
  const opened = await prepared(...statements);
  await migrate(opened.db, WITH);
  return opened;
};

const checkOf = async (sql: Sql) => {
  const [check] =
    await sql`select pg_get_constraintdef(oid) as definition, convalidated as valid from pg_constraint
    where conrelid = 'journey_sessions'::regclass and conname = 'journey_sessions_messages_is_array'`;
  return check;
};

const WIDE = expect.stringContaining("'rows'");

let fresh: Awaited<ReturnType<typeof catalogueOf>>;
beforeAll(async () => {
  fresh = await catalogueOf((await migratedWithRows()).sql);
});

test("the names are those of the files in their folder", () => {
  expect(ROWS[0]).toBe("message-rows/0000_journey_messages");
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
  test("applies both folders, then nothing, and messages are kept in rows", async () => {
    const db = open(await emptyDatabase());
    expect(await migrate(db, WITH)).toEqual({ applied: [...MAIN, ...ROWS] });
    expect(await migrate(db, WITH)).toEqual({ applied: [] });
    expect(await migrate(db)).toEqual({ applied: [] });
    const journey = handle(db);
    const { id } = await journey.create({ messages: [text("a")] });
    await journey.append(id, text("b"));
    expect((await journey.get(id))?.messages).toEqual([text("a"), text("b")]);
    expect(await db.select().from(messagesTable(journeySessions))).toHaveLength(2);
  });
});

test("without them, the database refuses a session whose messages are in rows", async () => {
  const { sql, db } = await prepared();
  await migrate(db);
  await expect(
    sql`insert into journey_sessions (user_id, messages) values ('user_a', '{"rows": 0, "last": null}')`,
  ).rejects.toMatchObject({ code: "23514" });
});

describe("a table of sessions with rows", () => {
  test("gets them later, with the same result", async () => {
    const { sql, db } = await prepared();
    await migrate(db);
    await sql`insert into journey_sessions (user_id, messages) values ('user_a', '[{"id": "a"}]')`;
    const before = await rowsOf(sql);
    expect(await migrate(db, WITH)).toEqual({ applied: ROWS });
    expect(await catalogueOf(sql)).toEqual(fresh);
    expect(await rowsOf(sql)).toEqual(before);
  });

  test("that was made by hand has the same result", async () => {
    const { sql } = await migratedWithRows(
      OLD_TABLE,
      "insert into journey_sessions (user_id, messages) values ('user_a', null)",
    );
    expect(await catalogueOf(sql)).toEqual(fresh);
  });

  test("keeps a row that breaks the check, and rejects new ones", async () => {
    const { sql } = await migratedWithRows(
      OLD_TABLE,
      `insert into journey_sessions (user_id, messages) values ('user_a', '"[]"')`,
    );
    expect(await checkOf(sql)).toEqual({ definition: WIDE, valid: false });
    for (const messages of ['"[]"', "{}", '{"rows": "1"}', '{"rows": null}', "1"])
      await expect(
        sql.unsafe(`insert into journey_sessions (user_id, messages) values ('user_a', '${messages}')`),
        messages,
      ).rejects.toMatchObject({ code: "23514" });
  });

  test("that is large is not read while it is locked: its check can be validated later", async () => {
    const { sql, db } = await prepared();
    await migrate(db);
    await sql`alter table journey_sessions alter messages set storage external`;
    await sql`insert into journey_sessions (user_id, messages)
      select 'user_a', jsonb_build_array(repeat('x', 10000000)) from generate_series(1, 7)`;
    await migrate(db, WITH);
    expect(await checkOf(sql)).toEqual({ definition: expect.stringContaining("NOT VALID"), valid: false });
    await sql`alter table journey_sessions validate constraint journey_sessions_messages_is_array`;
    // Statements that are run again leave the check as it is.
    for (const statement of tableSql(journeySessions, WITH)) await sql.unsafe(statement);
    expect(await checkOf(sql)).toEqual({ definition: WIDE, valid: true });
  });
});

test.each([
  ["the journals", "drop schema drizzle cascade", { with: [] }, MAIN],
  [
    "the journals, migrated with the optional migrations",
    "drop schema drizzle cascade",
    WITH,
    [...MAIN, ...ROWS],
  ],
  ["the rows of the main journal", "delete from drizzle.__journey_db_migrations", { with: [] }, MAIN],
] as const)(
  "a database restored without %s keeps its messages in rows",
  async (_, loss, options, applied) => {
    const { sql, db } = await migratedWithRows();
    const journey = handle(db);
    const { id } = await journey.create({ messages: [text("a")] });
    await sql.unsafe(loss);
    expect(await migrate(db, options)).toEqual({ applied });
    await journey.append(id, text("b"));
    expect((await journey.get(id))?.messages).toEqual([text("a"), text("b")]);
    expect(await checkOf(sql)).toEqual({ definition: WIDE, valid: true });
    const { constraints, columns, rights, indexes } = await catalogueOf(sql);
    const own = (rows: unknown[] = []) => rows.filter((row) => !JSON.stringify(row).includes("drizzle"));
    expect([constraints, columns, rights, indexes].map(own)).toEqual(
      [fresh.constraints, fresh.columns, fresh.rights, fresh.indexes].map(own),
    );
  },
);

describe("the script of --dry-run", () => {
  test("has the same result as migrate, and contains only what is pending", async () => {
    const { sql, db } = await prepared(OLD_TABLE);
    await sql.unsafe(toScript(await pendingMigrations(db, WITH)));
    expect(await catalogueOf(sql)).toEqual(fresh);
    expect(await migrate(db, WITH)).toEqual({ applied: [] });
    expect(toScript(await pendingMigrations(db, WITH))).toBe("-- Nothing to apply.\n");
  });

  test("adds the optional migrations to a database that has the others", async () => {
    const { sql, db } = await prepared();
    await migrate(db);
    const pending = await pendingMigrations(db, WITH);
    expect(pending.map(({ name }) => name)).toEqual(ROWS);
    await sql.unsafe(toScript(pending));
    expect(await catalogueOf(sql)).toEqual(fresh);
    await expect(sql.unsafe(toScript(pending))).rejects.toMatchObject({ code: "P0001" });
  });
});

test("drizzle-kit, with the repository's own configuration, agrees on what is applied", async () => {
  const { url, sql, db } = await prepared();
  expect(await migrateWithKit(url)).toMatchObject({ status: 0 });
  expect(await migrateWithKit(url, "drizzle.message-rows.config.ts")).toMatchObject({ status: 0 });
  expect(await migrate(db, WITH)).toEqual({ applied: [] });
  expect(await catalogueOf(sql)).toEqual(fresh);
});

describe("the journal of the messages", () => {
  test("lists a table that is missing: migrate and pendingMigrations fail", async () => {
    const { sql, db } = await migratedWithRows();
    await sql`drop table journey_messages`;
    for (const call of [migrate, pendingMigrations])
      expect(await errorOf(call(db, WITH))).toMatchObject({
        code: "migration",
        message: expect.stringMatching(
          /^The journal drizzle\.__journey_db_message_rows lists the table as created/,
        ),
      });
    expect(await migrate(db)).toEqual({ applied: [] });
  });

  test("is named where it is damaged", async () => {
    const { sql, db } = await migratedWithRows();
    await sql`alter table drizzle.__journey_db_message_rows drop created_at`;
    expect(await errorOf(migrate(db, WITH))).toMatchObject({
      code: "migration",
      message: expect.stringMatching(/^The journal drizzle\.__journey_db_message_rows is damaged/),
    });
  });

  test("stays empty where a file fails, whose folder the error names", async () => {
    const { sql, db } = await prepared("create view journey_messages as select 1 as id");
    expect(await errorOf(migrate(db, WITH))).toMatchObject({
      code: "migration",
      message: expect.stringMatching(/^message-rows\/0000_journey_messages\.sql failed with SQLSTATE 42809/),
    });
    expect(await sql`select from pg_namespace where nspname = 'drizzle'`).toHaveLength(0);
  });
});

test("messages are created in the schema of their sessions, or not at all", async () => {
  const { url, sql, db: inPublic } = await prepared("create schema app", "create schema other");
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
  const tables =
    await sql`select relnamespace::regnamespace::text as schema from pg_class where relname = 'journey_messages'`;
  expect([...tables]).toEqual([{ schema: "app" }]);
  expect(await migrate(through("other, app"), WITH)).toEqual({ applied: [] });
  expect(await errorOf(migrate(inPublic, WITH))).toMatchObject({ code: "migration" });
  const journey = handle(through("app"));
  const { id } = await journey.create({ messages: [text("a")] });
  expect((await journey.get(id))?.messages).toEqual([text("a")]);
});

describe("rights", async () => {
  const server = await startSupabaseServer();
  const admin = rawClient(server.href);
  await admin`create role app_role login`;

  const rightsOf = (sql: Sql, table: string) => sql`
    select coalesce(grantee::regrole::text, 'PUBLIC') as role, string_agg(privilege_type, ',' order by privilege_type) as rights
    from pg_class, aclexplode(relacl) where oid = ${table}::regclass and grantee <> relowner group by 1 order by 1`;

  test.each(["legacy", "explicit"] as const)(
    "a Supabase project with %s grants: those of the sessions, and row level security",
    async (grants) => {
      const { urlAs, sql } = await supabaseDatabase(server, `rows_${grants}`, grants);
      await makeOldTable(rawClient(urlAs("owner")));
      await migrate(openPostgresJs(urlAs("owner")));
      await sql`grant select, insert, update, delete, truncate on journey_sessions to app_role`;
      await sql`grant all on journey_sessions to public`;
      await migrate(openPostgresJs(urlAs("owner")), WITH);
      expect([...(await rightsOf(sql, "journey_messages"))]).toEqual([
        { role: "app_role", rights: "DELETE,INSERT,SELECT,UPDATE" },
        { role: "service_role", rights: "DELETE,INSERT,SELECT,UPDATE" },
      ]);
      const [table] =
        await sql`select relrowsecurity, relforcerowsecurity from pg_class where relname = 'journey_messages'`;
      expect(table).toEqual({ relrowsecurity: true, relforcerowsecurity: false });
    },
  );

  test("a superuser who migrates gives the table to the owner of the sessions", async () => {
    const { urlAs } = await supabaseDatabase(server, "rows_superuser", "explicit");
    const owner = openPostgresJs(urlAs("owner"));
    await migrate(owner);
    await migrate(openPostgresJs(urlAs("postgres")), WITH);
    const journey = handle(owner);
    const { id } = await journey.create({ messages: [text("a")] });
    expect((await journey.get(id))?.messages).toEqual([text("a")]);
  });
});

test("an unknown name of optional migrations is invalid, and is not repeated", async () => {
  const { db } = await prepared();
  const wrong = { with: ["secret"] } as never;
  const calls = [
    () => migrate(db, wrong),
    () => pendingMigrations(db, wrong),
    async () => tableSql(journeySessions, wrong),
    () => connect({ embedded: true, ...(wrong as object) }),
  ];
  for (const call of calls) {
    const { code, message } = await errorOf(call());
    expect(code).toBe("invalid_input");
    expect(message).toMatch(/^options\.with\[0\]: expected /);
    expect(message).not.toContain("secret");
  }
});

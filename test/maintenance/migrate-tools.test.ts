import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { catalogueOf, journalOf } from "../support/catalogue.js";
import { runIn } from "../support/cli.js";
import { atEnd, emptyDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { makeOldTable, rowsOf } from "../support/old-table.js";
import { repository } from "../support/packages.js";

const NAMES = shippedMigrations().map(({ name }) => name);

/** Migrated with `migrate`. */
let expected: { catalogue: Record<string, unknown[]>; journal: unknown[] };
beforeAll(async () => {
  const url = await emptyDatabase();
  await migrate(openPostgresJs(url));
  const sql = rawClient(url);
  expected = { catalogue: await catalogueOf(sql), journal: await journalOf(sql) };
});

describe("drizzle-kit, with the repository's own configuration", () => {
  const kit = join(repository, "scripts/node_modules/drizzle-kit/bin.cjs");
  const drizzleKit = (url: string) =>
    runIn(repository, { DATABASE_URL: url }, process.execPath, kit, "migrate");

  test("finds nothing to do after migrate", async () => {
    const url = await emptyDatabase();
    await migrate(openPostgresJs(url));
    expect(await drizzleKit(url)).toMatchObject({ status: 0 });
    const sql = rawClient(url);
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
  });

  test("leaves nothing to do for migrate", async () => {
    const url = await emptyDatabase();
    expect(await drizzleKit(url)).toMatchObject({ status: 0 });
    expect(await migrate(openPostgresJs(url))).toEqual({ applied: [] });
    const sql = rawClient(url);
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
  });
});

describe("the script of --dry-run", () => {
  test.each(["an empty database", "a table that was made by hand"])(
    "leaves what migrate leaves: %s",
    async (of) => {
      const url = await emptyDatabase();
      const sql = rawClient(url);
      if (of !== "an empty database") {
        await makeOldTable(sql);
        await sql`insert into journey_sessions (user_id, phase, updated_at) values ('user_a', null, '2020-01-01')`;
      }
      const db = openPostgresJs(url);
      await sql.unsafe(toScript(await pendingMigrations(db)));
      expect(await catalogueOf(sql)).toEqual(expected.catalogue);
      expect(await journalOf(sql)).toEqual(expected.journal);
      expect(await migrate(db)).toEqual({ applied: [] });
      expect(await verify(db)).toEqual([]);
    },
  );

  test("works on PGlite", async () => {
    const client = new PGlite();
    atEnd(() => client.close());
    const db = drizzlePglite({ client });
    await client.exec(toScript(await pendingMigrations(db)));
    expect(await migrate(db)).toEqual({ applied: [] });
    expect(await verify(db)).toEqual([]);
  });

  test("holds only what is pending", async () => {
    const url = await emptyDatabase();
    const sql = rawClient(url);
    const db = openPostgresJs(url);
    await sql.unsafe(toScript(shippedMigrations().slice(0, 3)));
    expect((await pendingMigrations(db)).map(({ name }) => name)).toEqual(NAMES.slice(3));
    await sql.unsafe(toScript(await pendingMigrations(db)));
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(toScript(await pendingMigrations(db))).toBe("-- Nothing to apply.\n");
  });

  test("refuses to run a second time, and changes nothing then", async () => {
    const url = await emptyDatabase();
    const sql = rawClient(url);
    const script = toScript(shippedMigrations());
    await sql.unsafe(script);
    await sql`insert into journey_sessions (user_id) values ('user_a')`;
    const rows = await rowsOf(sql);
    await expect(sql.unsafe(script)).rejects.toMatchObject({
      code: "P0001",
      message: expect.stringContaining("already applied"),
    });
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
    expect(await rowsOf(sql)).toEqual(rows);
  });

  test("leaves nothing behind where it fails", async () => {
    const url = await emptyDatabase();
    const sql = rawClient(url);
    await sql`create function update_journey_sessions_updated_at() returns int language sql as 'select 1'`;
    const before = await catalogueOf(sql);
    await expect(sql.unsafe(toScript(shippedMigrations()))).rejects.toMatchObject({ code: "42P13" });
    expect(await catalogueOf(sql)).toEqual(before);
  });
});

test("messages are compressed with lz4 where the server has it", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await migrate(openPostgresJs(url));
  const hasLz4 = await sql`create table probe (value text compression lz4)`.then(
    () => true,
    () => false,
  );
  const [column] = await sql`select attcompression as method from pg_attribute
    where attrelid = 'journey_sessions'::regclass and attname = 'messages'`;
  expect(column).toEqual({ method: hasLz4 ? "l" : "" });
});

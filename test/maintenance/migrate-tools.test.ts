import { beforeAll, describe, expect, test } from "vitest";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { catalogueOf, journalOf } from "../support/catalogue.js";
import { prepared } from "../support/changes.js";
import { migrateWithKit } from "../support/drizzle-kit.js";
import { OLD_TABLE, rowsOf } from "../support/old-table.js";

const NAMES = shippedMigrations().map(({ name }) => name);

/** What `migrate` creates. */
let expected: { catalogue: Record<string, unknown[]>; journal: unknown[] };
beforeAll(async () => {
  const { sql, db } = await prepared();
  await migrate(db);
  expected = { catalogue: await catalogueOf(sql), journal: await journalOf(sql) };
});

describe("drizzle-kit, with the repository's own configuration", () => {
  test("finds nothing to do after migrate", async () => {
    const { url, sql, db } = await prepared();
    await migrate(db);
    expect(await migrateWithKit(url)).toMatchObject({ status: 0 });
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
  });

  test("leaves nothing to do for migrate", async () => {
    const { url, sql, db } = await prepared();
    expect(await migrateWithKit(url)).toMatchObject({ status: 0 });
    expect(await migrate(db)).toEqual({ applied: [] });
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
  });
});

describe("the script of --dry-run", () => {
  test.each([
    ["an empty database", ""],
    [
      "a table made by hand",
      `${OLD_TABLE}; insert into journey_sessions (user_id, phase, updated_at) values ('user_a', null, '2020-01-01')`,
    ],
  ])("has the same result as migrate: %s", async (_, made) => {
    const { sql, db } = await prepared(made);
    await sql.unsafe(toScript(await pendingMigrations(db)));
    expect(await catalogueOf(sql)).toEqual(expected.catalogue);
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(await migrate(db)).toEqual({ applied: [] });
    expect(await verify(db)).toEqual([]);
  });

  test("contains only what is pending", async () => {
    const { sql, db } = await prepared();
    await sql.unsafe(toScript(shippedMigrations().slice(0, 3)));
    expect((await pendingMigrations(db)).map(({ name }) => name)).toEqual(NAMES.slice(3));
    await sql.unsafe(toScript(await pendingMigrations(db)));
    expect(await journalOf(sql)).toEqual(expected.journal);
    expect(toScript(await pendingMigrations(db))).toBe("-- Nothing to apply.\n");
  });

  test("fails the second time, and changes nothing then", async () => {
    const { sql } = await prepared();
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

  test("leaves nothing behind if it fails", async () => {
    const { sql } = await prepared();
    await sql`create function update_journey_sessions_updated_at() returns int language sql as 'select 1'`;
    const before = await catalogueOf(sql);
    await expect(sql.unsafe(toScript(shippedMigrations()))).rejects.toMatchObject({ code: "42P13" });
    expect(await catalogueOf(sql)).toEqual(before);
  });
});

import { expect, it } from "vitest";
import { migrate, shippedMigrations } from "../../src/maintenance/migrate.js";
import { emptyDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { makeOldTable } from "../support/old-table.js";

const url = await emptyDatabase();
const sql = rawClient(url);
await makeOldTable(sql);
await migrate(openPostgresJs(url));

async function stored() {
  const [row] = await sql`
    select c.reloptions as table, t.reloptions as toast, attstorage as storage, attcompression as compression
    from pg_class c join pg_class t on t.oid = c.reltoastrelid
      join pg_attribute on attrelid = c.oid and attname = 'messages'
    where c.oid = 'journey_sessions'::regclass`;
  return row;
}

const [server] = await sql<{ lz4: boolean }[]>`
  select 'lz4' = any (enumvals) as lz4 from pg_settings where name = 'default_toast_compression'`;
const migrated = {
  table: ["fillfactor=60"],
  toast: ["autovacuum_vacuum_scale_factor=0.05"],
  ...(server?.lz4 ? { storage: "x", compression: "l" } : { storage: "e", compression: "" }),
};

it("conversations are compressed with lz4, or not at all, and pages keep room", async () => {
  expect(await stored()).toEqual(migrated);
});

it("a table that comes from a server of the other kind gets what is right here", async () => {
  const other = server?.lz4 ? "external" : "extended";
  await sql.unsafe(`alter table journey_sessions alter messages set storage ${other}`);
  for (const { name, statements } of shippedMigrations()) {
    if (/compression|storage/.test(name)) for (const statement of statements) await sql.unsafe(statement);
  }
  expect(await stored()).toEqual(migrated);
});

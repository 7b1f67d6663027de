import { drizzle as drizzleProxy } from "drizzle-orm/pg-proxy";
import pg from "pg";
import { expect, test } from "vitest";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { migrated, verified } from "../support/changes.js";
import { atEnd } from "../support/database.js";

/** A driver without transactions, over node-postgres. */
function openProxy(url: string, before: (statement: string) => void = () => {}): Database {
  const client = new pg.Pool({ connectionString: url, max: 2 });
  client.on("error", () => {});
  atEnd(() => client.end());
  return drizzleProxy(async (statement, params, method) => {
    before(statement);
    const query = { text: statement, values: params, rowMode: "array" as const };
    const { rows } = await client.query(method === "all" ? query : { text: statement, values: params });
    return { rows };
  });
}

test("has no findings in a migrated database, and leaves no row", async () => {
  const { url, sql } = await migrated();
  expect(await verified(openProxy(url))).toEqual([]);
  expect(await sql`select from journey_sessions`).toHaveLength(0);
});

test("leaves no row if the connection is lost halfway", async () => {
  const { url, sql } = await migrated();
  const lossy = openProxy(url, (statement) => {
    if (statement.startsWith('with "written" as (update'))
      throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
  });
  await expect(verify(lossy)).rejects.toMatchObject({ code: "unavailable" });
  expect(await sql`select from journey_sessions`).toHaveLength(0);
});

test("reports the row that it leaves if a trigger discards deletes", async () => {
  const { url, sql } = await migrated();
  await sql.unsafe(`create function keep() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger keep before delete on journey_sessions for each row execute function keep()`);
  expect(await verified(openProxy(url))).toEqual([
    "error delete_failed",
    "error probe_left",
    "note trigger_unexpected",
  ]);
});

test("leaves no row if a check fails, and reports the row that it cannot delete", async () => {
  const { url, sql } = await migrated();
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before update on journey_sessions for each row execute function refuse()`);
  expect(await verified(openProxy(url))).toEqual(["error update_failed", "note trigger_unexpected"]);
  expect(await sql`select from journey_sessions`).toHaveLength(0);
  await sql`create trigger refuse_too before delete on journey_sessions for each row execute function refuse()`;
  const left = (await verify(openProxy(url))).find(({ code }) => code === "probe_left");
  await sql`drop trigger refuse_too on journey_sessions`;
  await sql.unsafe(left?.remedy ?? "");
  expect(await sql`select from journey_sessions`).toHaveLength(0);
});

import { drizzle as drizzleProxy } from "drizzle-orm/pg-proxy";
import pg from "pg";
import { expect, test } from "vitest";
import { type Finding, verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { atEnd, migratedDatabase, rawClient } from "../support/database.js";

const codesOf = (findings: Finding[]) => findings.map(({ severity, code }) => `${severity} ${code}`);

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

test("finds a healthy database healthy, and leaves no row behind", async () => {
  const url = await migratedDatabase();
  expect(codesOf(await verify(openProxy(url)))).toEqual([]);
  expect(await rawClient(url)`select from journey_sessions`).toHaveLength(0);
});

test("leaves no row behind where the connection is lost halfway", async () => {
  const url = await migratedDatabase();
  const lossy = openProxy(url, (statement) => {
    if (statement.startsWith("update")) throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
  });
  await expect(verify(lossy)).rejects.toMatchObject({ code: "unavailable" });
  expect(await rawClient(url)`select from journey_sessions`).toHaveLength(0);
});

test("says what it has to leave behind where deletes are swallowed", async () => {
  const url = await migratedDatabase();
  await rawClient(
    url,
  ).unsafe(`create function keep() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger keep before delete on journey_sessions for each row execute function keep()`);
  expect(codesOf(await verify(openProxy(url)))).toEqual([
    "error delete_failed",
    "error probe_left",
    "warning trigger_unexpected",
  ]);
});

test("leaves no row behind where a check fails, and says so where it has to", async () => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql.unsafe(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
      create trigger refuse before update on journey_sessions for each row execute function refuse()`);
  expect(codesOf(await verify(openProxy(url)))).toEqual([
    "error update_failed",
    "warning trigger_unexpected",
  ]);
  expect(await sql`select from journey_sessions`).toHaveLength(0);
  await sql`create trigger refuse_too before delete on journey_sessions for each row execute function refuse()`;
  const left = (await verify(openProxy(url))).find(({ code }) => code === "probe_left");
  await sql`drop trigger refuse_too on journey_sessions`;
  await sql.unsafe(left?.remedy ?? "");
  expect(await sql`select from journey_sessions`).toHaveLength(0);
});

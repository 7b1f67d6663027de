import { expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { migrated } from "../support/changes.js";
import { migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";

/** One verify that a statement timeout ends, and one that the wait for a lock ends, both at the same time. */
const verifyTwice = (url: string) =>
  Promise.all(
    [{ statement_timeout: 1000 }, {}].map((connection) => verify(openPostgresJs(url, { connection }))),
  );

const unchecked = (severity: string, sqlState: string) => ({
  severity,
  code: "unchecked",
  message: `A check did not finish in time: SQLSTATE ${sqlState}.`,
  remedy: "run journey-db verify again when nothing locks the table",
});

test.concurrent("a table that another session has locked is left unchecked, in bounded time", async () => {
  const { url, sql } = await migrated();
  await sql.begin(async (tx) => {
    await tx`lock table journey_sessions in exclusive mode`;
    expect(await verifyTwice(url)).toEqual([
      [unchecked("warning", "57014")],
      [unchecked("warning", "55P03")],
    ]);
  });
});

test.concurrent("a table that no other session may even read is unchecked as a whole, once and in bounded time", async () => {
  const { url, sql } = await migrated();
  await sql.begin(async (tx) => {
    await tx`lock table journey_sessions in access exclusive mode`;
    expect(await verifyTwice(url)).toEqual([[unchecked("error", "57014")], [unchecked("error", "55P03")]]);
  });
});

test.concurrent.each([
  ["the first one after that of the table", 5],
  ["one that counts messages", 11],
])("a lock that comes before a step, %s, ends verify, in bounded time", async (_, step) => {
  const { url, db } = await migrated();
  const locker = rawClient(url, { max: 1 });
  let transactions = 0;
  const watched = new Proxy(db, {
    get(target, key) {
      if (key !== "transaction") return Reflect.get(target, key);
      return async (...args: Parameters<Database["transaction"]>) => {
        transactions += 1;
        if (transactions === step)
          await locker.unsafe("begin; lock table journey_sessions in access exclusive mode");
        return target.transaction(...args);
      };
    },
  });
  const findings = await verify(watched);
  await locker.unsafe("rollback");
  expect(findings).toEqual([unchecked("error", "55P03")]);
  expect(transactions).toBe(step);
});

test("a check that fails for another reason than privileges has no remedy about privileges", async () => {
  const { sql, db } = await migrated();
  await sql.unsafe(`alter table drizzle."__journey_db_migrations" rename to kept;
    create view drizzle."__journey_db_migrations" as select 1 / (id - id) as created_at from drizzle.kept`);
  const [finding] = await verify(db);
  expect(finding).toMatchObject({ code: "unchecked", message: expect.stringContaining("22012") });
  expect(finding?.remedy).not.toContain("owns the table");
});

test("if the server cannot be queried at all, verify throws a typed error", async () => {
  const url = await migratedDatabase();
  const elsewhere = (change: (url: URL) => void) => {
    const to = new URL(url);
    change(to);
    return openPostgresJs(to.href, { connect_timeout: 2 });
  };
  const absent = elsewhere((to) => {
    to.pathname = "/not_there";
  });
  await expect(verify(absent)).rejects.toMatchObject({ name: "JourneyDbError", code: "configuration" });
  const unreachable = elsewhere((to) => {
    to.port = "1";
  });
  const options = elsewhere((to) => {
    to.searchParams.set("options", "endpoint=ep-cool");
  });
  for (const call of [verify, migrate]) {
    await expect(call(options)).rejects.toMatchObject({
      name: "JourneyDbError",
      code: "configuration",
      message: expect.stringMatching(/^The server refused the connection with SQLSTATE 42\w+: .*options/),
    });
  }
  await expect(verify(unreachable)).rejects.toMatchObject({ name: "JourneyDbError", code: "unavailable" });
  await openPostgresJs(url).transaction(async (tx) => {
    await expect(verify(tx)).rejects.toMatchObject({ name: "JourneyDbError", code: "invalid_input" });
  });
});

import { expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";

test("a table that another session has locked is left unchecked, in bounded time", async () => {
  const url = await migratedDatabase();
  await rawClient(url).begin(async (tx) => {
    await tx`lock table journey_sessions in exclusive mode`;
    for (const [connection, sqlState] of [
      [{ statement_timeout: 50 }, "57014"],
      [{}, "55P03"],
    ] as const) {
      expect(await verify(openPostgresJs(url, { connection }))).toMatchObject([
        { severity: "warning", code: "unchecked", message: expect.stringContaining(sqlState) },
      ]);
    }
  });
});

test("a table that nobody else may even read is unchecked as a whole, once and in bounded time", async () => {
  const url = await migratedDatabase();
  await rawClient(url).begin(async (tx) => {
    await tx`lock table journey_sessions in access exclusive mode`;
    for (const [connection, sqlState] of [
      [{ statement_timeout: 50 }, "57014"],
      [{}, "55P03"],
    ] as const) {
      expect(await verify(openPostgresJs(url, { connection }))).toMatchObject([
        {
          severity: "error",
          code: "unchecked",
          message: expect.stringContaining(sqlState),
          remedy: "verify again while no one locks the table",
        },
      ]);
    }
  });
});

test("a lock that comes in the middle ends it, in bounded time", async () => {
  const url = await migratedDatabase();
  const locker = rawClient(url, { max: 1 });
  const db = openPostgresJs(url);
  let transactions = 0;
  // The fourth check is the first after the table itself.
  const watched = new Proxy(db, {
    get(target, key) {
      if (key !== "transaction") return Reflect.get(target, key);
      return async (...args: Parameters<Database["transaction"]>) => {
        transactions += 1;
        if (transactions === 4)
          await locker.unsafe("begin; lock table journey_sessions in access exclusive mode");
        return target.transaction(...args);
      };
    },
  });
  const findings = await verify(watched);
  await locker.unsafe("rollback");
  expect(findings).toMatchObject([
    { severity: "error", code: "unchecked", message: expect.stringContaining("55P03") },
  ]);
});

test("a check that the server refuses for another reason than rights is not said to be one of rights", async () => {
  const url = await migratedDatabase();
  const sql = rawClient(url);
  await sql.unsafe(`alter table drizzle."__journey_db_migrations" rename to kept;
    create view drizzle."__journey_db_migrations" as select 1 / (id - id) as created_at from drizzle.kept`);
  const [finding] = await verify(openPostgresJs(url));
  expect(finding).toMatchObject({ code: "unchecked", message: expect.stringContaining("22012") });
  expect(finding?.remedy).not.toContain("owns the table");
});

test("what keeps it from asking the server at all is thrown, typed", async () => {
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

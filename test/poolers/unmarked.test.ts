import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import {
  migratedDatabase,
  newUser,
  openConnected,
  openNodePostgres,
  openPooled,
} from "../support/database.js";
import { errorOf, secretAppend } from "../support/errors.js";
import { startPgbouncer } from "../support/pgbouncer.js";

const url = await migratedDatabase();
const pooler = await startPgbouncer({ serverConnections: 2 });
const through = pooler.through(url);

it("connect() that is not told of the pooler: configuration, and what to put where", async () => {
  const db = await openConnected(through);
  for (const call of [secretAppend, migrate, verify]) {
    expect(await errorOf(call(db)), call.name).toMatchObject({
      code: "configuration",
      retryable: false,
      sqlState: "08P01",
      message: expect.stringContaining("connect with pooled: true, or put ?pgbouncer=true into the URL"),
    });
  }
});

it("connect() that is told of it in the URL works", async () => {
  const db = await openConnected(`${through}?pgbouncer=true`);
  expect(await migrate(db)).toEqual({ applied: [] });
  expect(await verify(db)).toEqual([]);
  expect(await forUser(db, newUser()).count()).toBe(0);
});

const HOW = expect.stringMatching(
  /pooled: true, or put \?pgbouncer=true into the URL \(node-postgres: defineJourney\(\{ prepare: false \}\)\)/,
);

it("node-postgres whose statement was prepared on another server connection: configuration, and what to put where", async () => {
  const prepares = openNodePostgres(through, { max: 1 });
  const other = await openPooled(through, 1);
  const user = newUser();
  await forUser(prepares, user).count();
  await other.transaction(async (tx) => {
    // The connection that was used last is the one that the pooler hands out: it is taken now.
    await tx.execute(sql`select 1`);
    const refused = errorOf(forUser(prepares, user).count());
    expect(await refused).toMatchObject({ code: "configuration", sqlState: "26000", message: HOW });
    expect(await defineJourney({ prepare: false }).forUser(prepares, user).count()).toBe(0);
  });
});

it("two node-postgres clients that prepare one statement on one server connection: the same", async () => {
  const one = await startPgbouncer({ serverConnections: 1 });
  const [first, second] = [1, 2].map(() => openNodePostgres(one.through(url), { max: 1 }));
  if (!first || !second) return expect.fail();
  await forUser(first, newUser()).count();
  expect(await errorOf(forUser(second, newUser()).count())).toMatchObject({
    code: "configuration",
    sqlState: "42P05",
    message: HOW,
  });
  expect(await defineJourney({ prepare: false }).forUser(second, newUser()).count()).toBe(0);
});

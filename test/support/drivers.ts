import { sql } from "drizzle-orm";
import { beforeAll, describe, expect } from "vitest";
import * as journey from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { DRIVERS, type Driver, ONE_DRIVER, openMigrated } from "./database.js";
import { CATALOGUES, type Catalogue } from "./verbs.js";

type Entry = Pick<typeof journey, "defineJourney" | "forUser">;

/** As an application must use the package where node-postgres is behind a transaction pooler. */
const unprepared: Entry = {
  defineJourney: (options) => journey.defineJourney({ ...options, prepare: false }),
  ...journey.defineJourney({ prepare: false }),
};

/** Declares tests; `database()` is the driver's own, migrated, and the entry is the package's as the driver needs it. */
type Tests = (database: () => Database, entry: Entry) => void;

/** Of what a driver takes part in: text, numbers, dates and arrays on their way in and out, errors, and each method once. */
export const onEveryDriver = (tests: Tests) => onDrivers(DRIVERS, tests);

/** As onEveryDriver, with the tables of durable replies. */
export const onEveryDurableDriver = (tests: Tests) => onDrivers(DRIVERS, tests, true);

/** Of what the SQL alone decides, whoever sends it. Through a pooler it is every driver's, since each prepares statements in its own way. */
export const onOneDriver = (tests: Tests) => onDrivers(ONE_DRIVER, tests);

/** Of what holds for every statement: as onEveryDriver, on the default table and on one with own columns. */
export const onEveryTable = (
  tests: (database: () => Database, catalogue: Catalogue, forUser: ReturnType<Catalogue["forUser"]>) => void,
) =>
  onEveryDriver((database, { defineJourney }) => {
    describe.each(Object.entries(CATALOGUES))("%s", (_, catalogue) => {
      beforeAll(() => catalogue.createIn(database()));
      tests(database, catalogue, catalogue.forUser(defineJourney));
    });
  });

function onDrivers(drivers: readonly Driver[], tests: Tests, durable = false): void {
  describe.each(drivers)("%s", (driver) => {
    let db: Database;
    beforeAll(async () => {
      db = await openMigrated(driver, durable);
    });
    tests(() => db, driver === "node-postgres through pgbouncer" ? unprepared : journey);
  });
}

/** Waits until the server's clock moves on. PGlite's has milliseconds only, and sessions made in one are ordered by id. */
export async function clockMoves(db: Database): Promise<void> {
  const now = () => db.select({ now: sql<string>`clock_timestamp()::text` }).from(sql`(select) as nothing`);
  const before = await now();
  await expect.poll(now, { interval: 1 }).not.toEqual(before);
}

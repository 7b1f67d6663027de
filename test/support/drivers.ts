import { sql } from "drizzle-orm";
import { beforeAll, describe, expect } from "vitest";
import * as journey from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { DRIVERS, openMigrated } from "./database.js";

type Entry = Pick<typeof journey, "defineJourney" | "forUser">;

/** As an application must use the package where node-postgres is behind a transaction pooler. */
const unprepared: Entry = {
  defineJourney: (options) => journey.defineJourney({ ...options, prepare: false }),
  ...journey.defineJourney({ prepare: false }),
};

/** Declares the tests once for every driver; `database()` is the driver's own, migrated, and the entry is the package's as the driver needs it. */
export function onEveryDriver(tests: (database: () => Database, entry: Entry) => void): void {
  describe.each(DRIVERS)("%s", (driver) => {
    let db: Database;
    beforeAll(async () => {
      db = await openMigrated(driver);
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

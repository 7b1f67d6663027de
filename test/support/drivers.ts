import { sql } from "drizzle-orm";
import { beforeAll, describe, expect } from "vitest";
import type { Database } from "../../src/database.js";
import { DRIVERS, openMigrated } from "./database.js";

/** Declares the tests once for every driver; `database()` is the driver's own, migrated. */
export function onEveryDriver(tests: (database: () => Database) => void): void {
  describe.each(DRIVERS)("%s", (driver) => {
    let db: Database;
    beforeAll(async () => {
      db = await openMigrated(driver);
    });
    tests(() => db);
  });
}

/** Waits until the server's clock moves on. PGlite's has milliseconds only, and sessions made in one are ordered by id. */
export async function clockMoves(db: Database): Promise<void> {
  const now = () => db.select({ now: sql<string>`clock_timestamp()::text` }).from(sql`(select) as nothing`);
  const before = await now();
  await expect.poll(now, { interval: 1 }).not.toEqual(before);
}

import { beforeAll, describe } from "vitest";
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

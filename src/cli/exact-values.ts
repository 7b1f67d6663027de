import { getTableName, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import { fromDriver } from "../model/driver-errors.js";
import { isDistributed, ownColumns, type SessionTable } from "../schema.js";

/** As pg_dump sets them, so that a value has one text, and no digit of it is lost. */
const SETTINGS = {
  TimeZone: "UTC",
  DateStyle: "ISO, YMD",
  IntervalStyle: "postgres",
  extra_float_digits: "3",
  bytea_output: "hex",
  lc_monetary: "C",
  xmloption: "content",
};

/**
 * Reads or writes values of own columns as text, whatever the settings of the role and the database. A transaction keeps
 * the settings, also behind a transaction pooler; without own columns none is needed.
 */
export async function exactly<T>(
  db: Database,
  table: SessionTable,
  use: (db: Database) => Promise<T>,
): Promise<T> {
  if (ownColumns(table).length === 0) return use(db);
  try {
    return await db.transaction(async (tx) => {
      const settings = Object.entries(SETTINGS);
      const set = settings.map(([name, value]) => sql`set_config(${name}, ${value}, true)`);
      await tx.execute(sql`select ${sql.join(set, sql`, `)}`);
      // The servers that have the rows are told by SET LOCAL alone.
      if (isDistributed(table))
        for (const [name, value] of [["citus.propagate_set_commands", "local"], ...settings])
          await tx.execute(sql.raw(`set local ${name} = '${value}'`));
      return use(tx);
    });
  } catch (thrown) {
    // A deferred constraint refuses a row when the transaction is committed.
    throw fromDriver(thrown, true, { table: getTableName(table) });
  }
}

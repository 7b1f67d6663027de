import { type SQL, sql } from "drizzle-orm";
import type { Database } from "./database.js";

/** Whether a condition holds. */
async function holds(db: Database, condition: SQL): Promise<boolean> {
  const [row] = await db.select({ holds: sql<boolean>`${condition}` }).from(sql`(select) as nothing`);
  return row?.holds === true;
}

/** Whether the server is one of a Citus cluster, in SQL. */
export const IS_CITUS = "to_regclass('pg_catalog.pg_dist_partition') is not null";

/** Whether Citus has distributed any of the tables with these oids. In two steps: elsewhere its catalogue does not exist. */
export const areDistributed = async (db: Database, oids: readonly SQL[]): Promise<boolean> =>
  (await isCitus(db)) &&
  (await holds(
    db,
    sql`exists (select from pg_catalog.pg_dist_partition where logicalrelid in (${sql.join([...oids], sql`, `)}) and partmethod = 'h')`,
  ));

export const isCitus = (db: Database): Promise<boolean> => holds(db, sql.raw(IS_CITUS));

/** @param table its name, quoted where it has to be */
export const isDistributedTable = (db: Database, table: string): Promise<boolean> =>
  areDistributed(db, [sql`to_regclass(${table}::text)`]);

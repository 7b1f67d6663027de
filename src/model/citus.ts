import { sql } from "drizzle-orm";
import type { Database } from "./database.js";

/** Whether a condition holds. */
async function holds(db: Database, condition: ReturnType<typeof sql>): Promise<boolean> {
  const [row] = await db.select({ holds: sql<boolean>`${condition}` }).from(sql`(select) as nothing`);
  return row?.holds === true;
}

/** Whether the server is one of a Citus cluster. */
export const isCitus = (db: Database): Promise<boolean> =>
  holds(db, sql`to_regclass('pg_catalog.pg_dist_partition') is not null`);

/**
 * Whether Citus has distributed a table over servers. In two steps: elsewhere its catalogue does not exist.
 *
 * @param table its name, quoted where it has to be
 */
export const isDistributedTable = async (db: Database, table: string): Promise<boolean> =>
  (await isCitus(db)) &&
  (await holds(
    db,
    sql`exists (select from pg_catalog.pg_dist_partition where logicalrelid = to_regclass(${table}) and partmethod = 'h')`,
  ));

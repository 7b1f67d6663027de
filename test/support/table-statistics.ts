import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../src/model/database.js";

/** What the server has counted of a table since it was made. */
export interface TableCounts {
  /** Blocks of the TOAST table and its index that were read, from the cache or not. */
  toastBlocks: number;
  /** Pieces of values that were written to the TOAST table, and that were taken out of it. */
  toastWrites: number;
  updates: number;
  /** Updates that made no index entry. */
  hotUpdates: number;
}

const number = (count: SQL) => sql<number>`(${count})::float8`;

async function countsOf(db: Database, table: string): Promise<TableCounts> {
  const oid = sql`${table}::text::regclass`;
  // The counts of a session are kept back for a while; those of the others have to have ended.
  await db.execute(sql`select pg_stat_force_next_flush()`);
  const [counts] = await db
    .select({
      toastBlocks: number(sql`toast_blks_read + toast_blks_hit + tidx_blks_read + tidx_blks_hit`),
      toastWrites: number(sql`(
        select n_tup_ins + n_tup_del from pg_stat_all_tables
        where relid = (select reltoastrelid from pg_class where oid = ${oid}))`),
      updates: number(sql`n_tup_upd`),
      hotUpdates: number(sql`n_tup_hot_upd`),
    })
    .from(sql`pg_statio_user_tables join pg_stat_user_tables using (relid)`)
    .where(sql`relid = ${oid}`);
  if (!counts) throw new Error("there are no statistics of the table");
  return counts;
}

/**
 * What the server counted during the call.
 *
 * @param db with one connection, on which the call is made too: what others count comes late
 */
export async function countedDuring(
  db: Database,
  call: () => Promise<unknown>,
  table = "journey_sessions",
): Promise<TableCounts> {
  const before = await countsOf(db, table);
  await call();
  const after = await countsOf(db, table);
  return {
    toastBlocks: after.toastBlocks - before.toastBlocks,
    toastWrites: after.toastWrites - before.toastWrites,
    updates: after.updates - before.updates,
    hotUpdates: after.hotUpdates - before.hotUpdates,
  };
}

import { type SQL, sql } from "drizzle-orm";
import { getTableConfig, type PgTable } from "drizzle-orm/pg-core";
import { qualifiedName } from "../schema.js";

/**
 * A table in the database, as SQL: a regclass, or null. An application may have a table of the same name for something
 * else.
 *
 * @param lacking how many of its columns may be missing
 */
export function existingTable(table: PgTable, lacking = 0): SQL {
  const names = getTableConfig(table).columns.map(({ name }) => name);
  return sql`(select attrelid::regclass from pg_attribute
    where attrelid = to_regclass(${qualifiedName(table as never)}::text) and not attisdropped
      and attname in (${sql.raw(names.map((name) => `'${name}'`).join(", "))})
    group by attrelid having count(*) >= ${sql.raw(String(names.length - lacking))})`;
}

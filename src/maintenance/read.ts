import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";

/** The table that the connection's search_path finds. */
export const TABLE = sql`to_regclass('journey_sessions')`;

/**
 * Whether a table in pg_class has this package's trigger and function, both of its own schema: then the application
 * declares it with its schema, and its migrations created it. The trigger of a table made by hand has no condition.
 */
export const IS_COMPLETE = sql`exists (select from pg_trigger t join pg_proc p on p.oid = tgfoid where tgrelid = pg_class.oid
  and tgname = 'journey_sessions_updated_at' and proname = 'update_journey_sessions_updated_at' and pronamespace = relnamespace
  and tgqual is not null)`;

/** Selects tables of the same name in other schemas from pg_class. */
export const ELSEWHERE = sql`relname = 'journey_sessions' and relkind in ('r', 'p') and relpersistence <> 't' and oid is distinct from ${TABLE}`;

const LIST = sql`string_agg(relnamespace::regnamespace::text, ', ' order by relnamespace::regnamespace::text)`;

/** The schemas of those tables; null if there is none. */
export const SCHEMAS_ELSEWHERE = sql`select ${LIST} from pg_class where ${ELSEWHERE}`;

/** The same without the application's own tables. */
export const INCOMPLETE_ELSEWHERE = sql`${SCHEMAS_ELSEWHERE} and not ${IS_COMPLETE}`;

/** Runs a query on any driver and returns its rows as objects. */
export async function read<Row>(db: Database, query: SQL): Promise<Row[]> {
  const rows = await db.select({ row: sql<string>`to_jsonb(found)::text` }).from(sql`(${query}) as found`);
  return rows.map(({ row }) => JSON.parse(row));
}

/** Whether the search_path includes a table, and the other schemas that have a table of its name. */
export async function findTable(
  db: Database,
  name = "journey_sessions",
): Promise<{ exists: boolean; elsewhere: string | null }> {
  const [found] = await read<{ exists: boolean; elsewhere: string | null }>(
    db,
    sql`select coalesce(bool_or(oid = to_regclass(${name})), false) as exists, ${LIST} filter (where oid is distinct from to_regclass(${name})) as elsewhere
      from pg_class where relname = ${name} and relkind in ('r', 'p') and (relpersistence <> 't' or oid = to_regclass(${name}))`,
  );
  return found ?? { exists: false, elsewhere: null };
}

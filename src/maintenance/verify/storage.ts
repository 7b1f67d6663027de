import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { type Finding, type Remedy, warning } from "./finding.js";
import { TABLE } from "./structure.js";

const USE_LZ4 =
  "alter table journey_sessions alter messages set storage extended, alter messages set compression lz4";

/** How conversations are stored, and what room is kept: calls work without it, and take several times as long. */
export async function checkStorage(db: Database, reapply: Remedy): Promise<Finding[]> {
  const [stored] = await db
    .select({
      hasLz4: sql<boolean>`exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals))`,
      compressed: sql<boolean>`attstorage in ('x', 'm')`,
      withLz4: sql<boolean>`attcompression = 'l'`,
      settings: sql<boolean>`coalesce(c.reloptions::text like '%fillfactor=%' and t.reloptions::text like '%autovacuum_vacuum_scale_factor=%', false)`,
    })
    .from(
      sql`pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_class t on t.oid = c.reltoastrelid`,
    )
    .where(
      sql`a.attrelid = ${TABLE} and a.attname = 'messages' and a.atttypid = 'jsonb'::regtype and c.relkind = 'r'`,
    );
  if (!stored) return [];
  const findings: Finding[] = [];
  if (stored.hasLz4 && !(stored.compressed && stored.withLz4)) {
    findings.push(
      warning("storage", "The server has lz4, and messages are not compressed with it.", { sql: USE_LZ4 }),
    );
  } else if (stored.compressed && !stored.withLz4) {
    findings.push(
      warning("storage", "messages are compressed with pglz, which takes most of the time of an append.", {
        sql: "alter table journey_sessions alter messages set storage external",
      }),
    );
  }
  if (!stored.settings) {
    findings.push(
      warning("storage", "The table's fillfactor, or when its TOAST table is vacuumed, is not set.", reapply),
    );
  }
  return findings;
}

import { type SQL, sql } from "drizzle-orm";
import { TABLE } from "../read.js";
import type { Check } from "./check.js";

const HAS_LZ4 = sql`exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals))`;

const onMessages = (condition: SQL) =>
  sql`select ${HAS_LZ4} as has_lz4
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_class t on t.oid = c.reltoastrelid
    where a.attrelid = ${TABLE} and a.attname = 'messages' and a.atttypid = 'jsonb'::regtype and c.relkind = 'r' and ${condition}`;

/** How rows are stored. Calls work with other storage settings, but take several times as long. */
export const STORAGE_CHECKS: Check[] = [
  {
    code: "storage",
    severity: "warning",
    query: onMessages(
      sql`case when ${HAS_LZ4} then attstorage not in ('x', 'm') or attcompression <> 'l' else attstorage in ('x', 'm') and attcompression <> 'l' end`,
    ),
    finding: ({ has_lz4 }: { has_lz4: boolean }) =>
      has_lz4
        ? [
            "The server has lz4, but messages are not compressed with it.",
            {
              sql: "alter table journey_sessions alter messages set storage extended, alter messages set compression lz4",
            },
          ]
        : [
            "messages are compressed with pglz, which takes most of the time of an append.",
            { sql: "alter table journey_sessions alter messages set storage external" },
          ],
  },
  {
    code: "storage",
    severity: "warning",
    query: onMessages(
      sql`(c.reloptions::text like '%fillfactor=%' and t.reloptions::text like '%autovacuum_vacuum_scale_factor=%') is not true`,
    ),
    finding: (_, { reapply }) => [
      "The fillfactor of the table, or the autovacuum threshold of its TOAST table, is not set.",
      reapply,
    ],
  },
  {
    code: "rule_unexpected",
    query: sql`select quote_ident(rulename) as name from pg_rewrite where ev_class = ${TABLE} order by rulename`,
    finding: ({ name }: { name: string }) => [
      `Rule ${name} replaces or extends commands on the table.`,
      { sql: `drop rule ${name} on journey_sessions` },
    ],
  },
  {
    code: "table_unlogged",
    query: sql`select from pg_class where oid = ${TABLE} and relpersistence = 'u'`,
    finding: () => [
      "The table is unlogged: a crash of the server empties it.",
      { sql: "alter table journey_sessions set logged" },
    ],
  },
];

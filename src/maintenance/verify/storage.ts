import { type SQL, sql } from "drizzle-orm";
import type { MessageTableSql } from "../table-sql.js";
import type { Check } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import { changeUndistributed } from "./distributed.js";
import { atOnce } from "./finding.js";

const HAS_LZ4 = sql`exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals))`;

const onMessages = (table: DeclaredTable, condition: SQL) =>
  sql`select ${HAS_LZ4} as has_lz4, attstorage in ('x', 'm') as extended
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_class t on t.oid = c.reltoastrelid
    where a.attrelid = ${table.oid} and a.attname = 'messages' and a.atttypid = 'jsonb'::regtype and c.relkind = 'r' and ${condition}`;

const messageChecks = (
  { oid, sql: table, distributed }: DeclaredTable,
  { storage, statistics }: MessageTableSql,
): Check[] => [
  {
    code: "storage",
    severity: "warning",
    query: sql`select attstorage = 'e' as external from pg_attribute join pg_class c on c.oid = attrelid where attrelid = ${oid} and attname = 'message' and atttypid = 'json'::regtype
      and (attstorage <> 'e' or (c.reloptions::text like '%toast_tuple_target=%') is not true)`,
    finding: ({ external }: { external: boolean }, { reapply }) => [
      "Column message is compressed, or moves to TOAST early: messages take longer to write and to read.",
      // Citus accepts no SET STORAGE.
      !distributed
        ? reapply(atOnce([storage]))
        : external
          ? { sql: `alter table ${table} set (toast_tuple_target = 4080)` }
          : changeUndistributed(distributed),
    ],
  },
  {
    code: "storage",
    severity: "warning",
    query: sql`select where not exists (select from pg_statistic_ext where stxrelid = ${oid} and 'f' = any (stxkind) and stxkeys::int2[] @> (
      select array_agg(attnum) from pg_attribute where attrelid = ${oid} and attname in ('session_id', 'user_id')))`,
    finding: (_, { reapply }) => [
      "The statistics of session_id and user_id are missing: the server may read all messages of a session to find one.",
      reapply(atOnce([statistics])),
    ],
  },
];

/** How rows are stored. Calls work with other storage settings, but take several times as long. */
export const storageChecks = (table: DeclaredTable): Check[] => [
  {
    code: "storage",
    severity: "warning",
    query: onMessages(
      table,
      sql`case when ${HAS_LZ4} then attstorage not in ('x', 'm') or attcompression <> 'l' else attstorage in ('x', 'm') and attcompression <> 'l' end`,
    ),
    finding: ({ has_lz4, extended }: { has_lz4: boolean; extended: boolean }) => {
      const { distributed } = table;
      const compress = "alter messages set compression lz4";
      const setStorage = has_lz4
        ? `alter messages set storage extended, ${compress}`
        : "alter messages set storage external";
      const change = distributed && has_lz4 && extended ? compress : setStorage;
      return [
        has_lz4
          ? "The server has lz4, but messages are not compressed with it."
          : "messages are compressed with pglz, which takes most of the time of an append.",
        // Citus accepts no SET STORAGE.
        distributed && change !== compress
          ? changeUndistributed(distributed)
          : { sql: `alter table ${table.sql} ${change}` },
      ];
    },
  },
  {
    code: "storage",
    severity: "warning",
    query: onMessages(
      table,
      sql`(c.reloptions::text like '%fillfactor=%' and t.reloptions::text like '%autovacuum_vacuum_scale_factor=%') is not true`,
    ),
    finding: (_, { reapply }) => [
      "The fillfactor of the table, or the autovacuum threshold of its TOAST table, is not set.",
      reapply(atOnce([table.parts().settings])),
    ],
  },
  ...(table.messageParts ? messageChecks(table, table.messageParts) : []),
  {
    code: "rule_unexpected",
    query: sql`select quote_ident(rulename) as name from pg_rewrite where ev_class = ${table.oid} order by rulename`,
    finding: ({ name }: { name: string }) => [
      `Rule ${name} replaces or extends commands on the table: calls fail, or do something else without an error.`,
      "do the same with a trigger, or by a rule on a view of the table",
    ],
  },
  {
    code: "table_unlogged",
    query: sql`select from pg_class where oid = ${table.oid} and relpersistence = 'u'`,
    finding: () => [
      "The table is unlogged: a crash of the server empties it.",
      { sql: `alter table ${table.sql} set logged` },
    ],
  },
];

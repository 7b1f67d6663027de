import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { ELSEWHERE, INCOMPLETE_ELSEWHERE, IS_COMPLETE, read, SCHEMAS_ELSEWHERE, TABLE } from "../read.js";
import { qualified } from "../table-sql.js";
import { type Check, type Context, runChecks } from "./check.js";
import { type DeclaredTable, isDefaultTable } from "./declared.js";
import { distributionCheck } from "./distributed.js";
import { before, type Finding } from "./finding.js";
import { MIGRATE } from "./journal.js";

/** The command that repairs rows of the default table, or the function for another. */
export const forTable = (table: DeclaredTable, command: string, call: string) =>
  isDefaultTable(table)
    ? command
    : `${call}(db, { table }) of @aigos/journey-db/admin, after a backup; dryRun only counts`;

/** Whether the server accepts writes, and text in every language. */
export const SERVER_CHECKS: Check[] = [
  {
    code: "read_only",
    query: sql`select pg_is_in_recovery() as standby where pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'`,
    finding: ({ standby }: { standby: boolean }) =>
      standby
        ? ["The server is a standby: it accepts no writes.", "connect to the primary"]
        : [
            "Transactions are read-only (default_transaction_read_only).",
            "a provider may have set it because the disk is full: free disk space; otherwise reset it for the role or the database",
          ],
  },
  {
    code: "encoding",
    query: sql`select pg_encoding_to_char(encoding)::text as encoding from pg_database
      where datname = current_database() and pg_encoding_to_char(encoding) <> 'UTF8'`,
    finding: ({ encoding }: { encoding: string }) => [
      `The database's encoding is ${encoding}.`,
      "create a database with encoding UTF8",
    ],
  },
];

/** A schema with a table journey_sessions, quoted if SQL needs it. */
interface Place {
  schema: string;
  readable: boolean;
  /** Whether the application's migrations created it. */
  complete: boolean;
}

const PLACE = sql`relnamespace::regnamespace::text as schema, ${IS_COMPLETE} as complete,
  has_schema_privilege(relnamespace, 'USAGE') and has_table_privilege(oid, 'SELECT') and not row_security_active(oid) as readable`;

async function withRows(db: Database, places: readonly Place[]): Promise<string[]> {
  const readable = places.filter((place) => place.readable).map(({ schema }) => schema);
  if (readable.length === 0) return [];
  const queries = readable.map(
    (schema) =>
      sql`select ${schema}::text as schema where exists (select 1 from ${sql.raw(schema)}.journey_sessions)`,
  );
  const found = await read<{ schema: string }>(db, sql.join(queries, sql` union all `));
  return found.map(({ schema }) => schema);
}

export const notATable = (table: DeclaredTable): Check => ({
  code: "not_a_table",
  query: sql`select relkind::text as kind from pg_class where oid = ${table.oid} and relkind <> 'r'`,
  finding: ({ kind }: { kind: string }, { recreate }) => {
    if (kind === "p") {
      const message = `${table.label} is a partitioned table, which this package does not support.`;
      return [message, "move its rows to a table that is not partitioned"];
    }
    const then = typeof recreate === "string" ? recreate : `${recreate.sql}${recreate.rest}`;
    return [
      `${table.label} is not a table.`,
      kind === "c"
        ? `rename the type that has its name, then ${then}`
        : before(
            `alter table ${table.sql} rename to ${qualified(undefined, `${table.key}_other`)}`,
            recreate,
          ),
    ];
  },
});

/** A table of the application: it is created by the application's migrations. */
const ownTableChecks = (table: DeclaredTable): Check[] => [
  notATable(table),
  {
    code: "table_missing",
    query: sql`select where ${table.oid} is null`,
    finding: (_, { recreate }) => [`There is no table ${table.label}.`, recreate],
  },
];

/** The table that this package's migrations create. */
const defaultTableChecks = (table: DeclaredTable): Check[] => [
  notATable(table),
  {
    code: "table_missing",
    query: sql`select (${SCHEMAS_ELSEWHERE}) as schemas, (${INCOMPLETE_ELSEWHERE}) as incomplete where ${TABLE} is null`,
    finding: ({ schemas, incomplete }: Record<"schemas" | "incomplete", string | null>, { recreate }) => {
      // If the migrations were never applied, a complete table is the application's.
      const found = recreate === MIGRATE ? incomplete : schemas;
      return found
        ? [
            `The table is in schema ${found}, which is not on the connected role's search_path. A database has only one journal.`,
            `grant usage on that schema to the role and add it to its search_path${recreate === MIGRATE ? `, or ${MIGRATE}` : ""}`,
          ]
        : ["There is no table journey_sessions.", recreate];
    },
  },
  {
    code: "table_elsewhere",
    severity: "warning",
    query: sql`select ${PLACE}, (select jsonb_agg(p order by schema) from (select ${PLACE} from pg_class where ${ELSEWHERE}) as p) as others
      from pg_class where oid = ${TABLE} and relkind = 'r' and exists (select from pg_class where ${ELSEWHERE})`,
    finding: async ({ others: all, ...table }: Place & { others: Place[] }, { db }) => {
      const others = all.filter(({ complete }) => !complete);
      if (others.length === 0) {
        return [
          `There is a table journey_sessions in schema ${all.map(({ schema }) => schema).join(", ")}, too. Calls use the one in schema ${table.schema}, unless the table is declared with its schema.`,
          "none is needed if the application declares the other with its schema",
          "note",
        ];
      }
      const full = await withRows(db, [table, ...others]);
      if (table.readable && full.length > 0 && !full.includes(table.schema)) {
        const where = full.join(", ");
        return [
          `The table journey_sessions in schema ${where} has rows, but the one in schema ${table.schema}, which comes first on the search_path, has none: calls do not see those rows.`,
          `put schema ${where} first: ?search_path=${where} in the URL, or alter role … set search_path; then run journey-db verify. If the empty table is the right one, move the other to another database, or rename it`,
          "error",
        ];
      }
      return [
        `There is a table journey_sessions in schema ${others.map(({ schema }) => schema).join(", ")}, too. Migrations are applied to the first one on the search_path only, since a database has one journal.`,
        "move the other to another database, or rename it, unless it is a table of the application's own, declared with its schema",
      ];
    },
  },
];

export async function checkTable(context: Context): Promise<Finding[]> {
  // Waits for a lock as later checks do, so that a locked table is reported here.
  const { db, table } = context;
  await read(db, sql`select pg_relation_size(${table.oid}) as size`);
  return runChecks(
    [
      ...(isDefaultTable(table) ? defaultTableChecks(table) : ownTableChecks(table)),
      ...(table.distributed ? [distributionCheck(table, table.distributed)] : []),
    ],
    context,
  );
}

import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { applying, type Check, type Context, runChecks } from "./check.js";
import { columnChecks } from "./columns.js";
import { constraintChecks } from "./constraints.js";
import type { DeclaredTable } from "./declared.js";
import { error, type Finding } from "./finding.js";
import { checkOwnObjects } from "./own-objects.js";
import { rightsChecks } from "./rights.js";
import { countRowsOf, nullCheck } from "./rows.js";
import { putBuiltInsFirst } from "./run.js";
import { storageChecks } from "./storage.js";
import { notATable } from "./table.js";
import { foreignKeyTriggers, triggerChecks } from "./trigger.js";

/** The same checks as of the sessions' table, of tables that optional migrations create. */
export const checkOptionalTables =
  (tablesOf: (sessions: DeclaredTable) => readonly (DeclaredTable | undefined)[]) =>
  async (context: Context): Promise<Finding[]> => {
    if (context.inTransaction) await putBuiltInsFirst(context.db);
    const findings: Finding[] = [];
    for (const table of tablesOf(context.table))
      if (table) findings.push(...(await checkOne(context, table)));
    return findings;
  };

async function checkOne(sessions: Context, table: DeclaredTable): Promise<Finding[]> {
  const { with: of, rows, parent } = table.optional as NonNullable<DeclaredTable["optional"]>;
  const context = { ...sessions, ...applying(sessions, of), table, packageOnly: false };
  const [found] = await read(context.db, sql`select where ${table.oid} is not null`);
  if (!found) return [error("table_missing", `There is no table ${table.label}.`, context.recreate)];
  const owners = (oid: SQL) =>
    sql`(select quote_ident(pg_get_userbyid(relowner)) from pg_class where oid = ${oid})`;
  const owner: Check = {
    code: "table_owner",
    severity: "warning",
    query: sql`select * from (select ${owners(table.oid)} as own, ${owners(sessions.table.oid)} as sessions) as owners where own <> sessions`,
    finding: ({ own, sessions }: Record<"own" | "sessions", string>) => [
      `The table's owner is ${own}, and that of the sessions is ${sessions}, which may have no rights on it; deleting a ${parent} deletes its ${rows} with the rights of the former.`,
      { sql: `alter table ${table.sql} owner to ${sessions}`, rest: ", as a member of both roles" },
    ],
  };
  const checks = [
    ...[columnChecks, constraintChecks, storageChecks, rightsChecks]
      .flatMap((of) => of(table))
      // The check of the sessions reports what keeps what belongs to them.
      .filter(({ code }) => code !== "foreign_key"),
    owner,
    foreignKeyTriggers(table),
    ...triggerChecks(table),
  ];
  const other = await runChecks([notATable(table)], context);
  const findings =
    other.length > 0 ? other : [...(await runChecks(checks, context)), ...(await checkOwnObjects(context))];
  return findings.map((one) => ({ ...one, message: `${table.label}: ${one.message}` }));
}

/** Without a primary key, an id may have several rows. */
export const isComplete = ({ oid, columnRows, columns }: DeclaredTable) =>
  sql`exists (select from pg_index where indrelid = ${oid} and indisprimary) and (select count(*) from ${columnRows} join pg_attribute on attname = name
    where attrelid = ${oid} and not attisdropped and format_type(atttypid, atttypmod) = declared.type) = ${sql.raw(String(columns.length))}`;

/** Rows with NULL in a column that must have a value. */
export async function nullRows(db: Database, table: DeclaredTable): Promise<Finding[]> {
  const nullable = await read<{ name: string }>(
    db,
    sql`select name from ${table.columnRows} join pg_attribute on attname = name where attrelid = ${table.oid} and not attnotnull and not nullable`,
  );
  return countRowsOf(
    db,
    table.sql,
    nullable.map(({ name }) => nullCheck(table, name)),
  );
}

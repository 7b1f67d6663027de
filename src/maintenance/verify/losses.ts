import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { error, type Finding } from "./finding.js";
import { TABLE } from "./structure.js";

/** What loses rows without an error: a rewrite rule in place of a command, a table that a crash empties. */
export async function checkLosses(db: Database): Promise<Finding[]> {
  const rules = await db
    .select({ name: sql<string>`quote_ident(rulename)` })
    .from(sql`pg_rewrite`)
    .where(sql`ev_class = ${TABLE}`)
    .orderBy(sql`rulename`);
  const findings = rules.map(({ name }) =>
    error("rule_unexpected", `Rule ${name} makes something else of a command on the table, or adds to it.`, {
      sql: `drop rule ${name} on journey_sessions`,
    }),
  );
  const [table] = await db
    .select({ unlogged: sql<boolean>`relpersistence = 'u'` })
    .from(sql`pg_class`)
    .where(sql`oid = ${TABLE}`);
  if (table?.unlogged) {
    findings.push(
      error("table_unlogged", "The table is unlogged: a crash of the server empties it.", {
        sql: "alter table journey_sessions set logged",
      }),
    );
  }
  return findings;
}

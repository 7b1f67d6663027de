import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { before, error, type Finding, type Remedy } from "./finding.js";
import { declared, TABLE } from "./structure.js";

/** What else has an index's name, in the schema where the index would be made, as one writes it. */
const readNameHolder = (db: Database, name: string): Promise<{ holder: string }[]> =>
  db
    .select({ holder: sql<string>`format('%I.%I', n.nspname, c.relname)` })
    .from(sql`pg_class c join pg_namespace n on n.oid = c.relnamespace`)
    .where(
      sql`c.relname = ${name}::text and c.relnamespace = (select relnamespace from pg_class where oid = ${TABLE})`,
    );

/** "create index if not exists" passes over a name that anything else has. */
async function missing(db: Database, name: string, reapply: Remedy): Promise<Finding> {
  const [taken] = await readNameHolder(db, name);
  if (!taken) return error("index_missing", `Index ${name} is missing.`, reapply);
  return error(
    "index_missing",
    `Index ${name} is missing: ${taken.holder}, which is no index of the table, has its name.`,
    before(`alter table ${taken.holder} rename to ${name}_other`, reapply),
  );
}

/** The declared indexes, whole and as declared, and no second unique one. */
export async function checkIndexes(db: Database, reapply: Remedy): Promise<Finding[]> {
  const stored = await db
    .select({
      name: sql<string>`quote_ident(c.relname)`,
      // An index of the name elsewhere may come first in the search_path.
      place: sql<string>`format('%I.%I', n.nspname, c.relname)`,
      constraint: sql<boolean>`exists (select from pg_constraint where conindid = i.indexrelid)`,
      definition: sql<string>`substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$')`,
      unique: sql<boolean>`i.indisunique`,
      primary: sql<boolean>`i.indisprimary`,
      usable: sql<boolean>`i.indisvalid`,
      needing: sql<
        string | null
      >`(select string_agg(format('foreign key %I of %s', conname, conrelid::regclass), ', ' order by 1)
        from pg_constraint where contype = 'f' and conindid = i.indexrelid and conparentid = 0)`,
    })
    .from(
      sql`pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace`,
    )
    .where(sql`i.indrelid = ${TABLE}`)
    .orderBy(sql`c.relname`);
  const findings: Finding[] = [];
  for (const { config } of declared.indexes) {
    const name = config.name ?? "";
    const columns = config.columns.map((column) => ("name" in column ? column.name : "")).join(", ");
    const found = stored.find((one) => one.name === name);
    if (!found) findings.push(await missing(db, name, reapply));
    else if (!found.usable || found.unique || found.definition !== `btree (${columns})`) {
      findings.push(
        error(
          "index_different",
          `Index ${name} is ${found.usable ? "not" : "unfinished and not"} a plain btree (${columns}).`,
          before(`drop index if exists ${found.place}`, reapply),
        ),
      );
    }
  }
  for (const { name, place, constraint, unique, primary, needing } of stored) {
    if (!unique || primary || declared.indexes.some(({ config }) => config.name === name)) continue;
    const message = `Unique index ${name} refuses sessions that this package creates.`;
    findings.push(
      needing === null
        ? error("unique_index", message, {
            sql: constraint
              ? `alter table journey_sessions drop constraint if exists ${name}`
              : `drop index if exists ${place}`,
          })
        : error("unique_index", message, `have ${needing} refer to id alone, then run journey-db verify`),
    );
  }
  return findings;
}

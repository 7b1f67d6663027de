import { sql } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import type { Database } from "../../model/database.js";
import { journeySessions } from "../../schema.js";
import { error, type Finding, type Remedy, warning } from "./finding.js";

/** The table as src/schema-zod.ts declares it. */
export const declared = getTableConfig(journeySessions);

/** The table as the connection's search_path finds it. */
export const TABLE = sql`to_regclass(${sql.raw(`'${declared.name}'`)})`;

/** What a row must hold, the check that says so, the JSON type it asks for, and the check as the server writes it. */
export const SHAPES = [
  {
    check: "journey_sessions_user_id_not_empty",
    column: "user_id",
    type: "text",
    broken: "user_id = ''",
    what: "an empty user_id",
    holds: null,
    definition: "CHECK ((user_id <> ''::text))",
  },
  {
    check: "journey_sessions_messages_is_array",
    column: "messages",
    type: "jsonb",
    broken: "jsonb_typeof(messages) <> 'array'",
    what: "messages that are no array",
    holds: "array",
    definition: "CHECK ((jsonb_typeof(messages) = 'array'::text))",
  },
  {
    check: "journey_sessions_metadata_is_object",
    column: "metadata",
    type: "jsonb",
    broken: "jsonb_typeof(metadata) <> 'object'",
    what: "metadata that is no object",
    holds: "object",
    definition: "CHECK ((jsonb_typeof(metadata) = 'object'::text))",
  },
] as const;

export const NOT_VALID = / NOT VALID$/;

export interface StoredConstraint {
  name: string;
  type: string;
  definition: string;
  validated: boolean;
}

export const readConstraints = (db: Database): Promise<StoredConstraint[]> =>
  db
    .select({
      name: sql<string>`quote_ident(conname)`,
      type: sql<string>`contype::text`,
      definition: sql<string>`pg_get_constraintdef(oid)`,
      validated: sql<boolean>`convalidated`,
    })
    .from(sql`pg_constraint`)
    // Not-null constraints (PostgreSQL 18) show on the columns.
    .where(sql`conrelid = ${TABLE} and contype in ('p', 'u', 'c', 'f', 'x')`)
    .orderBy(sql`conname`);

/** A foreign key of another table that keeps a session from being deleted, or a row that would go with one. */
interface Blocking {
  name: string;
  table: string;
  definition: string;
  /** Whether it refers to a session itself. */
  direct: boolean;
  nullable: boolean;
}

/** Whether a column of the key `c`, of those that a delete sets where it sets only some, is NOT NULL. */
const mustHoldAll = sql`exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnotnull
  and coalesce(nullif(to_jsonb(c) -> 'confdelsetcols', 'null'), to_jsonb(c.conkey)) @> to_jsonb(a.attnum))`;

// By to_jsonb: confdelsetcols is of PostgreSQL 15, conenforced of 18.
const readBlocking = (db: Database): Promise<Blocking[]> =>
  db
    .select({
      name: sql<string>`quote_ident(c.conname)`,
      table: sql<string>`c.conrelid::regclass::text`,
      definition: sql<string>`pg_get_constraintdef(c.oid)`,
      direct: sql<boolean>`c.confrelid = ${TABLE}`,
      nullable: sql<boolean>`not exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnotnull and a.attnum = any (c.conkey))`,
    })
    .from(sql`(
      with recursive acting as (
        select * from pg_constraint k where contype = 'f' and conparentid = 0 and conrelid <> ${TABLE}
          and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
      ), reached as (
        select oid, conrelid, confdeltype from acting where confrelid = ${TABLE}
        union
        select a.oid, a.conrelid, a.confdeltype from acting a join reached r on a.confrelid = r.conrelid and r.confdeltype = 'c'
      ) select oid from reached
    ) as r join pg_constraint c on c.oid = r.oid`)
    .where(sql`c.confdeltype in ('a', 'r', 'd') or c.confdeltype = 'n' and ${mustHoldAll}`)
    .orderBy(sql`c.conrelid::regclass::text, c.conname`);

const checkBlocking = (blocking: readonly Blocking[]): Finding[] =>
  blocking.map(({ name, table, definition, direct, nullable }) => {
    const cascading = definition
      .replace(/ ON DELETE (RESTRICT|NO ACTION|SET (NULL|DEFAULT)( \(("[^"]*"|[^")])*\))?)/, "")
      .replace(/( REFERENCES .*?\)(?: MATCH FULL)?)/, "$1 ON DELETE CASCADE");
    const what = direct ? "each that it references" : "each with a row that it references";
    return warning(
      "foreign_key",
      `Foreign key ${name} of ${table} keeps sessions from being deleted, erased and pruned: ${what}.`,
      {
        sql: `alter table ${table} drop constraint ${name}, add constraint ${name} ${cascading}`,
        ...(nullable && { rest: ", or with ON DELETE SET NULL" }),
      },
    );
  });

/** Of how many ids there are several rows, or none. */
async function countUnkeyed(db: Database, stored: readonly { name: string }[]) {
  if (!stored.some(({ name }) => name === "id")) return { repeated: 0, missing: 0 };
  const [found] = await db
    .select({
      repeated: sql<number>`count(*) filter (where id is not null and rows > 1)::float8`,
      missing: sql<number>`coalesce(sum(rows) filter (where id is null), 0)::float8`,
    })
    .from(sql`(select id, count(*) as rows from journey_sessions group by id) as ids`);
  return found ?? { repeated: 0, missing: 0 };
}

async function checkPrimaryKey(
  db: Database,
  stored: readonly StoredConstraint[],
  columns: readonly { name: string }[],
): Promise<Finding[]> {
  const primary = stored.find(({ type }) => type === "p");
  if (primary?.definition === "PRIMARY KEY (id)") return [];
  const message = `The primary key is ${primary ? "not (id), checked at once" : "missing"}`;
  const { repeated, missing } = await countUnkeyed(db, columns);
  if (repeated + missing > 0) {
    return [
      error(
        "primary_key",
        `${message}, and ${repeated} ids are of several rows, ${missing} rows have none.`,
        {
          sql: "select * from journey_sessions where id is null or id in (select id from journey_sessions group by id having count(*) > 1)",
          rest: ", then give each row that it shows an id of its own, then run journey-db verify",
        },
      ),
    ];
  }
  const references = primary
    ? await db
        .select({ key: sql<string>`format('foreign key %I of %s', conname, conrelid::regclass)` })
        .from(sql`pg_constraint`)
        .where(
          sql`contype = 'f' and confrelid = ${TABLE} and conparentid = 0 and conindid = (select conindid from pg_constraint where conrelid = ${TABLE} and contype = 'p')`,
        )
        .orderBy(sql`1`)
    : [];
  if (references.length > 0) {
    const keys = references.map(({ key }) => key).join(", ");
    const remedy = `keep the definition of ${keys} and drop it, then run journey-db verify for the SQL that changes the primary key, then create it again, referring to id alone`;
    return [error("primary_key", `${message}, and is used by ${keys}.`, remedy)];
  }
  const dropOther = primary ? `drop constraint ${primary.name}, ` : "";
  return [
    error("primary_key", `${message}.`, {
      sql: `alter table journey_sessions ${dropOther}add primary key (id)`,
    }),
  ];
}

/** The primary key, the three checks, and nothing else that could refuse a row, or a delete. */
export async function checkConstraints(
  db: Database,
  stored: readonly StoredConstraint[],
  columns: readonly { name: string }[],
  reapply: Remedy,
): Promise<Finding[]> {
  const findings = await checkPrimaryKey(db, stored, columns);
  for (const { check, definition } of SHAPES) {
    const found = stored.find(({ name }) => name === check);
    if (!found) findings.push(error("check_missing", `Check ${check} is missing.`, reapply));
    else if (found.definition.replace(NOT_VALID, "") !== definition) {
      findings.push(error("check_different", `Check ${check} has another definition.`, reapply));
    }
  }
  for (const { name, type } of stored) {
    // Unique ones are reported as the indexes that they are.
    if (type === "p" || type === "u" || SHAPES.some(({ check }) => check === name)) continue;
    findings.push(
      warning("constraint_unexpected", `Constraint ${name} is not part of the table and may refuse rows.`, {
        sql: `alter table journey_sessions drop constraint if exists ${name}`,
      }),
    );
  }
  return [...findings, ...checkBlocking(await readBlocking(db))];
}

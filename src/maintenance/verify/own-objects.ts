import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { fromDriver } from "../../model/driver-errors.js";
import { quotedName } from "../../schema.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Context } from "./check.js";
import { cut, type DeclaredTable, type OwnForeignKey } from "./declared.js";
import { alterations } from "./distributed.js";
import { atOnce, type Finding, finding, note, plural, type Remedy, warning } from "./finding.js";
import { isOfServer, isolated } from "./run.js";

interface StoredIndex {
  key: string;
  /** Quoted if SQL needs it, with its schema. */
  name: string;
  qualified_name: string;
  unique: boolean;
  valid: boolean;
  method: string;
  partial: boolean;
  nulls_not_distinct: boolean;
  is_constraint: boolean;
  /** The names of its columns; null if it has expressions or covers only some rows. */
  columns: string[] | null;
}

interface StoredConstraint {
  key: string;
  name: string;
  type: "c" | "f" | "x";
  validated: boolean;
  columns: string[] | null;
  foreign_schema: string | null;
  foreign_table: string | null;
  foreign_columns: string[] | null;
  on_delete: string;
  on_update: string;
}

interface Stored {
  indexes: StoredIndex[];
  constraints: StoredConstraint[];
  policies: { key: string; name: string }[];
  /** The names of the table's columns. */
  columns: string[];
  /** The names of all constraints of the table, and of what else has the name of a declared index. */
  taken: string[];
}

const APPLY = "apply the application's migration that creates it";
const LATER = "resolve the findings about its columns, then run journey-db verify";
const RENAME = "rename what has its name, then run journey-db verify";

/** Applications declare the table of sessions, but not the optional ones. */
const declareIt = ({ optional }: DeclaredTable, how = "") =>
  optional
    ? `none is needed; ${optional.by} cannot declare it, so this note stays`
    : `declare it in the table's schema${how}`;

/**
 * Compares the application's indexes, constraints and policies with what it declares. An index or a foreign key is found
 * by what it does if not by its name, since a table made by hand has other names than drizzle-kit's; a check or a policy
 * by its name only. The remedy has SQL only if it is sure to succeed once the table has the declared columns.
 */
export async function checkOwnObjects(context: Context): Promise<Finding[]> {
  if (context.packageOnly) return [];
  const stored = await readStored(context.db, context.table);
  return [
    ...(await indexFindings(context, stored)),
    ...(await checkFindings(context, stored)),
    ...(await foreignKeyFindings(context, stored)),
    ...policyFindings(context.table, stored),
  ];
}

const names = (keys: string, of: string, relation: string) =>
  `(select jsonb_agg(attname::text order by ord) from unnest(${keys}) with ordinality as k (num, ord) join pg_attribute on attrelid = ${relation} and attnum = num where ${of})`;

const keyColumns = sql.raw(names("i.indkey::int2[]", "ord <= i.indnkeyatts", "i.indrelid"));

async function readStored(db: Database, { oid, own }: DeclaredTable): Promise<Stored> {
  const wanted = [...own.indexes, ...own.uniques].map(({ key }) => literal(cut(key)));
  const action = (column: string) =>
    `case ${column} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' end`;
  // By to_jsonb, since indnullsnotdistinct is of PostgreSQL 15.
  const [stored] = await read<Stored>(
    db,
    sql`select (
        select coalesce(jsonb_agg(jsonb_build_object('key', c.relname, 'name', quote_ident(c.relname), 'qualified_name', format('%I.%I', n.nspname, c.relname),
          'unique', indisunique, 'valid', indisvalid, 'method', amname, 'partial', indpred is not null,
          'nulls_not_distinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
          'is_constraint', exists (select from pg_constraint where conindid = indexrelid and contype = 'u'),
          'columns', case when indexprs is null and indpred is null then ${keyColumns} end) order by c.relname), '[]')
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace join pg_am on pg_am.oid = c.relam
        where indrelid = ${oid} and not indisprimary and not exists (select from pg_constraint where conindid = indexrelid and contype = 'x')) as indexes, (
        select coalesce(jsonb_agg(jsonb_build_object('key', conname, 'name', quote_ident(conname), 'type', contype, 'validated', convalidated,
          'columns', ${sql.raw(names("conkey", "true", "conrelid"))}, 'foreign_columns', ${sql.raw(names("confkey", "true", "confrelid"))},
          'foreign_schema', (select nspname from pg_namespace n join pg_class c on c.relnamespace = n.oid where c.oid = confrelid),
          'foreign_table', (select relname from pg_class where oid = confrelid),
          'on_delete', ${sql.raw(action("confdeltype"))}, 'on_update', ${sql.raw(action("confupdtype"))}) order by conname), '[]')
        from pg_constraint where conrelid = ${oid} and contype in ('c', 'f', 'x') and conparentid = 0) as constraints, (
        select coalesce(jsonb_agg(jsonb_build_object('key', polname, 'name', quote_ident(polname)) order by polname), '[]')
        from pg_policy where polrelid = ${oid}) as policies, (
        select coalesce(jsonb_agg(attname), '[]') from pg_attribute where attrelid = ${oid} and attnum > 0 and not attisdropped) as columns, (
        select coalesce(jsonb_agg(name), '[]') from (select conname as name from pg_constraint where conrelid = ${oid} union all
        select relname from pg_class where relnamespace = (select relnamespace from pg_class where oid = ${oid})
          and relname in (${sql.raw([...wanted, "null"].join(", "))})
          and not exists (select from pg_index where indexrelid = pg_class.oid and indrelid = ${oid})) as names) as taken`,
  );
  return stored as Stored;
}

const sameColumns = (
  some: readonly string[] | null | undefined,
  others: readonly string[] | null | undefined,
) => some != null && others != null && some.join("\n") === others.join("\n");

/** Whether a query of a column finds a row (Citus needs one); undefined if the server cannot run it, because what it names is missing or has another type. */
async function finds(context: Context, select: string): Promise<boolean | undefined> {
  try {
    const [row] = await isolated(context, (on) =>
      read<{ exists: boolean }>(on, sql.raw(`select exists (${select})`)),
    );
    return row?.exists;
  } catch (thrown) {
    const { sqlState } = fromDriver(thrown, true);
    if (sqlState === undefined || isOfServer(sqlState)) throw thrown;
    return undefined;
  }
}

const hasAllColumns = ({ own }: DeclaredTable, { columns }: Stored) =>
  own.columns.every(({ key }) => columns.includes(key));

async function indexFindings(context: Context, stored: Stored): Promise<Finding[]> {
  const { table } = context;
  const { indexes, taken } = stored;
  const findings: Finding[] = [];
  // The migrations of message rows make it. Without a table of messages it is of no use, but the schema cannot declare it.
  const byUpdate = cut(`idx_${table.key}_user_id_updated_at_id`);
  const known = new Set([...table.indexes.map(({ key }) => key), byUpdate]);
  const declared = [
    ...table.own.indexes.map((index) => ({ ...index, constraint: false, nullsNotDistinct: false })),
    ...table.own.uniques.map((unique) => ({
      ...unique,
      unique: true,
      method: "btree",
      partial: false,
      constraint: true,
    })),
  ];
  const isDeclared = (one: StoredIndex) => declared.some(({ key }) => cut(key) === one.key);
  for (const {
    key,
    name,
    unique,
    method,
    partial,
    columns,
    create,
    constraint,
    nullsNotDistinct,
  } of declared) {
    const isSame = (one: StoredIndex) =>
      one.valid &&
      one.unique === unique &&
      one.method === method &&
      one.partial === partial &&
      one.nulls_not_distinct === nullsNotDistinct &&
      (columns === undefined || sameColumns(one.columns, columns));
    const named = indexes.find((one) => one.key === cut(key));
    const found = named ?? indexes.find((one) => columns !== undefined && isSame(one));
    if (found) known.add(found.key);
    if (found && isSame(found)) continue;
    const remedy = async (): Promise<Remedy> => {
      if (unique && table.distributed && !columns?.includes("user_id"))
        return "declare it with user_id: each server of a distributed table knows only its own rows";
      if (named) {
        // A foreign key may need a unique index, and stored rows may break the new one.
        return unique || named.unique
          ? `drop it, and ${APPLY}`
          : { sql: atOnce([`drop index ${named.qualified_name}`, create]) };
      }
      if (taken.includes(cut(key))) return RENAME;
      const alike = !columns && indexes.some((one) => one.columns === null && !isDeclared(one));
      if ((unique && !columns) || alike) return APPLY;
      if (!unique || !columns) return { sql: create };
      const list = columns.map(quotedName);
      const filled = nullsNotDistinct ? "true" : list.map((one) => `${one} is not null`).join(" and ");
      const duplicates = await finds(
        context,
        `select 1 from ${table.sql} where ${filled} group by ${list.join(", ")} having count(*) > 1`,
      );
      if (duplicates === undefined) return LATER;
      return duplicates
        ? `change or delete the rows that have the same ${columns.join(", ")}, then run journey-db verify`
        : { sql: create };
    };
    const what = `${constraint ? "Unique constraint" : "Index"} ${name}`;
    const problem = found ? `${what} is not as the schema declares it` : `${what} is missing`;
    const consequence = unique
      ? "sessions that it would refuse are stored"
      : "a filter that it serves reads all rows of the user";
    const code = found ? "index_different" : constraint ? "constraint_missing" : "index_missing";
    findings.push(warning(code, `${problem}; ${consequence}.`, await remedy()));
  }
  for (const { key, name, unique, is_constraint } of indexes) {
    if (known.has(key)) continue;
    findings.push(
      unique
        ? note(
            "unique_index",
            `Unique ${is_constraint ? "constraint" : "index"} ${name} is not in the schema: a call that would break it is refused with conflict.`,
            declareIt(table),
          )
        : note(
            "index_unexpected",
            `Index ${name} is not in the schema: each new ${table.row} is entered in it, too.`,
            declareIt(table),
          ),
    );
  }
  return findings;
}

async function checkFindings(context: Context, stored: Stored): Promise<Finding[]> {
  const { table } = context;
  const findings: Finding[] = [];
  const checks = stored.constraints.filter(({ type }) => type !== "f");
  const declared = [...table.checks, ...table.own.checks].map(({ key }) => cut(key));
  const alike = checks.some(({ key, type }) => type === "c" && !declared.includes(key));
  for (const { key, name, condition } of table.own.checks) {
    const found = checks.find((one) => one.key === cut(key));
    if (found?.validated === false) findings.push(notValidated("check_not_validated", `Check ${name}`));
    if (found) continue;
    const remedy = async (): Promise<Remedy> => {
      if (stored.taken.includes(cut(key))) return RENAME;
      if (alike) return `rename the check that does the same, or ${APPLY}`;
      const broken = await finds(context, `select 1 from ${table.sql} where not (${condition})`);
      if (broken) return "change or delete the rows that break it, then run journey-db verify";
      return broken === undefined && hasAllColumns(table, stored)
        ? LATER
        : { sql: `alter table ${table.sql} add constraint ${name} check (${condition})` };
    };
    const unless = alike ? ", unless a check with another name does the same" : "";
    const message = `Check ${name} is missing; sessions that it would refuse are stored${unless}.`;
    findings.push(warning("check_missing", message, await remedy()));
  }
  for (const { key, name, type } of checks) {
    if (declared.includes(key)) continue;
    findings.push(
      type === "x"
        ? note(
            "constraint_unexpected",
            `Exclusion constraint ${name} is not in the schema: a call that would break it is refused with conflict.`,
            "none is needed; Drizzle cannot declare exclusion constraints, so this note stays",
          )
        : note(
            "constraint_unexpected",
            `Check ${name} is not in the schema: a call that would break it is refused.`,
            declareIt(table),
          ),
    );
  }
  return findings;
}

const notValidated = (code: "check_not_validated" | "constraint_different", what: string) =>
  note(code, `${what} is NOT VALID: stored rows may break it.`, "validate it when no stored row breaks it");

async function foreignKeyFindings(context: Context, stored: Stored): Promise<Finding[]> {
  const { table } = context;
  const findings: Finding[] = [];
  const foreignKeys = stored.constraints.filter(({ type }) => type === "f");
  const known = new Set<string>();
  for (const declared of table.own.foreignKeys) {
    const { key, name, create, broken, onDelete, onUpdate } = declared;
    const named = foreignKeys.find((one) => one.key === cut(key));
    const found =
      named && references(declared, named)
        ? named
        : (foreignKeys.find((one) => references(declared, one)) ?? named);
    if (found) known.add(found.key);
    if (
      found &&
      references(declared, found) &&
      found.on_delete === onDelete &&
      found.on_update === onUpdate
    ) {
      if (!found.validated) findings.push(notValidated("constraint_different", `Foreign key ${found.name}`));
      continue;
    }
    const isFit = await fits(context, declared);
    const remedy = async (): Promise<Remedy> => {
      const add = alterations(table, [...(found ? [`drop constraint ${found.name}`] : []), create]);
      // What it references may be repaired or created before.
      if (!isFit && table.row !== "batch")
        return !table.distributed || isFit === undefined
          ? APPLY
          : table.optional
            ? `resolve the findings about ${declared.foreignTable}, then run journey-db verify`
            : "make the table that it references one that every server has (select create_reference_table(…)), then run journey-db verify";
      if (found?.key !== cut(key) && stored.taken.includes(cut(key))) return RENAME;
      const isBroken = await finds(context, `select 1 from ${table.sql} t where ${broken}`);
      if (isBroken !== false && table.optional?.with === "durable-replies")
        return { sql: atOnce([`delete from ${table.sql} t where ${broken}`, ...add]) };
      if (isBroken && table.row === "message")
        return "delete the messages that have no session (message_rows_orphaned shows them), then run journey-db verify";
      if (isBroken) return "change the rows that reference no row, then run journey-db verify";
      if (isBroken === undefined && hasAllColumns(table, stored)) return APPLY;
      return { sql: atOnce(add) };
    };
    const problem =
      isFit === undefined
        ? " and references a table that does not exist"
        : isFit
          ? ""
          : ` and cannot be created: what it references must be unique and have the same type${table.distributed ? ", and be beside it or on every server" : ""}`;
    const consequence = table.optional
      ? `${table.optional.rows} of deleted ${plural(table.optional.parent)} stay`
      : "values that reference no row are stored";
    findings.push(
      finding(
        table.optional ? "error" : "warning",
        found ? "constraint_different" : "constraint_missing",
        found
          ? `Foreign key ${found.name} is not as the schema declares it${problem}.`
          : `Foreign key ${name} is missing${problem}; ${consequence}.`,
        await remedy(),
      ),
    );
  }
  for (const { key, name, foreign_table } of foreignKeys) {
    if (known.has(key)) continue;
    findings.push(
      note(
        "constraint_unexpected",
        `Foreign key ${name} is not in the schema: a call with a value that ${foreign_table} does not have is refused.`,
        declareIt(table, ", with its column"),
      ),
    );
  }
  return findings;
}

/** Whether the server would accept the foreign key; undefined if there is no such table. */
async function fits(
  { db, table }: Context,
  { columns, foreignSchema, foreignTable, foreignColumns }: OwnForeignKey,
): Promise<boolean | undefined> {
  const schema = foreignSchema === undefined ? null : literal(foreignSchema);
  const wanted = JSON.stringify(foreignColumns);
  const [found] = await read<{ fits: boolean }>(
    db,
    sql`select exists (
        select from pg_index i where indrelid = c.oid and indisunique and indisvalid and indimmediate and indpred is null and indexprs is null
          and ${keyColumns} @> ${wanted}::text::jsonb and ${keyColumns} <@ ${wanted}::text::jsonb
      ) and not exists (
        select from jsonb_array_elements_text(${JSON.stringify(columns)}::text::jsonb) with ordinality as o (name, ord)
          join jsonb_array_elements_text(${wanted}::text::jsonb) with ordinality as f (name, ord) using (ord)
          join pg_attribute a on a.attrelid = ${table.oid} and a.attname = o.name join pg_attribute b on b.attrelid = c.oid and b.attname = f.name
        where a.atttypid <> b.atttypid
      )${table.distributed ? isReachable(table) : sql``} as fits from pg_class c join pg_namespace n on n.oid = relnamespace where relname = ${sql.raw(literal(cut(foreignTable)))} and relkind in ('r', 'p')
        and ${sql.raw(schema === null ? "pg_table_is_visible(c.oid)" : `nspname = ${schema}`)}`,
  );
  return found?.fits;
}

/** Whether Citus stores what a foreign key references beside the table, or on every server. */
const isReachable = ({ oid }: DeclaredTable) =>
  sql` and exists (select from pg_dist_partition f where f.logicalrelid = c.oid and (f.repmodel = 't'
    or f.colocationid = (select colocationid from pg_dist_partition where logicalrelid = ${oid})))`;

function references(declared: OwnForeignKey, stored: StoredConstraint): boolean {
  const pairs = (from: readonly string[], to: readonly string[]) =>
    from.map((one, index) => `${one}\n${to[index]}`).sort();
  return (
    stored.foreign_table === declared.foreignTable &&
    (declared.foreignSchema === undefined || declared.foreignSchema === stored.foreign_schema) &&
    sameColumns(
      pairs(declared.columns, declared.foreignColumns),
      pairs(stored.columns ?? [], stored.foreign_columns ?? []),
    )
  );
}

function policyFindings(table: DeclaredTable, { policies }: Stored): Finding[] {
  const declared = table.own.policies;
  return [
    ...declared
      .filter(({ key }) => !policies.some((one) => one.key === cut(key)))
      .map(({ name }) => warning("policy_missing", `Policy ${name} is missing.`, APPLY)),
    ...policies
      .filter(({ key }) => !declared.some((one) => cut(one.key) === key))
      .map(({ name }) =>
        note(
          "policy",
          `Policy ${name} is not in the schema. It applies to roles that have privileges on the table and do not bypass row level security, which the package's role does.`,
          declareIt(table, " with pgPolicy"),
        ),
      ),
  ];
}

import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Context } from "./check.js";
import type { DeclaredTable, OwnForeignKey } from "./declared.js";
import { type Finding, note, warning } from "./finding.js";

interface StoredIndex {
  key: string;
  /** Quoted if SQL needs it, with its schema. */
  name: string;
  qualified_name: string;
  unique: boolean;
  valid: boolean;
  is_constraint: boolean;
  /** The names of its columns; null if it has expressions or covers only some rows. */
  columns: string[] | null;
}

interface StoredConstraint {
  key: string;
  name: string;
  type: "c" | "f" | "x";
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
  /** Whether the table has all declared columns, so that conditions on them can be checked. */
  complete: boolean;
  /** The names of other relations in the table's schema that declared indexes need. */
  taken: string[];
}

/**
 * Compares the application's indexes, constraints and policies with what it declares. A constraint is found by what it
 * does if not by its name, since a table made by hand has other names than drizzle-kit's.
 */
export async function checkOwnObjects(context: Context): Promise<Finding[]> {
  const { db, table, packageOnly } = context;
  if (packageOnly) return [];
  const stored = await readStored(db, table);
  return [
    ...(await indexFindings(db, table, stored)),
    ...(await checkFindings(db, table, stored)),
    ...(await foreignKeyFindings(db, table, stored)),
    ...policyFindings(table, stored),
  ];
}

const names = (keys: string, of: string, relation: string) =>
  `(select jsonb_agg(attname::text order by ord) from unnest(${keys}) with ordinality as k (num, ord) join pg_attribute on attrelid = ${relation} and attnum = num where ${of})`;

async function readStored(db: Database, { oid, own }: DeclaredTable): Promise<Stored> {
  const wanted = [...own.indexes, ...own.uniques].map(({ key }) => key);
  const columns = own.columns.map(({ key }) => key);
  const action = (column: string) =>
    `case ${column} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' end`;
  const [stored] = await read<Stored>(
    db,
    sql`select (
        select coalesce(jsonb_agg(jsonb_build_object('key', c.relname, 'name', quote_ident(c.relname), 'qualified_name', format('%I.%I', n.nspname, c.relname),
          'unique', indisunique, 'valid', indisvalid,
          'is_constraint', exists (select from pg_constraint where conindid = indexrelid and contype in ('u', 'x')),
          'columns', case when indexprs is null and indpred is null then ${sql.raw(names("i.indkey::int2[]", "ord <= i.indnkeyatts", "i.indrelid"))} end) order by c.relname), '[]')
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
        where indrelid = ${oid} and not indisprimary and not exists (select from pg_constraint where conindid = indexrelid and contype = 'x')) as indexes, (
        select coalesce(jsonb_agg(jsonb_build_object('key', conname, 'name', quote_ident(conname), 'type', contype,
          'columns', ${sql.raw(names("conkey", "true", "conrelid"))}, 'foreign_columns', ${sql.raw(names("confkey", "true", "confrelid"))},
          'foreign_schema', (select nspname from pg_namespace n join pg_class c on c.relnamespace = n.oid where c.oid = confrelid),
          'foreign_table', (select relname from pg_class where oid = confrelid),
          'on_delete', ${sql.raw(action("confdeltype"))}, 'on_update', ${sql.raw(action("confupdtype"))}) order by conname), '[]')
        from pg_constraint where conrelid = ${oid} and contype in ('c', 'f', 'x') and conparentid = 0) as constraints, (
        select coalesce(jsonb_agg(jsonb_build_object('key', polname, 'name', quote_ident(polname)) order by polname), '[]')
        from pg_policy where polrelid = ${oid}) as policies, (
        select coalesce(jsonb_agg(relname), '[]') from pg_class where relnamespace = (select relnamespace from pg_class where oid = ${oid})
          and relname in (${sql.raw([...wanted.map((key) => literal(cut(key))), "null"].join(", "))})
          and not exists (select from pg_index where indexrelid = pg_class.oid and indrelid = ${oid})) as taken, (
        select count(*) = ${sql.raw(String(columns.length))} from pg_attribute where attrelid = ${oid} and not attisdropped
          and attname in (${sql.raw([...columns.map((key) => literal(key)), "null"].join(", "))})) as complete`,
  );
  return stored as Stored;
}

/** As the server stores a longer name. Only ASCII names can be cut exactly here. */
const cut = (name: string) => new TextDecoder().decode(new TextEncoder().encode(name).slice(0, 63));

const sameColumns = (
  some: readonly string[] | null | undefined,
  others: readonly string[] | null | undefined,
) => some != null && others != null && some.join("\n") === others.join("\n");

async function indexFindings(
  db: Database,
  table: DeclaredTable,
  { indexes, taken, complete }: Stored,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const known = new Set(table.indexes.map(({ key }) => key));
  const declared = [
    ...table.own.indexes.map((index) => ({ ...index, constraint: false })),
    ...table.own.uniques.map((unique) => ({ ...unique, unique: true, constraint: true })),
  ];
  for (const { key, name, unique, columns, create, constraint } of declared) {
    const what = constraint ? `Unique constraint ${name}` : `Index ${name}`;
    const named = indexes.find((one) => one.key === cut(key));
    const alike = indexes.find(
      (one) => one.unique === unique && one.valid && sameColumns(one.columns, columns),
    );
    const found = named ?? alike;
    if (found) known.add(found.key);
    const differs =
      named &&
      (!named.valid ||
        named.unique !== unique ||
        (columns !== undefined && !sameColumns(named.columns, columns)));
    if (found && !differs) continue;
    const code = found ? "index_different" : constraint ? "constraint_missing" : "index_missing";
    const problem = found ? `${what} is not as the schema declares it` : `${what} is missing`;
    const consequence = unique
      ? "; sessions that it would refuse are stored"
      : "; a filter that it serves reads all rows of the user";
    if (create === undefined || (named?.is_constraint && !constraint) || taken.includes(cut(key))) {
      const remedy = taken.includes(cut(key))
        ? `rename what has its name, then run journey-db verify`
        : "apply the application's migration that creates it";
      findings.push(warning(code, `${problem}${consequence}.`, remedy));
      continue;
    }
    const duplicates = complete && unique && columns ? await hasDuplicates(db, table, columns) : false;
    if (duplicates) {
      findings.push(
        warning(
          code,
          `${problem}, and stored rows break it.`,
          `change or delete the rows that have the same ${columns?.join(", ")}, then run journey-db verify`,
        ),
      );
      continue;
    }
    const drop = named
      ? named.is_constraint
        ? `alter table ${table.sql} drop constraint ${named.name}; `
        : `drop index ${named.qualified_name}; `
      : "";
    findings.push(
      warning(code, `${problem}${consequence}.`, {
        sql: drop === "" ? create : `do $remedy$ begin ${drop}${create}; end $remedy$`,
      }),
    );
  }
  for (const { key, name, unique, is_constraint } of indexes) {
    if (known.has(key)) continue;
    const declare = "declare it in the table's schema";
    findings.push(
      unique
        ? note(
            "unique_index",
            `Unique ${is_constraint ? "constraint" : "index"} ${name} is not in the schema: a call that would break it is refused with conflict.`,
            declare,
          )
        : note(
            "index_unexpected",
            `Index ${name} is not in the schema: each new session is entered in it, too.`,
            declare,
          ),
    );
  }
  return findings;
}

async function hasDuplicates(
  db: Database,
  table: DeclaredTable,
  columns: readonly string[],
): Promise<boolean> {
  const list = columns.map((column) => `"${column.replaceAll('"', '""')}"`);
  const filled = list.map((one) => `${one} is not null`).join(" and ");
  return someRow(
    db,
    `select from ${table.sql} where ${filled} group by ${list.join(", ")} having count(*) > 1`,
  );
}

async function someRow(db: Database, select: string): Promise<boolean> {
  const [found] = await read<{ exists: boolean }>(db, sql.raw(`select exists (${select})`));
  return found?.exists === true;
}

async function checkFindings(
  db: Database,
  table: DeclaredTable,
  { constraints, complete }: Stored,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const stored = constraints.filter(({ type }) => type !== "f");
  for (const { key, name, condition } of table.own.checks) {
    if (stored.some((one) => one.key === cut(key))) continue;
    const broken = complete && (await someRow(db, `select from ${table.sql} where not (${condition})`));
    findings.push(
      warning(
        "check_missing",
        `Check ${name} is missing; sessions that it would refuse are stored.`,
        broken
          ? "change or delete the rows that break it, then run journey-db verify"
          : { sql: `alter table ${table.sql} add constraint ${name} check (${condition})` },
      ),
    );
  }
  const known = [...table.checks, ...table.own.checks].map(({ key }) => cut(key));
  for (const { key, name, type } of stored) {
    if (known.includes(key)) continue;
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
            "declare it in the table's schema",
          ),
    );
  }
  return findings;
}

async function foreignKeyFindings(
  db: Database,
  table: DeclaredTable,
  { constraints, complete }: Stored,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const stored = constraints.filter(({ type }) => type === "f");
  const known = new Set<string>();
  for (const declared of table.own.foreignKeys) {
    const { key, name, create, broken, onDelete, onUpdate } = declared;
    const found =
      stored.find((one) => one.key === cut(key) && references(declared, one)) ??
      stored.find((one) => references(declared, one)) ??
      stored.find((one) => one.key === cut(key));
    if (found) known.add(found.key);
    const same =
      found && references(declared, found) && found.on_delete === onDelete && found.on_update === onUpdate;
    if (same) continue;
    const isBroken = complete && (await someRow(db, `select from ${table.sql} t where ${broken}`));
    const drop = found ? `drop constraint ${found.name}, ` : "";
    findings.push(
      warning(
        found ? "constraint_different" : "constraint_missing",
        found
          ? `Foreign key ${found.name} is not as the schema declares it.`
          : `Foreign key ${name} is missing; values that reference no row are stored.`,
        isBroken
          ? "change the rows that reference no row, then run journey-db verify"
          : { sql: `alter table ${table.sql} ${drop}${create}` },
      ),
    );
  }
  for (const { key, name, foreign_table } of stored) {
    if (known.has(key)) continue;
    findings.push(
      note(
        "constraint_unexpected",
        `Foreign key ${name} is not in the schema: a call with a value that ${foreign_table} does not have is refused.`,
        "declare it in the table's schema, with its column",
      ),
    );
  }
  return findings;
}

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
      .map(({ name, create }) =>
        warning(
          "policy_missing",
          `Policy ${name} is missing.`,
          create === undefined ? "create it" : { sql: create },
        ),
      ),
    ...policies
      .filter(({ key }) => !declared.some((one) => cut(one.key) === key))
      .map(({ name }) =>
        note(
          "policy",
          `Policy ${name} is not in the schema. It applies to roles that have privileges on the table and do not bypass row level security, which the package's role does.`,
          "declare it in the table's schema with pgPolicy",
        ),
      ),
  ];
}

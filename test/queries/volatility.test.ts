/**
 * Engines that spread a table over machines refuse a function that is not IMMUTABLE where it is called once per row, or
 * once per copy of a row. These are the rules of Citus. That nothing is refused here does not mean that Citus runs it:
 * in `do update` it looks into sub-selects too.
 */
import { describe, expect, it } from "vitest";
import type { SessionTable } from "../../src/schema.js";
import { openPostgresJs, rawClient, wholeDatabase } from "../support/database.js";
import { childrenOf, isNode, parseTree, type Tree, type TreeNode } from "../support/parse-tree.js";
import { allStatements, sentBy } from "../support/statements.js";
import { CATALOGUES } from "../support/verbs.js";

const url = await wholeDatabase();
const sql = rawClient(url, { max: 1 });
const db = openPostgresJs(url, { max: 1 });
for (const { createIn } of Object.values(CATALOGUES)) await createIn(db, true);

const called = await sql`
  select key, proname as name, provolatile as volatility from pg_proc as p join (
    select 'function ' || oid as key, oid as code from pg_proc
    union all select 'operator ' || oid, oprcode::oid from pg_operator
    union all select 'input ' || oid, typinput::oid from pg_type
    union all select 'output ' || oid, typoutput::oid from pg_type
  ) as k on p.oid = code`;
const functions = new Map(called.map(({ key, name, volatility }) => [key, { name, volatility }]));

/** The OID of an expression's type. */
function typeOf(tree: Tree | undefined): Tree {
  const node: TreeNode = isNode(tree) ? tree : { kind: "nothing" };
  // A sub-select that is a value has its column's type.
  if (node.subLinkType === "4") return typeOf(childrenOf((node.subselect as TreeNode).targetList)[0]);
  if (node.kind === "TARGETENTRY") return typeOf(node.expr);
  const [, type] = Object.entries(node).find(([field]) => /type(id)?$/i.test(field)) ?? [];
  return type ?? expect.fail(`the type of ${node.kind} is not known here`);
}

/**
 * The functions that a node calls itself. An aggregate cannot stand outside of a sub-select. PostgreSQL takes the
 * comparisons of GREATEST and LEAST to be IMMUTABLE.
 */
function calledBy(node: TreeNode): { name: string; volatility: string }[] {
  // Of these pg_proc has no entry.
  if (/^(SQLVALUEFUNCTION|JSONCONSTRUCTOREXPR|JSONEXPR|XMLEXPR|COERCETODOMAIN)$/.test(node.kind))
    return [{ name: node.kind.toLowerCase(), volatility: "s" }];
  // A list of OIDs begins with the letter `o`.
  const operators = [node.opno ?? [], node.opnos ?? []].flat().filter((oid) => oid !== "o");
  const keys = operators.map((oid) => `operator ${oid}`);
  if (node.funcid !== undefined) keys.push(`function ${node.funcid}`);
  if (node.kind === "COERCEVIAIO") keys.push(`input ${node.resulttype}`, `output ${typeOf(node.arg)}`);
  return keys.map((key) => functions.get(key) ?? expect.fail(`${node.kind} calls an unknown ${key}`));
}

/** Whether the value depends on a column of the statement, which is `level` queries above. */
function hasColumn(tree: Tree, level = 0): boolean {
  if (isNode(tree) && tree.kind === "VAR") return tree.varlevelsup === String(level);
  const below = isNode(tree) && tree.kind === "QUERY" ? level + 1 : level;
  return childrenOf(tree).some((child) => hasColumn(child, below));
}

interface Call {
  name: string;
  volatile: boolean;
  /** Its arguments depend on a column, or it is in a CASE or COALESCE, which may not call it. */
  perRow: boolean;
}

/** The calls of STABLE and VOLATILE functions. */
function mutableCalls(tree: Tree | undefined, subselects: "with" | "without", conditional = false): Call[] {
  if (tree === undefined || typeof tree === "string") return [];
  const calls = (isNode(tree) ? calledBy(tree) : [])
    .filter(({ volatility }) => volatility !== "i")
    .map(({ name, volatility }) => ({
      name: `${name} (${volatility === "v" ? "volatile" : "stable"})`,
      volatile: volatility === "v",
      perRow: conditional || hasColumn(tree),
    }));
  const lazy = conditional || (isNode(tree) && /^(CASE|COALESCE)/.test(tree.kind));
  const below = Object.entries(tree).filter(([field]) => subselects === "with" || field !== "subselect");
  return [...calls, ...below.flatMap(([, child]) => mutableCalls(child, subselects, lazy))];
}

/** What an engine refuses in a query and in the writes of its WITH: the clause and the function. */
function refusedIn(query: TreeNode): string[] {
  const { commandType, onConflict } = query;
  const [isUpdate, isDelete] = [commandType === "2", commandType === "4"];
  // Sub-selects are planned before the clauses are looked at.
  const outside = (tree: Tree | undefined) => mutableCalls(tree, "without");
  // What is the same for every row is called once, before the statement is sent on.
  const perRow = (tree: Tree | undefined) => outside(tree).filter((call) => call.perRow);
  const clauses: Record<string, Call[]> = {};
  if (isUpdate) clauses.set = perRow(query.targetList);
  if (isUpdate || isDelete) {
    clauses.where = perRow(query.jointree);
    clauses.anywhere = mutableCalls(query, "with").filter((call) => call.volatile);
  }
  clauses.returning = outside(query.returningList);
  if (isNode(onConflict)) {
    clauses["on conflict where"] = outside(onConflict.arbiterWhere);
    clauses["do update set"] = outside(onConflict.onConflictSet);
    clauses["do update where"] = outside(onConflict.onConflictWhere);
  }
  const own = Object.entries(clauses).flatMap(([name, calls]) =>
    calls.map((call) => `${name}: ${call.name}`),
  );
  const parts = childrenOf(query.cteList).flatMap(childrenOf).filter(isNode);
  return [...own, ...parts.filter(({ kind }) => kind === "QUERY").flatMap(refusedIn)];
}

const refused = async (statement: string) => refusedIn(await parseTree(sql, statement));

for (const [name, { table }] of Object.entries(CATALOGUES)) {
  describe(name, async () => {
    it.each([...(await allStatements(table as SessionTable))])(
      "%s has no function that is refused",
      async (_name, statement) => {
        expect(await refused(sentBy(statement).text)).toEqual([]);
      },
    );
  });
}

const t = "journey_sessions as t";
const update = `update ${t} set phase = 'x'`;
const insert = "insert into journey_sessions as t values ($1, $2, 'x', '[]', '{}', now(), now()) on conflict";
const stable = "to_jsonb(t.id)";
const [server] = await sql`select current_setting('server_version_num')::int as version`;

describe("each clause", () => {
  it.each([
    [`update ${t} set messages = ${stable}`, "set: to_jsonb (stable)"],
    [`update ${t} set phase = v.x::text from (values (now())) as v (x)`, "set: timestamptz_out (stable)"],
    [`update ${t} set updated_at = coalesce($1, now())`, "set: now (stable)"],
    [`update ${t} set updated_at = case when $1 then now() end`, "set: now (stable)"],
    [`update ${t} set id = gen_random_uuid()`, "anywhere: gen_random_uuid (volatile)"],
    [`update ${t} set id = (select gen_random_uuid())`, "anywhere: gen_random_uuid (volatile)"],
    [`${update} where ${stable} = $1`, "where: to_jsonb (stable)"],
    [`${update} where ${stable} in (select metadata from journey_sessions)`, "where: to_jsonb (stable)"],
    [`${update} where to_jsonb((select t.id)) = $1`, "where: to_jsonb (stable)"],
    [`delete from ${t} where ${stable} = $1`, "where: to_jsonb (stable)"],
    [`delete from ${t} using random() as r where r > 0.5`, "anywhere: random (volatile)"],
    [`${update} returning ${stable}`, "returning: to_jsonb (stable)"],
    [`delete from ${t} returning now()`, "returning: now (stable)"],
    [`${insert} do nothing returning ${stable}`, "returning: to_jsonb (stable)"],
    [`${insert} (id) where ${stable} = $3 do nothing`, "on conflict where: to_jsonb (stable)"],
    [`${insert} (id) do update set updated_at = now()`, "do update set: now (stable)"],
    [`${insert} (id) do update set phase = 'x' where t.updated_at < now()`, "do update where: now (stable)"],
    [`with w as (${update} returning ${stable} as x) select x from w`, "returning: to_jsonb (stable)"],
  ])("%s", async (statement, expected) => {
    expect(await refused(statement)).toEqual([expected]);
  });
});

describe("each kind of call", () => {
  it.each([
    ["t.created_at = $1::timestamp", "timestamptz_eq_timestamp"],
    ["t.created_at is distinct from $1::timestamp", "timestamptz_eq_timestamp"],
    ["nullif(t.created_at, $1::timestamp)", "timestamptz_eq_timestamp"],
    ["t.created_at = any($1::timestamp[])", "timestamptz_eq_timestamp"],
    ["(t.id, t.created_at) < ($1::uuid, $2::timestamp)", "timestamptz_lt_timestamp"],
    ["t.phase::timestamptz", "timestamptz_in"],
    ["t.created_at::text", "timestamptz_out"],
    ["(select t.created_at)::text", "timestamptz_out"],
    ["array[t.created_at]::text[]", "timestamptz_out"],
    ["current_user", "sqlvaluefunction"],
    ["t.phase::information_schema.sql_identifier", "coercetodomain"],
    ["xmlelement(name x, t.created_at)", "xmlexpr"],
    ...(server?.version < 160_000 ? [] : [["json_object('x': t.created_at)", "jsonconstructorexpr"]]),
  ])("%s", async (expression, name) => {
    expect(await refused(`${update} returning ${expression}`)).toEqual([`returning: ${name} (stable)`]);
  });
});

describe("not refused", () => {
  it.each([
    `update ${t} set updated_at = now(), created_at = greatest(t.updated_at, now()) where t.updated_at < now()`,
    `update ${t} set messages = (select ${stable}) where (select ${stable}) = $1 returning (select ${stable})`,
    `update ${t} set messages = to_jsonb((select u.id from journey_sessions as u where u.phase = $1))`,
    `update ${t} set messages = input.x from (select to_jsonb($1::text) as x offset 0) as input where t.metadata = input.x`,
    `${insert} (id) do update set messages = (select ${stable}), updated_at = excluded.updated_at where (select ${stable}) = $3`,
    `insert into journey_sessions select gen_random_uuid(), $1, 'x', ${stable}, '{}', now(), now() from ${t} where ${stable} = $2`,
    `with w as (${update} where t.id = $1 returning t.*) select to_jsonb(w.updated_at), random() from w`,
    `select ${stable} from ${t} where ${stable} = $1`,
  ])("%s", async (statement) => {
    expect(await refused(statement)).toEqual([]);
  });
});

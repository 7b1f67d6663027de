/**
 * Every statement has the owner in its condition: asked of the tree that PostgreSQL parses it to, so that no way of
 * writing a condition or of naming the table gets past it.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { SessionTable } from "../../src/schema.js";
import { openPostgresJs, rawClient, wholeDatabase } from "../support/database.js";
import { childrenOf, isNode, parseTree, type Tree, type TreeNode } from "../support/parse-tree.js";
import { allStatements, sentBy } from "../support/statements.js";
import { CATALOGUES } from "../support/verbs.js";

const url = await wholeDatabase();
const sql = rawClient(url, { max: 1 });
const db = openPostgresJs(url, { max: 1 });
for (const { createIn } of Object.values(CATALOGUES)) await createIn(db, true);

const [operators] = await sql`select array_agg(oid::text) as equal from pg_operator where oprname = '='`;
const equal: string[] = operators?.equal;
/** The tables of the package that a query may reach, with the number of the owner's column. */
const owners = new Map<Tree | undefined, string>();
async function isAbout(...names: string[]): Promise<void> {
  owners.clear();
  const columns = await sql`
    select attrelid::text, attnum::text from pg_attribute where attrelid = any(${names}::regclass[]) and attname = 'user_id'`;
  for (const { attrelid, attnum } of columns) owners.set(attrelid, attnum);
}

const nodesIn = (tree: Tree | undefined): TreeNode[] => childrenOf(tree).filter(isNode);
const isParameter = (tree: Tree | undefined, parameters: string[]) =>
  isNode(tree) && tree.kind === "PARAM" && parameters.includes(String(tree.paramid));

/** Whether a condition holds only for the owner's rows of the range table's entry `place`, whose owner is this column. */
function isOwned(
  condition: Tree | undefined,
  place: string,
  owner: string | undefined,
  parameters: string[],
): boolean {
  if (!isNode(condition)) return false;
  if (condition.kind === "BOOLEXPR" && condition.boolop === "and")
    return nodesIn(condition.args).some((one) => isOwned(one, place, owner, parameters));
  if (condition.kind !== "OPEXPR" || !equal.includes(String(condition.opno))) return false;
  const isColumn = ({ kind, varno, varattno, varlevelsup }: TreeNode) =>
    kind === "VAR" && varno === place && varattno === owner && varlevelsup === "0";
  const sides = nodesIn(condition.args);
  return sides.some(isColumn) && sides.some((side) => isParameter(side, parameters));
}

/** The conditions of FROM and WHERE that the rows of the entry must meet. */
function conditionsOn(tree: Tree | undefined, place: string): Tree[] {
  if (!isNode(tree)) return [];
  const { kind, quals, fromlist, jointype, larg, rarg } = tree;
  if (kind === "FROMEXPR")
    return [quals ?? [], ...nodesIn(fromlist).flatMap((one) => conditionsOn(one, place))];
  if (kind !== "JOINEXPR") return [];
  const isIn = (side: Tree | undefined): boolean =>
    isNode(side) &&
    (side.rtindex === place && side.kind === "RANGETBLREF" ? true : isIn(side.larg) || isIn(side.rarg));
  // The condition of an outer join keeps no row of the outer side back.
  const keepsBack = jointype === "0" || (jointype === "1" && isIn(rarg));
  return [...(keepsBack ? [quals ?? []] : []), ...[larg, rarg].flatMap((side) => conditionsOn(side, place))];
}

/** What an inserted row gets as its owner: the parameter, or that column of a row of the owner's. */
function isOwnersValue(query: TreeNode, value: Tree | undefined, parameters: string[]): boolean {
  if (isParameter(value, parameters)) return true;
  if (!isNode(value) || value.kind !== "VAR" || value.varlevelsup !== "0") return false;
  const entry = nodesIn(query.rtable)[Number(value.varno) - 1];
  if (owners.has(entry?.relid)) return value.varattno === owners.get(entry?.relid);
  const source = entry?.subquery;
  if (!isNode(source)) return false;
  return isOwnersValue(source, nodesIn(source.targetList)[Number(value.varattno) - 1]?.expr, parameters);
}

/** The places of a query, and of all queries in it, where the table is reached without its owner. */
function unowned(tree: Tree | undefined, parameters: string[]): string[] {
  const below = childrenOf(tree).flatMap((one) => unowned(one, parameters));
  if (!isNode(tree) || tree.kind !== "QUERY") return below;
  const entries = nodesIn(tree.rtable);
  const faults = entries.flatMap(({ relid }, index) => {
    const place = String(index + 1);
    // `excluded` is no stored row.
    const owner = owners.get(relid);
    if (owner === undefined || (isNode(tree.onConflict) && tree.onConflict.exclRelIndex === place)) return [];
    const target = nodesIn(tree.targetList).find(({ resno }) => resno === owner);
    if (tree.commandType !== "3" || tree.resultRelation !== place)
      return [
        ...(conditionsOn(tree.jointree, place).some((one) => isOwned(one, place, owner, parameters))
          ? []
          : ["reached without its owner"]),
        ...(tree.commandType === "2" && tree.resultRelation === place && target
          ? ["given to another owner"]
          : []),
      ];
    const { onConflict } = tree;
    const set = isNode(onConflict) ? nodesIn(onConflict.onConflictSet) : [];
    return [
      ...(isOwnersValue(tree, target?.expr, parameters) ? [] : ["inserted for somebody else"]),
      ...(set.some(({ resno }) => resno === owner) ? ["given to another owner"] : []),
      ...(isNode(onConflict) &&
      set.length > 0 &&
      !isOwned(onConflict.onConflictWhere, place, owner, parameters)
        ? ["updated on conflict without its owner"]
        : []),
    ];
  });
  return [...faults, ...below];
}

const faultsOf = async (text: string, parameters: string[]) =>
  unowned(await parseTree(sql, text), parameters);

/** Asks whether another user has an id: test/queries/statements.test.ts has its text. */
const ABOUT_OTHERS = "held_elsewhere";

for (const [name, { table, tableNames }] of Object.entries(CATALOGUES)) {
  describe(name, async () => {
    beforeAll(() => isAbout(...tableNames));

    it.each([...(await allStatements(table as SessionTable))].filter(([name]) => name !== ABOUT_OTHERS))(
      "%s reaches the tables only through their owner",
      async (_name, statement) => {
        const { text, parameters } = sentBy(statement);
        const owners = parameters.flatMap((one, n) =>
          "name" in one && one.name === "userId" ? [String(n + 1)] : [],
        );
        expect(await faultsOf(text, owners)).toEqual([]);
      },
    );
  });
}

describe("a statement that reaches other rows is found", () => {
  beforeAll(() => isAbout("journey_sessions"));
  const own = "where user_id = $1";
  const other = "exists (select from (select 1) as one, journey_sessions as o)";
  const insert = "insert into journey_sessions (user_id, phase)";
  it.each([
    "select id from journey_sessions where id = $1::text::uuid",
    "select id from journey_sessions where user_id = $1 or true",
    "select id from journey_sessions where not (user_id = $1)",
    "select id from journey_sessions where user_id <> $1",
    "select id from journey_sessions where user_id = lower($1)",
    "select id from journey_sessions where phase = $1",
    `select id from journey_sessions ${own} and ${other}`,
    `select id, (select max(phase) from journey_sessions) from journey_sessions ${own}`,
    `select a.id from journey_sessions as a, journey_sessions as b where a.user_id = $1`,
    "select a.id from journey_sessions as a left join journey_sessions as b on a.user_id = $1 and b.user_id = $1",
    "with w as (update journey_sessions set phase = $1) select 1",
    `update journey_sessions set user_id = 'somebody' ${own}`,
    `${insert} values ($1, '') on conflict (id) do update set user_id = 'x' where journey_sessions.user_id = $1`,
    "delete from journey_sessions where exists (select where user_id = $1)",
    `${insert} values ('somebody', $1)`,
    `${insert} select phase, phase from journey_sessions ${own}`,
    `${insert} values ($1, '') on conflict (id) do update set phase = ''`,
    `${insert} values ($1, '') on conflict (id) do update set phase = '' where journey_sessions.phase = $1`,
  ])("%s", async (text) => {
    expect(await faultsOf(text, ["1"])).not.toEqual([]);
  });

  it.each([
    `select id from journey_sessions ${own} and phase = ''`,
    "select a.id from (select 1) as x left join journey_sessions as a on a.user_id = $1",
    `${insert} select user_id, phase from journey_sessions ${own}`,
    `${insert} values ($1, '') on conflict (id) do update set phase = '' where journey_sessions.user_id = $1`,
  ])("and not %s", async (text) => {
    expect(await faultsOf(text, ["1"])).toEqual([]);
  });
});

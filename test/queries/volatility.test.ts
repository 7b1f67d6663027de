import { expect, it } from "vitest";
import { migratedDatabase, rawClient } from "../support/database.js";
import { childrenOf, isNode, parseTree, type Tree, type TreeNode } from "../support/parse-tree.js";
import { allStatements, sentBy } from "../support/statements.js";

const sql = rawClient(await migratedDatabase(), { max: 1 });

const rows = await sql`select oid::text, proname, provolatile from pg_proc`;
const functions = new Map(rows.map(({ oid, proname, provolatile }) => [oid, { proname, provolatile }]));
const operators = new Map(
  (await sql`select oid::text, oprcode::oid::text as code from pg_operator`).map(({ oid, code }) => [
    oid,
    code,
  ]),
);
const types = new Map(
  (
    await sql`select oid::text, typinput::oid::text as input, typoutput::oid::text as output from pg_type`
  ).map(({ oid, input, output }) => [oid, { input, output }]),
);

const UPDATE = "2";
const INSERT = "3";
const DELETE = "4";

const text = (tree: Tree | undefined) => String(tree);
const ANY_ARRAY = "2277";
const BOOLEAN = "16";

/** The OID of an expression's type. */
function typeOf(tree: Tree | undefined): string {
  if (!isNode(tree)) throw new Error("no expression");
  const field = Object.keys(tree).find((name) =>
    /^((var|const|param|funcresult|opresult|result|case|coalesce|agg|minmax|refrest|refres|refelem)?type|(array|row)_typeid)$/.test(
      name,
    ),
  );
  if (field) return text(tree[field]);
  if (tree.kind !== "SUBLINK") return BOOLEAN;
  // An array's own output function is the same for each array.
  if (tree.subLinkType === "6") return ANY_ARRAY;
  if (tree.subLinkType !== "4") return BOOLEAN;
  const [first] = (tree.subselect as TreeNode).targetList as TreeNode[];
  return typeOf(first?.expr);
}

/** What a node calls, as names and volatilities. PostgreSQL takes the comparisons of greatest and least for immutable, and so do we. */
function calledBy(node: TreeNode): { name: string; volatility: string }[] {
  if (/^(SQLVALUEFUNCTION|JSONCONSTRUCTOREXPR|JSONEXPR|COERCETODOMAIN|XMLEXPR)$/.test(node.kind))
    return [{ name: node.kind.toLowerCase(), volatility: "s" }];
  const oids = [node.funcid, node.aggfnoid, node.winfnoid, operators.get(node.opno)].filter(
    (one) => one !== undefined,
  );
  if (Array.isArray(node.opnos)) oids.push(...node.opnos.slice(1).map((one) => operators.get(one)));
  if (node.kind === "COERCEVIAIO")
    oids.push(types.get(node.resulttype)?.input, types.get(typeOf(node.arg))?.output);
  return oids.map((oid) => {
    const found = functions.get(oid);
    if (!found) throw new Error(`${node.kind}: no function ${oid}`);
    return { name: found.proname, volatility: found.provolatile };
  });
}

/** Whether an expression depends on a column of the query `level` sub-selects above it. */
const hasColumn = (tree: Tree, level = 0): boolean =>
  isNode(tree) && tree.kind === "VAR"
    ? tree.varlevelsup === String(level)
    : childrenOf(tree).some((child) =>
        hasColumn(child, isNode(tree) && tree.kind === "QUERY" ? level + 1 : level),
      );

interface Call {
  name: string;
  volatility: string;
  overColumn: boolean;
  conditional: boolean;
}

/** The calls of functions that are not IMMUTABLE, those in sub-selects left out unless `within`. */
function mutableCalls(tree: Tree | undefined, within = false, conditional = false): Call[] {
  if (tree === undefined || typeof tree === "string") return [];
  const own = isNode(tree)
    ? calledBy(tree)
        .filter(({ volatility }) => volatility !== "i")
        .map((call) => ({ ...call, overColumn: hasColumn(tree), conditional }))
    : [];
  const below = isNode(tree) && /^(CASE|COALESCE)/.test(tree.kind);
  const children = Object.entries(tree).filter(([field]) => within || field !== "subselect");
  return [...own, ...children.flatMap(([, child]) => mutableCalls(child, within, conditional || below))];
}

/** What a distributed engine refuses in a statement: the clause, the function and its volatility. */
function refused(query: TreeNode): string[] {
  const type = query.commandType;
  const conflict = isNode(query.onConflict) ? query.onConflict : undefined;
  const changes = type === UPDATE || type === DELETE;
  const clause = (name: string, calls: Call[]) =>
    calls.map((call) => `${name}: ${call.name} ${call.volatility}`);
  // Evaluated once for the statement, unless it is over a column, or in a branch that may not be taken.
  const perRow = ({ overColumn, conditional, volatility }: Call) =>
    overColumn || conditional || volatility === "v";
  const own =
    !changes && type !== INSERT
      ? []
      : [
          ...(changes
            ? clause("set", mutableCalls(type === UPDATE ? query.targetList : undefined).filter(perRow))
            : []),
          ...(changes ? clause("where", mutableCalls(query.jointree).filter(perRow)) : []),
          ...clause("returning", mutableCalls(query.returningList)),
          ...clause("on conflict", mutableCalls(conflict?.arbiterWhere)),
          ...clause("do update set", mutableCalls(conflict?.onConflictSet)),
          ...clause("do update where", mutableCalls(conflict?.onConflictWhere)),
        ];
  const ctes = childrenOf(query.cteList ?? []).filter(isNode);
  return [...own, ...ctes.flatMap(({ ctequery }) => (isNode(ctequery) ? refused(ctequery) : []))];
}

const statements = [...(await allStatements())];
it.each(statements)("%s", async (_name, statement) => {
  expect(refused(await parseTree(sql, sentBy(statement).text))).toEqual([]);
});

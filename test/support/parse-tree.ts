import type { Sql } from "postgres";

/** A value in PostgreSQL's text form of a parse tree. Numbers, OIDs and names are strings. */
export type Tree = string | TreeNode | Tree[];
export interface TreeNode {
  kind: string;
  [field: string]: Tree;
}

export const isNode = (tree: Tree | undefined): tree is TreeNode =>
  typeof tree === "object" && !Array.isArray(tree);

/** The nodes and lists directly below. */
export const childrenOf = (tree: Tree | undefined): Tree[] =>
  typeof tree === "object" ? Object.values(tree) : [];

/** Reads `{KIND :field value …}`, lists in parentheses, and words, in which a backslash protects the next character. */
function read(text: string): Tree {
  const tokens = text.match(/[(){}]|(?:\\.|[^\s(){}\\])+/gs) ?? [];
  let at = 0;
  const next = () => tokens[at++] ?? "";
  const value = (): Tree => {
    const token = next();
    if (token === "(") {
      const list: Tree[] = [];
      while (tokens[at] !== ")") list.push(value());
      at++;
      return list;
    }
    if (token !== "{") return token;
    const node: TreeNode = { kind: next() };
    while (tokens[at] !== "}") {
      const field = next().slice(1);
      node[field] = value();
      // A constant's bytes follow its length.
      while (!/^[:}]/.test(tokens[at] ?? "}")) at++;
    }
    at++;
    return node;
  };
  return value();
}

/** The QUERY that PostgreSQL makes of a statement, before it plans it. The client must have one connection. */
export async function parseTree(sql: Sql, statement: string): Promise<TreeNode> {
  await sql.unsafe(`prepare parsed as ${statement}`);
  const [prepared] = await sql`
    select array_to_string(parameter_types, ', ') as types from pg_prepared_statements where name = 'parsed'`;
  await sql.unsafe("deallocate parsed");
  await sql.unsafe(
    `create function pg_temp.parsed(${prepared?.types}) returns void language sql begin atomic ${statement}; end`,
  );
  const [row] = await sql`select prosqlbody::text as body from pg_proc where proname = 'parsed'`;
  await sql.unsafe("drop function pg_temp.parsed");
  const query = [read(row?.body)].flat(2)[0];
  if (!isNode(query)) throw new Error(`not a parse tree: ${row?.body}`);
  return query;
}

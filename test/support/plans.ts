/** A node of `explain (format json)`, as far as the tests look at it. */
export interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  "Scan Direction"?: string;
  "Conflict Arbiter Indexes"?: string[];
  Filter?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  Plans?: PlanNode[];
}

/** One way in which a plan reaches the rows of a table. */
export interface Scan {
  type: string;
  indexes: string[];
  indexConditions: string[];
  filter: string | undefined;
  backward: boolean;
  /** Rows of the table that were looked at, with those that a filter took away. Zero where nothing was run. */
  rowsRead: number;
}

/** The node and all below it. */
export const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** How the plan reads the table; a bitmap of several indexes is one scan. */
export function scansOf(plan: PlanNode, table: string): Scan[] {
  return nodesOf(plan)
    .filter((node) => node["Relation Name"] === table && node["Node Type"].endsWith("Scan"))
    .map((node) => {
      const indexed = nodesOf(node).filter((one) => one["Index Name"] !== undefined);
      const rows =
        (node["Actual Rows"] ?? 0) +
        (node["Rows Removed by Filter"] ?? 0) +
        (node["Rows Removed by Index Recheck"] ?? 0);
      return {
        type: node["Node Type"],
        indexes: indexed.map((one) => one["Index Name"] ?? ""),
        indexConditions: indexed.map((one) => one["Index Cond"] ?? ""),
        filter: node.Filter,
        backward: node["Scan Direction"] === "Backward",
        rowsRead: rows * (node["Actual Loops"] ?? 0),
      };
    });
}

/** The indexes by which an insert sees that a row is there. */
export const arbitersOf = (plan: PlanNode): string[] =>
  nodesOf(plan).flatMap((node) => node["Conflict Arbiter Indexes"] ?? []);

export const sorts = (plan: PlanNode): boolean =>
  nodesOf(plan).some((node) => /Sort$/.test(node["Node Type"]));

import type { Sql } from "postgres";
import type { PlanNode } from "./plans.js";
import { type AnyStatement, allStatements, sentBy } from "./statements.js";

/** How PostgreSQL plans a prepared statement: for its values, or once for all. */
export const PLANNINGS = ["force_custom_plan", "force_generic_plan"] as const;
export type Planning = (typeof PLANNINGS)[number];

/** The values of a call, by the placeholders' names. */
export type CallValues = Record<string, string | number | boolean | null>;

/** The plan of a statement for a call; `run: true` runs the statement, changes nothing, and tells what was read. */
export type Explain = (
  name: string,
  values: CallValues,
  how: { planning: Planning; run?: boolean },
) => Promise<PlanNode>;

const literal = (value: unknown) =>
  value === null ? "null" : typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);

/** Prepares statements, by default every one of the package, on the client, which must have one connection. */
export async function explainer(sql: Sql, statements?: Map<string, AnyStatement>): Promise<Explain> {
  const sent = new Map(
    [...(statements ?? (await allStatements()))].map(([name, one]) => [name, sentBy(one)]),
  );
  for (const [name, { text }] of sent) await sql.unsafe(`prepare "${name}" as ${text}`);
  return async (name, values, { planning, run = false }) => {
    const given = (sent.get(name)?.parameters ?? []).map((parameter) => {
      if ("value" in parameter) return literal(parameter.value);
      const value = values[parameter.name];
      if (value === undefined) throw new Error(`${name}: the test has no value for $${parameter.name}`);
      return literal(value);
    });
    const execute = `execute "${name}"${given.length > 0 ? `(${given.join(", ")})` : ""}`;
    await sql.unsafe(`set plan_cache_mode = ${planning}`);
    await sql.unsafe("begin");
    const [row] = await sql.unsafe(`explain (format json, analyze ${run}) ${execute}`);
    await sql.unsafe("rollback");
    return row?.["QUERY PLAN"][0].Plan;
  };
}

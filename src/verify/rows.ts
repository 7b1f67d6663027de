import { sql } from "drizzle-orm";
import type { Database } from "../database.js";
import type { StoredColumn } from "./columns.js";
import { type Finding, warning } from "./finding.js";
import { DEFAULTS } from "./probe.js";
import { SHAPES, type StoredConstraint } from "./structure.js";

/**
 * Counts what the stored rows hold against the table's rules, in one scan. A rule that the server
 * vouches for (a validated check, a NOT NULL column) is not counted.
 */
export async function checkRows(
  db: Database,
  columns: readonly StoredColumn[],
  constraints: readonly StoredConstraint[],
): Promise<Finding[]> {
  const typed = new Set(columns.map(({ name, type }) => `${name} ${type}`));
  const shapes = SHAPES.filter(
    ({ check, column, type, definition }) =>
      typed.has(`${column} ${type}`) &&
      !constraints.some((one) => one.name === check && one.validated && one.definition === definition),
  );
  const nullable = columns.filter(
    ({ name, notNull }) => !notNull && (name === "user_id" || name in DEFAULTS),
  );
  const rules = [...shapes.map(({ broken }) => broken), ...nullable.map(({ name }) => `${name} is null`)];
  if (rules.length === 0) return [];
  const counted = sql.join(
    rules.map((rule) => sql.raw(`count(*) filter (where ${rule})`)),
    sql`, `,
  );
  const [row] = await db
    .select({ counts: sql<number[]>`to_jsonb(array[${counted}])::text`.mapWith(JSON.parse) })
    .from(sql.raw("journey_sessions"));
  const counts = row?.counts ?? [];
  return [
    ...shapes.flatMap(({ check, what }, index) => {
      const found = counts[index] ?? 0;
      if (found === 0) return [];
      return [
        warning(
          "rows_forbidden",
          `${found} ${found === 1 ? "row has" : "rows have"} ${what}: reading or writing such a session answers corrupt.`,
          `alter table journey_sessions validate constraint ${check}, after repairing or deleting them`,
        ),
      ];
    }),
    ...nullable.flatMap(({ name }, index) => {
      const found = counts[shapes.length + index] ?? 0;
      if (found === 0) return [];
      const remedy =
        name === "user_id" || name === "id"
          ? `give them one, or delete them, before journey-db migrate`
          : "journey-db migrate fills in the column's default";
      return [
        warning("null_values", `${found} ${found === 1 ? "row has" : "rows have"} NULL in ${name}.`, remedy),
      ];
    }),
  ];
}

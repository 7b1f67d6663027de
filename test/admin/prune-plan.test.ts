import { drizzle } from "drizzle-orm/postgres-js";
import { beforeAll, describe, expect, it } from "vitest";
import type { AdminStatement } from "../../src/admin/call.js";
import { countDue, deleteDue } from "../../src/admin/prune.js";
import { journeySessions } from "../../src/schema.js";
import { migratedDatabase, rawClient } from "../support/database.js";
import { type PlanNode, scansOf } from "../support/plans.js";

const TABLE = "journey_sessions";
const BY_ID = "journey_sessions_pkey";
const SESSIONS = 100_000;
const BATCH = 500;
const WINDOW = 2_000;

const sql = rawClient(await migratedDatabase(), { max: 1 });

beforeAll(async () => {
  // Its snapshot could keep vacuum from marking pages as all-visible, which the plans depend on.
  await sql`alter table journey_sessions set (autovacuum_enabled = off)`;
  // Ids have no order of time. One in a hundred is inactive for a year, two in three for 100 days.
  await sql`
    insert into journey_sessions (id, user_id, updated_at)
    select md5(n::text)::uuid, 'user_' || n % 5000,
      now() - case when n % 100 = 0 then interval '1 year' when n % 3 > 0 then interval '100 days' else '0' end
    from generate_series(1, ${SESSIONS}::int) n`;
  await sql`vacuum analyze journey_sessions`;
});

/** The plan of the statement, run for its values as always, and rolled back. */
async function planOf(statement: AdminStatement<unknown>, days: number, from: string): Promise<PlanNode> {
  const { sql: text, params } = statement.build(drizzle.mock()).toSQL();
  const values: Record<string, string | number> = {
    from,
    inactiveForSeconds: days * 86_400,
    batchSize: BATCH,
    window: WINDOW,
  };
  const given = params.map((param) => {
    const value = typeof param === "object" && param && "name" in param ? values[String(param.name)] : param;
    return typeof value === "number" ? `${value}` : `'${value}'`;
  });
  await sql.unsafe("begin");
  await sql.unsafe("set local plan_cache_mode = force_custom_plan");
  await sql.unsafe(`prepare walk as ${text}`);
  const [row] = await sql.unsafe(`explain (format json, analyze) execute walk(${given.join(", ")})`);
  await sql.unsafe("rollback");
  await sql.unsafe("deallocate walk");
  return row?.["QUERY PLAN"][0].Plan;
}

const statements: [string, AdminStatement<unknown>][] = [
  ["prune", deleteDue(journeySessions)],
  ["a dry run", countDue(journeySessions)],
];

describe.each(statements)("a statement of %s", (name, statement) => {
  it.each([
    ["few are due", 300, WINDOW],
    ["most are due", 90, 2 * BATCH],
    ["none is due", 500, WINDOW],
  ])("where %s goes by the primary key alone, and reads no more than it passes", async (_, days, most) => {
    for (const from of ["00000000", "80000000", "fff00000"]) {
      const scans = scansOf(await planOf(statement, days, `${from}-0000-4000-8000-000000000000`), TABLE);
      expect(scans).toHaveLength(name === "prune" ? 5 : 3);
      for (const { indexes, indexConditions, rowsRead } of scans) {
        expect(indexes).toEqual([BY_ID]);
        expect(indexConditions).toEqual([expect.stringMatching(/^\(+id (>=|>|=) /)]);
        expect(rowsRead).toBeLessThanOrEqual(most);
      }
    }
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import { getBy } from "../../src/queries/latest.js";
import { list } from "../../src/queries/list.js";
import type { Filter, SessionTable } from "../../src/schema.js";
import { migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { type Explain, explainer, PLANNINGS } from "../support/explain.js";
import { chats, createChats } from "../support/own-table.js";
import { type Scan, scansOf, sorts } from "../support/plans.js";
import type { AnyStatement } from "../support/statements.js";

// list({ where, metadata }) and getBy on a table with an index of the application's for a filter.

const SESSIONS = 50_000;
const OF_THE_BUSIEST = 2_000;
const LIMIT = 21;
const BY_CREATION = "idx_chats_user_id_created_at_id";
const BY_ORG = "chats_user_id_org_id_created_at_id";
const BY_RUN = "chats_user_id_run_id";

const url = await migratedDatabase();
const sql = rawClient(url, { max: 1 });

/** Each call with a cursor and without. */
const table = chats as unknown as SessionTable;
const statements = new Map<string, AnyStatement>();
function listed(name: string, where: Filter[], { inPhase = false, metadata = false } = {}): void {
  for (const after of [false, true]) {
    const statement = list({ order: "created", after, inPhase, metadata, where })(table);
    statements.set(after ? `${name}, the next page` : name, statement as AnyStatement);
  }
}
listed("an organization", [["orgId", "value"]]);
listed("no organization", [["orgId", "null"]]);
listed("an organization and a stage", [
  ["orgId", "value"],
  ["stage", "value"],
]);
listed("an organization, in a phase with metadata", [["orgId", "value"]], { inPhase: true, metadata: true });
listed("a stage", [["stage", "value"]]);
listed("any of two stages", [["stage", "any"]]);
listed("no code", [["code", "null"]]);
listed("metadata", [], { metadata: true });
listed("any of two organizations", [["orgId", "any"]]);
listed("any of two organizations or none", [["orgId", "any or null"]]);
statements.set("a run", getBy([["runId", "value"]])(table) as AnyStatement);

const SERVED = [...statements.keys()].filter((name) => /^an organization/.test(name));
const WALKED = [...statements.keys()].filter((name) =>
  /^(a stage|any of two stages|no code|metadata)/.test(name),
);
const EITHER = [...statements.keys()].filter((name) => /^(any of two|no) organization/.test(name));

const owner = "user_0";
let explain: Explain;
let values: Record<string, string | number | null>;

beforeAll(async () => {
  await createChats(openPostgresJs(url, { max: 1 }));
  // A tenth has no organization, and the others have one of nine; ids are in no order.
  await sql`
    insert into app.chats (id, user_id, phase, metadata, run_id, org_id, stage, created_at)
    select md5(n::text)::uuid, 'user_' || case when n % ${SESSIONS / OF_THE_BUSIEST} = 0 then 0 else 1 + n % 3000 end,
      'review', '{"title":"Trip"}', 'run_' || n, nullif('org_' || (n / 7 % 10), 'org_0'),
      (case when n / 3 % 2 = 0 then 'draft' else 'done' end)::app.stage,
      now() - (${SESSIONS} - n) * interval '1 minute'
    from generate_series(1, ${SESSIONS}::int) n`;
  await sql`vacuum analyze app.chats`;
  const [middle] = await sql`
    select id, to_jsonb(created_at at time zone 'UTC') #>> '{}' as time from app.chats
    where user_id = ${owner} order by created_at offset ${OF_THE_BUSIEST / 2} limit 1`;
  values = {
    ...{ userId: owner, limit: LIMIT, id: middle?.id, time: middle?.time, phase: "review" },
    ...{ metadata: '{"title":"Trip"}', "own.stage": "draft", "own.runId": `run_${SESSIONS}` },
    ...{ "own.orgId": "org_1", "own.code": null },
  };
  explain = await explainer(sql, statements);
});

describe.each(PLANNINGS)("%s", (planning) => {
  const planOf = async (name: string) => {
    const several = { "own.orgId": "{org_1,org_2}", "own.stage": "{draft,done}" };
    const plan = await explain(
      name,
      { ...values, ...(name.startsWith("any") && several) },
      { planning, run: true },
    );
    return { sorted: sorts(plan), scans: scansOf(plan, "chats") };
  };
  /** Of a plan for all values, in which several filters, or one of metadata, are taken to leave less than a page to sort. */
  const isThoughtToFindFew = (name: string) =>
    planning === "force_generic_plan" && /metadata|and a stage/.test(name);
  function expectOwnersRows(scans: Scan[]): void {
    expect(scans).toHaveLength(1);
    expect(scans[0]?.indexConditions).toEqual([expect.stringMatching(/^\(+user_id = /)]);
    expect(scans[0]?.rowsRead).toBeLessThanOrEqual(OF_THE_BUSIEST);
  }
  const ordered = (name: string) =>
    name.includes("next page") ? /^\(\(user_id = .*ROW\(created_at, id\) < ROW/ : /^\(+user_id = /;

  it.each(SERVED)("%s: the application's index, in its order", async (name) => {
    const { sorted, scans } = await planOf(name);
    if (isThoughtToFindFew(name)) return expectOwnersRows(scans);
    expect(sorted).toBe(false);
    expect(scans).toMatchObject([{ type: "Index Scan", indexes: [BY_ORG], backward: true }]);
    const condition = scans[0]?.indexConditions[0];
    expect(condition).toMatch(ordered(name));
    expect(condition).toMatch(/org_id/);
    expect(scans[0]?.rowsRead).toBeLessThanOrEqual(name.includes("stage") ? 4 * LIMIT : LIMIT);
  });

  it.each(WALKED)("%s: a walk of the owner's rows in the order of their creation", async (name) => {
    const { sorted, scans } = await planOf(name);
    if (isThoughtToFindFew(name)) return expectOwnersRows(scans);
    expect(sorted).toBe(false);
    expect(scans).toMatchObject([{ type: "Index Scan", indexes: [BY_CREATION], backward: true }]);
    expect(scans[0]?.indexConditions[0]).toMatch(ordered(name));
    expect(scans[0]?.rowsRead).toBeLessThanOrEqual(4 * LIMIT);
  });

  it.each(EITHER)("%s: only rows of the owner's", async (name) => {
    expectOwnersRows((await planOf(name)).scans);
  });

  it("a run: one row by the application's unique index", async () => {
    const { scans } = await planOf("a run");
    expect(scans).toMatchObject([{ indexes: [BY_RUN], rowsRead: 1 }]);
  });
});

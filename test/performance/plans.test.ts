import { beforeAll, describe, expect, it } from "vitest";
import { migratedDatabase, rawClient } from "../support/database.js";
import { type CallValues, type Explain, explainer, PLANNINGS } from "../support/explain.js";
import { arbitersOf, scansOf, sorts } from "../support/plans.js";
import { allStatements, sentBy } from "../support/statements.js";

const TABLE = "journey_sessions";
const BY_ID = "journey_sessions_pkey";
const BY_CREATION = "idx_journey_sessions_user_id_created_at_id";
const SESSIONS = 100_000;
const OWNERS = 5_000;
const OF_THE_BUSIEST = 2_000;
const LIMIT = 21;

const sql = rawClient(await migratedDatabase(), { max: 1 });

/** By the text of a statement: it looks for a session, for an owner's, or only for whether an id is taken. */
const statements = await allStatements(undefined, ["queries"]);
const texts = new Map([...statements].map(([name, one]) => [name, sentBy(one).text]));
const named = (holds: (text: string, name: string) => boolean) =>
  [...texts].flatMap(([name, text]) => (holds(text, name) ? [name] : []));
const INSERTS = named(
  (text) => /^(with "written" as \()?insert/.test(text) && !text.includes(`from "${TABLE}"`),
);
const OF_A_SESSION = named((text, name) => !INSERTS.includes(name) && text.includes(`"${TABLE}"."id" = $`));
const OTHERS = ["create_refusal", "export"];
const OF_AN_OWNER = named((_, name) => ![...INSERTS, ...OF_A_SESSION, ...OTHERS].includes(name));
const BY_CREATED = OF_AN_OWNER.filter(
  (name) => /order by "[^"]+"."created_at" desc, .* limit/.test(texts.get(name) ?? "") && name !== "search",
);

/** The filter of a walk: the phase, and what the metadata must contain. */
function filterOf(name: string) {
  if (name.includes("_metadata")) return expect.stringMatching(/^\(.*metadata @> .*\)$/);
  return name.includes("_in_phase") ? expect.stringMatching(/^\(phase = [^ ]+\)$/) : undefined;
}

/** A line of an export. */
const A_LINE = {
  ...{ phase: "setup", createdAt: "2026-01-01T00:00:00", updatedAt: "2026-01-01T00:00:00" },
  ...{ messages: [], metadata: {} },
};

interface Owner {
  sessions: number;
  values: CallValues;
}
const owners: Record<string, Owner> = {};
let explain: Explain;

/** The values of a call by the owner on the session in the middle of the list, which is where the cursor is too. */
async function ownerOf(userId: string): Promise<Owner> {
  const rows = await sql`
    select id, to_jsonb(created_at at time zone 'UTC') #>> '{}' as time from journey_sessions
    where user_id = ${userId} order by created_at, id`;
  const { id, time } = rows[Math.floor(rows.length / 2)] ?? {
    id: "00000000-0000-4000-8000-000000000000",
    time: "2026-01-01T00:00:00",
  };
  const message = '[{"id":"m2","role":"user","parts":[{"type":"text","text":"And then?"}]}]';
  const values = {
    ...{ userId, id, time, limit: LIMIT, phase: "review", newId: null, maxBytes: 8 * 1024 * 1024 },
    ...{ maxTextBytes: null, maxMetadataBytes: 8 * 1024 * 1024, maxMetadataTextBytes: null },
    ...{ messages: message, metadata: '{"title":"Trip"}', patch: '{"step":2}', ifMatch: '{"step":1}' },
    ...{ checkAfter: true, after: "m1", from: null, through: "m1", before: null, ifRevision: null },
    ...{ text: "nobody wrote this", sessions: JSON.stringify([{ ...A_LINE, id }]) },
  };
  return { sessions: rows.length, values };
}

beforeAll(async () => {
  // One owner has 2,000; the others the more, the nearer they are to the first. Ids are in no order.
  await sql`
    insert into journey_sessions (id, user_id, phase, messages, metadata, created_at, updated_at)
    select md5(n::text)::uuid,
      'user_' || case when n % ${SESSIONS / OF_THE_BUSIEST} = 0 then 0
        else 1 + floor(${OWNERS - 1} * (n::bigint * 7919 % 100003 / 100003.0) ^ 2) end,
      case when n / 7 % 10 < 7 then 'review' else 'setup' end,
      '[{"id":"m1","role":"user","parts":[{"type":"text","text":"Where to begin?"}]}]',
      '{"title":"Trip"}',
      now() - (${SESSIONS} - n) * interval '1 minute',
      now() - (n::bigint * 7919 % ${SESSIONS}) * interval '1 minute'
    from generate_series(1, ${SESSIONS}::int) n`;
  await sql`vacuum analyze journey_sessions`;
  owners.busiest = await ownerOf("user_0");
  owners.usual = await ownerOf(`user_${OWNERS / 2}`);
  owners.new = await ownerOf("user_who_has_none");
  explain = await explainer(sql, statements);
});

it("the owners differ as they should", () => {
  const sessions = Object.values(owners).map((owner) => owner.sessions);
  expect(sessions).toEqual([OF_THE_BUSIEST, expect.any(Number), 0]);
  expect(sessions[1]).toBeGreaterThan(5);
  expect(sessions[1]).toBeLessThan(LIMIT);
});

describe.each(PLANNINGS)("%s", (planning) => {
  async function plansOf(name: string, run = false) {
    const plans = [];
    for (const { sessions, values } of Object.values(owners)) {
      const plan = await explain(name, values, { planning, run });
      plans.push({ sessions, plan, scans: scansOf(plan, TABLE) });
    }
    return plans;
  }

  it.each(OF_A_SESSION)("%s finds the session by the primary key", async (name) => {
    for (const { plan, scans } of await plansOf(name)) {
      for (const { type, indexes, indexConditions } of scans) {
        expect({ type, indexes }).toEqual({ type: "Index Scan", indexes: [BY_ID] });
        expect(indexConditions).toEqual([expect.stringMatching(/^\(id = /)]);
      }
      expect(scans).not.toEqual([]);
      expect(arbitersOf(plan)).toEqual(name === "fork" ? [BY_ID] : []);
    }
  });

  it.each(INSERTS)("%s looks for the id in the primary key alone", async (name) => {
    for (const { plan, scans } of await plansOf(name)) {
      expect(arbitersOf(plan)).toEqual([BY_ID]);
      expect(scans.flatMap(({ indexes }) => indexes).filter((index) => index !== BY_ID)).toEqual([]);
      expect(scans.map(({ type }) => type)).not.toContain("Seq Scan");
    }
  });

  it("create_refusal reads no stored row", async () => {
    for (const { scans } of await plansOf("create_refusal")) expect(scans).toEqual([]);
  });

  it.each(BY_CREATED)("%s scans the index backward from the beginning of the page", async (name) => {
    const plans = await plansOf(name, true);
    // Of an owner whose sessions all fit on one page, sorting them may be as quick.
    const walked =
      planning === "force_generic_plan" ? plans : plans.filter(({ sessions }) => sessions > LIMIT);
    expect(walked).not.toEqual([]);
    // A plan for all values takes metadata to leave less than a page to sort.
    if (planning === "force_generic_plan" && name.includes("_metadata")) return;
    for (const { plan, scans } of walked) {
      expect(sorts(plan)).toBe(false);
      const cursor = name.includes("_after")
        ? /^\(\(user_id = .*ROW\(created_at, id\) < ROW/
        : /^\(user_id = /;
      expect(scans).toEqual([
        {
          type: "Index Scan",
          indexes: [BY_CREATION],
          indexConditions: [expect.stringMatching(cursor)],
          filter: filterOf(name),
          backward: true,
          rowsRead: expect.any(Number),
        },
      ]);
      // Seven of ten are in the phase.
      expect(scans[0]?.rowsRead).toBeLessThanOrEqual(name.includes("_in_phase") ? 3 * LIMIT : LIMIT);
    }
  });

  it("search walks the index backwards, and looks at no session after it has enough", async () => {
    for (const { sessions, scans } of await plansOf("search", true)) {
      // Of an owner with few sessions, sorting them is as quick.
      if (planning === "force_custom_plan" && sessions <= LIMIT) continue;
      expect(scans).toMatchObject([{ indexes: [BY_CREATION], backward: true, rowsRead: sessions }]);
    }
    const { values } = owners.busiest as Owner;
    const plan = await explain("search", { ...values, text: "WHERE TO" }, { planning, run: true });
    expect(scansOf(plan, TABLE)).toMatchObject([{ backward: true, rowsRead: LIMIT }]);
  });

  it("export scans the index forward, one row at a time, from the beginning of the batch", async () => {
    const { sessions, values } = owners.busiest as Owner;
    for (const [id, left] of [
      [null, sessions],
      [values.id, sessions / 2 - 1],
    ] as [unknown, number][]) {
      const place = { ...values, ...(id === null && { id, time: "-infinity" }) };
      const all = scansOf(await explain("export", place, { planning, run: true }), TABLE);
      expect(all).toMatchObject([
        {
          type: "Index Scan",
          indexes: [BY_CREATION],
          indexConditions: [expect.stringMatching(/^\(\(user_id = .*ROW\(created_at, id\) >= ROW/)],
          backward: false,
        },
      ]);
      // Each row is seen once more, as the place that the next is sought from.
      expect(all[0]?.rowsRead).toBeGreaterThanOrEqual(left);
      expect(all[0]?.rowsRead).toBeLessThanOrEqual(2 * left + 2);
      const some = await explain("export", { ...place, maxBytes: 2000 }, { planning, run: true });
      expect(scansOf(some, TABLE)[0]?.rowsRead).toBeLessThan(25);
    }
  });

  it.each(OF_AN_OWNER)("%s reads no row of anyone else's", async (name) => {
    for (const { sessions, scans } of await plansOf(name, true)) {
      expect(scans).toHaveLength(1);
      for (const { indexConditions, filter, rowsRead } of scans) {
        expect(indexConditions).toEqual([expect.stringMatching(/^\(+user_id = /)]);
        expect(filter ?? "").not.toContain("user_id");
        if (BY_CREATED.includes(name)) expect(rowsRead).toBeLessThanOrEqual(sessions);
        else expect(rowsRead).toBe(sessions);
      }
    }
  });
});

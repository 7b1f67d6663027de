import { randomUUID } from "node:crypto";
import { bigint, boolean, jsonb, numeric, text, timestamp, unique } from "drizzle-orm/pg-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defineJourney, forUser, type JourneyDbError } from "../../src/index.js";
import { journeyTable } from "../../src/schema.js";
import { ON_CLUSTER } from "../support/citus.js";
import { migratedDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { app, createTables, stage } from "../support/own-table.js";
import { canonical } from "../support/storable.js";
import type { Which } from "./arbitraries.js";
import { type Expected, type Kept, Model } from "./model.js";
import { type Call, type Choices, operationsOf, type Sessions } from "./operations.js";

const url = await migratedDatabase();
const db = openPostgresJs(url, { max: 1 });
const raw = rawClient(url, { max: 1 });

/** Ten people, each with four look-alikes. */
const OWNERS = Array.from({ length: 10 }, (_, n) => `user_${n}é`).flatMap((name) => [
  name,
  name.toUpperCase(),
  name.normalize("NFD"),
  name.replace("_", "%"),
  `${name}\u200b`,
]);

const LONG = process.env.LONG === "1";
const [RUNS, COMMANDS, PEOPLE] = LONG ? [50, 2500, OWNERS.length] : [4, 400, 5];

const chats = journeyTable(
  { name: "chats", schema: "app" },
  {
    runId: text("run_id"),
    orgId: text("org_id"),
    pinned: boolean("pinned").default(false).notNull(),
    stage: stage("stage").default("draft").notNull(),
    tags: text("tags").array().default([]).notNull(),
    results: jsonb("results"),
    budget: numeric("budget"),
    tokens: bigint("tokens", { mode: "number" }),
    dueAt: timestamp("due_at", { withTimezone: true }),
  },
  (t) => [unique("chats_user_id_run_id").on(t.userId, t.runId)],
);
await createTables(db, { app, stage, chats });

/** What a new chat has of its own columns. */
const NEW_CHAT = {
  ...{ runId: null, orgId: null, pinned: false, stage: "draft", tags: [] },
  ...{ results: null, budget: null, tokens: null, dueAt: null },
};
const TABLES = {
  "the default table": { name: "journey_sessions", sessionsOf: forUser, hasOwn: false, defaults: {} },
  "a table with own columns": {
    name: "app.chats",
    sessionsOf: defineJourney({ table: chats }).forUser as unknown as typeof forUser,
    hasOwn: true,
    defaults: NEW_CHAT,
  },
};
type Table = (typeof TABLES)[keyof typeof TABLES];

const same = (a: unknown, b: unknown) => canonical(a) === canonical(b);

/** Every stored row: whose it is, and a digest of all that is in it. */
async function storedRows(table: string): Promise<Map<string, string>> {
  const rows = await raw.unsafe(`select user_id as owner, id, md5(t::text) as digest from ${table} as t`);
  return new Map(rows.map(({ owner, id, digest }) => [keyOf(owner, id), digest]));
}

/** Of a row, also where two owners have the same id. */
const keyOf = (owner: string, id: string) => `${owner} ${id}`;

/** What a test looks at, beside the model. */
class Real {
  rows = new Map<string, string>();
  readonly revisions = new Set<string>();
}

const counts = new Map<string, number>();
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

/** What the model knows nothing of, unless it says so. */
const UNKNOWN = new Set(["createdAt", "updatedAt", "bytes", "revision"]);

/** An answer without what the model does not know; all else must be the same. */
function comparable(answer: unknown, expected: unknown): unknown {
  if (Array.isArray(answer)) return answer.map((one, n) => comparable(one, (expected as unknown[])?.[n]));
  if (typeof answer !== "object" || answer === null || answer instanceof Date) return answer;
  const said = new Map(Object.entries((expected ?? {}) as object));
  return Object.fromEntries(
    Object.entries(answer)
      .filter(([key]) => said.has(key) || !UNKNOWN.has(key))
      .map(([key, one]) => [key, comparable(one, said.get(key))]),
  );
}

class Operation implements fc.AsyncCommand<Model, Real> {
  constructor(
    readonly table: Table,
    readonly owner: string,
    readonly make: (choices: Choices, same: (a: unknown, b: unknown) => boolean) => Call,
  ) {}
  private shown = "";
  check = () => true;
  toString = () => this.shown;

  async run(model: Model, real: Real): Promise<void> {
    const call = this.make(this.choices(model), same);
    this.shown = `${this.owner}.${call.method}(${call.args.map((arg) => JSON.stringify(arg)).join(", ")})`;
    const answer: { value?: unknown; code?: string } = await call
      .send(this.table.sessionsOf(db, this.owner) as Sessions)
      .then(
        (value) => ({ value }),
        ({ code }: JourneyDbError) => ({ code }),
      );
    const made = (answer.value as { id?: string } | undefined)?.id ?? "";
    const before = new Set(model.of(this.owner).map(({ id }) => id));
    const expected = call.expect(model, this.owner, made);
    count(`${call.method}: ${"code" in expected ? expected.code : "done"}`);

    if ("code" in expected) expect(answer).toEqual({ code: expected.code });
    else {
      expect(answer.code).toBeUndefined();
      expect(canonical(comparable(answer.value, expected.value))).toBe(canonical(expected.value));
      if (expected.changed)
        this.sees(real, expected.changed, (answer.value as { revision: string }).revision);
    }
    await this.nothingElseChanged(real, expected, model, before);
  }

  /** A revision is a new one, and from now on the session's. */
  private sees(real: Real, changed: Kept, revision: string) {
    expect(real.revisions).not.toContain(`${keyOf(changed.owner, changed.id)} ${revision}`);
    real.revisions.add(`${keyOf(changed.owner, changed.id)} ${revision}`);
    changed.revision = revision;
  }

  /** Of all stored rows only those changed, came or went that the model says, and each is its owner's. */
  private async nothingElseChanged(real: Real, expected: Expected, model: Model, before: Set<string>) {
    const now = await storedRows(this.table.name);
    const gone = [...before].filter((id) => !model.find(this.owner, id));
    const mayDiffer = new Set(
      [...gone, ...("changed" in expected && expected.changed ? [expected.changed.id] : [])].map((id) =>
        keyOf(this.owner, id),
      ),
    );
    for (const [key, digest] of real.rows) if (!mayDiffer.has(key)) expect(now.get(key)).toBe(digest);
    expect([...now.keys()].sort()).toEqual(model.sessions.map(({ owner, id }) => keyOf(owner, id)).sort());
    real.rows = now;
  }

  private choices(model: Model): Choices {
    const own = model.of(this.owner);
    const others = model.sessions.filter(({ owner }) => owner !== this.owner);
    const pick = (from: Kept[], at: number) => from[at % Math.max(from.length, 1)]?.id ?? randomUUID();
    return {
      session: ({ kind, at }: Which) => {
        if (kind === "unknown") return randomUUID();
        if (kind === "foreign") return pick(others, at);
        return kind === "capitals" ? pick(own, at).toUpperCase() : pick(own, at);
      },
      message: (id, { kind, at, any }) => {
        const messages = model.find(this.owner, id)?.messages ?? [];
        const one = kind === "last" ? messages.at(-1) : messages[at % Math.max(messages.length, 1)];
        return kind === "any" ? any : (one?.id ?? any);
      },
      revision: (id, stale) =>
        (stale ? undefined : model.find(this.owner, id)?.revision) ?? "2020-01-01T00:00:00.000001",
    };
  }
}

/** What makes sessions outweighs what removes them; a run begins with none. */
const WEIGHTS: Partial<Record<string, number>> = {
  append: 30,
  create: 12,
  delete: 3,
  deleteAll: 1,
};

describe.each(Object.entries(TABLES))("%s", (_, table) => {
  const operations = operationsOf(table.hasOwn);
  const methods = Object.entries(operations)
    // Without own columns there is nothing to look for.
    .filter(([method]) => method !== "getBy" || table.hasOwn)
    .map(([method, operation]) => ({ weight: WEIGHTS[method] ?? 8, arbitrary: operation }));
  const commandOf = (made: fc.Arbitrary<unknown>) =>
    fc
      .tuple(fc.constantFrom(...OWNERS.slice(0, PEOPLE)), made)
      .map(([owner, make]) => new Operation(table, owner, make as Operation["make"]));
  // By chance alone, one of twenty runs would call the rarest of them never.
  const last = commandOf(operations.deleteAll);
  const commands = fc.commands([commandOf(fc.oneof(...methods))], { maxCommands: COMMANDS, size: "max" });

  it("every public method has its operation", () => {
    expect(Object.keys(operations).sort()).toEqual(Object.keys(forUser(db, "user_2abc")).sort());
  });

  it("whatever owners do, the answers are the model's, and nobody else's rows are read or changed", async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    const start = performance.now();
    counts.clear();
    await fc.assert(
      fc.asyncProperty(commands, last, async (commands, last) => {
        await raw.unsafe(`delete from ${table.name}`);
        const begin = () => ({
          model: new Model(table.defaults, ON_CLUSTER && !table.hasOwn),
          real: new Real(),
        });
        await fc.asyncModelRun(begin, [...commands, last]);
      }),
      { numRuns: RUNS, seed, endOnFailure: !LONG },
    );
    const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${total} operations of ${PEOPLE} owners in ${seconds} s, seed ${seed}`);
    if (LONG) console.log(Object.fromEntries([...counts].sort()));
    if (LONG) expect(total).toBeGreaterThanOrEqual(50_000);
    const done = [...counts.keys()].filter((what) => what.endsWith(": done"));
    const called = Object.keys(operations).filter((method) => method !== "getBy" || table.hasOwn);
    expect(done.map((what) => what.split(":")[0]).sort()).toEqual(called.sort());
  }, 3_600_000);
});

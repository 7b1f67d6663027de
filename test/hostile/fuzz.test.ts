import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineJourney, JourneyDbError, type SearchHit, type Session } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { ownColumns } from "../../src/schema.js";
import { newUser, openMigrated } from "../support/database.js";
import { made } from "../support/hostile.js";
import { text } from "../support/messages.js";
import { type Content, contentAfter } from "../support/outcome.js";
import { canonical } from "../support/storable.js";
import { CATALOGUES, callOf, unstored, type Verb } from "../support/verbs.js";
import { callsOf, REFUSALS, rightCalls } from "./calls.js";

const LONG = process.env.LONG === "1";
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const DRIVERS = [
  ["postgres.js", "the default table", LONG ? 2000 : 22],
  ["postgres.js", "a table with own columns", LONG ? 2000 : 22],
  ["PGlite", "the default table", LONG ? 100 : 5],
  ["PGlite", "a table with own columns", LONG ? 100 : 5],
] as const;

/** Own columns that are stored exactly as they are given. */
const EXACT = ["runId", "orgId", "pinned", "stage", "tags", "tokens", "dueAt", "code"];
const SEED: Content = { phase: "setup", messages: [text("m1"), text("m2")], metadata: { a: 1, __b: null } };

const counts = new Map<string, number>();
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
const start = performance.now();

/** What a polluted prototype would have more of. */
const builtIns = () =>
  [Object, Array, Function, String, Number, Date, Promise, Error].flatMap(({ prototype }) =>
    Reflect.ownKeys(prototype).map((key) => `${prototype.constructor.name}.${String(key)}`),
  );

describe.each(DRIVERS)("%s, %s", (driver, name, runs) => {
  const catalogue = CATALOGUES[name];
  const hasOwn = ownColumns(catalogue.table).length > 0;
  const calls = callsOf(hasOwn);
  // Without own columns there is nothing to look for.
  const METHODS = (Object.keys(calls) as Verb[]).filter((method) => hasOwn || method !== "getBy");
  const forUser = catalogue.forUser(defineJourney);
  const journeys = [{}, { unstorable: "reject" as const }, { maxSessionBytes: 600 }].map((options) =>
    catalogue.forUser(((given: object) => defineJourney({ ...options, ...given })) as typeof defineJourney),
  );
  const newSession = (id: string) => ({ id, ...catalogue.newOwn({ ...unstored(), newId: id }) });
  const owner = newUser();
  let db: Database;
  let neighbour: string;
  let own: Session | undefined;

  beforeAll(async () => {
    db = await openMigrated(driver);
    await catalogue.createIn(db);
    const other = forUser(db, `${owner}x`);
    neighbour = randomUUID();
    const messages = [text("m1"), text("m2")];
    await other.create({ ...newSession(neighbour), messages, metadata: { a: 1 } });
    await forUser(db, owner.toUpperCase()).create({ ...newSession(randomUUID()), messages: [text("m1")] });
  });

  const digests = async () => {
    const of = (which: string) =>
      sql<string>`md5(string_agg(t::text, '|' order by id) filter (where user_id ${sql.raw(which)} ${owner}))`;
    const table = sql`${sql.raw(catalogue.sqlName)} as t`;
    const [row] = await db.select({ own: of("="), others: of("<>") }).from(table);
    return row as { own: string; others: string };
  };

  const sessionToUse = async () => {
    if (own) return own;
    await forUser(db, owner).deleteAll();
    own = await forUser(db, owner).create({ ...newSession(randomUUID()), ...SEED } as never);
    return own;
  };

  async function checkAnswer(method: Verb, args: unknown[], answer: unknown, session: Session) {
    const named = typeof args[0] === "string" ? args[0].toLowerCase() : "";
    const content = contentAfter(method, args, SEED, named === session.id);
    if (content) {
      const stored = await forUser(db, owner).get((answer as Session).id);
      const { phase, messages, metadata } = stored as Session;
      expect(canonical({ phase, messages, metadata })).toBe(canonical(content));
      if (method === "append" || method === "replaceMessages")
        expect(answer).toMatchObject({ messageCount: content.messages.length });
    }
    if (hasOwn) await checkOwn(method, args, answer as Session);
    if (method === "getBy") expect(answer === null || (answer as Session).id === session.id).toBe(true);
    if (method === "get") expect(answer).toEqual(named === session.id ? session : null);
    if (method === "latest") expect(answer).toEqual(session);
    if (method === "count" || method === "deleteAll") expect(answer).toBe(1);
    if (method === "delete") expect(answer).toBe(named === session.id);
    if (method === "list")
      for (const one of (answer as { sessions: Session[] }).sessions) expect(one.id).toBe(session.id);
    if (method === "export") expect(answer).toEqual([session]);
    if (method === "search") for (const one of answer as SearchHit[]) expect(one.session.id).toBe(session.id);
    if (method === "messages")
      for (const one of (answer as Session).messages) expect(SEED.messages).toContainEqual(one);
  }

  async function checkOwn(method: Verb, args: unknown[], answer: Session): Promise<void> {
    const [first, second] = args as Record<string, unknown>[];
    const given = { create: first, update: second, fork: second?.set }[method as string];
    if (given === undefined) return;
    const stored = (await forUser(db, owner).get(answer.id)) as unknown as Record<string, unknown>;
    for (const [key, value] of Object.entries(Object(given)))
      if (EXACT.includes(key) && value !== undefined) expect(stored[key]).toEqual(value);
  }

  it.each(METHODS)("%s keeps what it is given or refuses it, and touches nothing else", async (method) => {
    const examples = rightCalls(catalogue, method).map((args): [number, unknown[]] => [0, args]);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 }), calls[method], async (which, unmade) => {
        const session = await sessionToUse();
        const before = { rows: await digests(), builtIns: builtIns() };
        const ids = { own: session.id, neighbour, revision: session.revision };
        const args = made(unmade, ids) as unknown[];
        const sessions = (journeys[which] ?? expect.fail())(db, owner);
        const outcome = await callOf(sessions, method, args).then(
          (answer: unknown) => ({ answer }),
          (thrown) => ({ thrown }),
        );
        const after = { rows: await digests(), builtIns: builtIns() };
        if (after.rows.own !== before.rows.own) own = undefined;
        expect(after.builtIns).toEqual(before.builtIns);
        expect(after.rows.others).toBe(before.rows.others);
        if ("thrown" in outcome) {
          expect(outcome.thrown).toBeInstanceOf(JourneyDbError);
          expect(REFUSALS).toContain(outcome.thrown.code);
          expect(after.rows.own).toBe(before.rows.own);
          count(`${driver} ${name} ${method}: ${outcome.thrown.code}`);
        } else {
          await checkAnswer(method, args, outcome.answer, session);
          count(`${driver} ${name} ${method}: done`);
        }
      }),
      { numRuns: runs + examples.length, seed, endOnFailure: !LONG, examples },
    );
    expect([...counts.keys()]).toContain(`${driver} ${name} ${method}: done`);
  });
});

afterAll(() => {
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${total} hostile calls in ${seconds} s, seed ${seed}`);
  if (LONG) {
    console.log(Object.fromEntries([...counts].sort()));
    expect(total).toBeGreaterThanOrEqual(50_000);
  }
});

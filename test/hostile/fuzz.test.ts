import { sql } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineJourney, forUser, JourneyDbError, type SearchHit, type Session } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { newUser, openMigrated } from "../support/database.js";
import { made } from "../support/hostile.js";
import { text } from "../support/messages.js";
import { type Content, contentAfter } from "../support/outcome.js";
import { canonical } from "../support/storable.js";
import { callOf, type Verb } from "../support/verbs.js";
import { calls, REFUSALS, rightCalls } from "./calls.js";

const LONG = process.env.LONG === "1";
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const DRIVERS = [
  ["postgres.js", LONG ? 4000 : 45],
  ["PGlite", LONG ? 200 : 8],
] as const;
const METHODS = Object.keys(calls) as Verb[];

const journeys = [
  defineJourney(),
  defineJourney({ unstorable: "reject" }),
  defineJourney({ maxSessionBytes: 600 }),
];
const SEED: Content = { phase: "setup", messages: [text("m1"), text("m2")], metadata: { a: 1, __b: null } };

const counts = new Map<string, number>();
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
const start = performance.now();

/** What a polluted prototype would have more of. */
const builtIns = () =>
  [Object, Array, Function, String, Number, Date, Promise, Error].flatMap(({ prototype }) =>
    Reflect.ownKeys(prototype).map((key) => `${prototype.constructor.name}.${String(key)}`),
  );

describe.each(DRIVERS)("%s", (driver, runs) => {
  const owner = newUser();
  let db: Database;
  let neighbour: string;
  let own: Session | undefined;

  beforeAll(async () => {
    db = await openMigrated(driver);
    const other = forUser(db, `${owner}x`);
    neighbour = (await other.create({ messages: [text("m1"), text("m2")], metadata: { a: 1 } })).id;
    await forUser(db, owner.toUpperCase()).create({ messages: [text("m1")] });
  });

  const digests = async () => {
    const of = (which: string) =>
      sql<string>`md5(string_agg(journey_sessions::text, '|' order by id) filter (where user_id ${sql.raw(which)} ${owner}))`;
    const [row] = await db.select({ own: of("="), others: of("<>") }).from(journeySessions);
    return row as { own: string; others: string };
  };

  const sessionToUse = async () => {
    if (own) return own;
    await forUser(db, owner).deleteAll();
    own = await forUser(db, owner).create(SEED as never);
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

  it.each(METHODS)("%s keeps what it is given or refuses it, and touches nothing else", async (method) => {
    const examples = rightCalls(method).map((args): [number, unknown[]] => [0, args]);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 }), calls[method], async (which, unmade) => {
        const session = await sessionToUse();
        const before = { rows: await digests(), builtIns: builtIns() };
        const ids = { own: session.id, neighbour, revision: session.revision };
        const args = made(unmade, ids) as unknown[];
        const sessions = (journeys[which] ?? expect.fail()).forUser(db, owner);
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
          count(`${driver} ${method}: ${outcome.thrown.code}`);
        } else {
          await checkAnswer(method, args, outcome.answer, session);
          count(`${driver} ${method}: done`);
        }
      }),
      { numRuns: runs + examples.length, seed, endOnFailure: !LONG, examples },
    );
    expect([...counts.keys()]).toContain(`${driver} ${method}: done`);
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

import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect, defineJourney, forUser, JourneyDbError } from "../../src/index.js";
import { migrate, pendingMigrations, verify } from "../../src/migrate.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { anyText, made, mostly, oddities, options, wrong } from "../support/hostile.js";

const LONG = process.env.LONG === "1";
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const db = openPostgresJs(await migratedDatabase());
const ids = { own: "", neighbour: "", revision: "" };
const { DATABASE_URL } = process.env;

// Without a URL, connect would open a folder.
beforeAll(() => {
  process.env.DATABASE_URL = "not a URL";
});
afterAll(() => {
  if (DATABASE_URL === undefined) delete process.env.DATABASE_URL;
  else process.env.DATABASE_URL = DATABASE_URL;
});

const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(1, 1000, 2 ** 31));
const database = mostly(fc.constant(undefined), 1);
const someDatabase = (given: unknown) => given ?? db;

/** What is not a method of the handle, and may be called with anything. */
const entrances: Record<
  string,
  [args: fc.Arbitrary<unknown[]>, call: (...args: never[]) => unknown, codes: string[]]
> = {
  forUser: [
    fc.tuple(database, mostly(anyText), options({ signal: wrong, timeoutMs: mostly(number) })),
    (given, userId, request) => forUser(someDatabase(given) as never, userId, request),
    ["invalid_input"],
  ],
  defineJourney: [
    fc.tuple(
      options({
        message: wrong,
        metadata: wrong,
        phases: mostly(fc.array(anyText)),
        maxSessionBytes: mostly(number),
        unstorable: mostly(fc.constantFrom("replace", "reject")),
        timeoutMs: mostly(number),
        prepare: mostly(fc.boolean()),
      }),
    ),
    (given) => defineJourney(given),
    ["invalid_input"],
  ],
  connect: [
    fc.tuple(
      options({
        url: mostly(
          fc.oneof(
            anyText.map((text) => `postgres://${text}`),
            anyText,
            fc.webUrl(),
          ),
        ),
        max: mostly(number),
        pooled: mostly(fc.boolean()),
        statementTimeoutMs: mostly(number),
      }),
    ),
    async (given) => (await connect(given)).close(),
    ["invalid_input", "configuration"],
  ],
  migrate: [
    fc.tuple(database, options({ lockTimeoutMs: mostly(number) })),
    (given, request) => migrate(someDatabase(given) as never, request),
    ["invalid_input"],
  ],
  verify: [fc.tuple(wrong), (given) => verify(given), ["invalid_input"]],
  pendingMigrations: [fc.tuple(wrong), (given) => pendingMigrations(given), ["invalid_input"]],
};

it.each(Object.entries(entrances))(
  "%s answers anything, or refuses it with a typed error",
  async (name, entrance) => {
    const [args, call, codes] = entrance;
    let refused = 0;
    const check = async (unmade: unknown[]) => {
      const outcome = await (async () => call(...(made(unmade, ids) as never[])))().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (outcome === undefined) return;
      refused++;
      expect(outcome).toBeInstanceOf(JourneyDbError);
      expect(codes).toContain((outcome as JourneyDbError).code);
    };
    // Each oddity in each place, the other arguments left as they should be.
    const rights: Record<string, unknown[]> = {
      forUser: [undefined, "user_2", {}],
      migrate: [undefined, {}],
    };
    const right = rights[name] ?? [{}];
    const examples = oddities.flatMap((odd) => right.map((_, at): [unknown[]] => [right.with(at, odd)]));
    const numRuns = (LONG ? 2000 : 100) + examples.length;
    await fc.assert(fc.asyncProperty(args, check), { numRuns, seed, examples, endOnFailure: !LONG });
    expect(refused).toBeGreaterThan(0);
  },
);

import { beforeAll, expect, it } from "vitest";
import { type PruneOptions, prune } from "../../src/admin.js";
import { agedSessions, storedIds } from "../support/aged-sessions.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";

const db = openPostgresJs(await migratedDatabase(), { max: 1 });

const TIME = 'options.inactiveFor: expected text such as "90d", a number of h, d, w or y from "1h" to "100y"';
const BATCH = /^options\.batchSize: expected /;
const UNIT_OR_NUMBER =
  "90 d d90 90dd 90dy 1h30m P90D NaNd 1e2d 59m 6m 90m 90min 5400s 7776000000 7776000000ms";
const TOO_SHORT_OR_LONG = "-90d 0d 0.99h 100.1y 101years";
const times: unknown[] = [
  ...UNIT_OR_NUMBER.split(" "),
  ...TOO_SHORT_OR_LONG.split(" "),
  ...["", " ", "90 ", " 90d", `${"9".repeat(99)}d`, `${"9".repeat(400)}d`],
  ...[90, 90n, undefined, null, true, ["90d"], { days: 90 }, new Date()],
];
const refused: [unknown, string | RegExp][] = [
  ...times.map((inactiveFor): [unknown, string] => [{ inactiveFor }, TIME]),
  ...[0, -1, 10_001, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "500", null].map(
    (batchSize): [unknown, RegExp] => [{ inactiveFor: "90d", batchSize }, BATCH],
  ),
  [{ inactiveFor: "90d", signal: {} }, /^options\.signal: /],
  [{ inactiveFor: "90d", onProgress: "log" }, "options.onProgress: expected function"],
  [{ inactiveFor: "90d", dryRun: "yes" }, "options.dryRun: expected boolean"],
  [{ inactiveFor: "90d", dryRun: null }, "options.dryRun: expected boolean"],
  [{ inactiveFor: "90d", timeoutMs: 0 }, "options.timeoutMs: expected at least 1"],
  [{ inactiveFor: "90d", dryrun: true }, 'options: has a key that is not expected here: "dryrun"'],
  [{}, TIME],
  [undefined, "options: expected object"],
  [null, "options: expected object"],
  ["90d", "options: expected object"],
  [new Map([["inactiveFor", "90d"]]), "options: expected object"],
];

beforeAll(() => agedSessions(db, { age: "500 years" }));

it.each(refused)("%o is refused, and nothing is deleted", async (options, message) => {
  const error = await errorOf(prune(db, options as PruneOptions));
  expect(error).toMatchObject({ code: "invalid_input", retryable: false });
  if (typeof message === "string") expect(error.message).toBe(message);
  else expect(error.message).toMatch(message);
  expect(await storedIds(db)).toHaveLength(1);
});

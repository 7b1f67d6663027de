import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { CASES, callOf, conversation } from "../support/verbs.js";

const db = openPostgresJs(await migratedDatabase());

/** What has no keys of its own, so that its preconditions would count for none. */
const notPlain: Record<string, (options: object) => unknown> = {
  "a Map": (options) => new Map(Object.entries(options)),
  "a Promise that was not awaited": async (options) => options,
  URLSearchParams: (options) => new URLSearchParams(Object.entries(options)),
  "an Error": () => new Error("x"),
  "a Date": () => new Date(),
  "a list": (options) => [options],
};

it.each(Object.entries(notPlain))("%s as options is refused, and nothing changes", async (_, make) => {
  const sessions = forUser(db, newUser());
  const given = await conversation(sessions);
  const session = await sessions.get(given.id);
  for (const { name, verb, options, args } of CASES) {
    if (options === null) continue;
    const error = await errorOf(
      callOf(sessions, verb, args(given).toSpliced(options, 1, make({ ifRevision: "stale" }))),
    );
    expect(`${name}: ${error.code} ${error.message}`).toMatch(
      /: invalid_input (options|session): expected object$/,
    );
  }
  expect(await sessions.get(given.id)).toEqual(session);
  expect(await sessions.count()).toBe(1);
});

it("what only looks like an AbortSignal is refused, and nothing is sent", async () => {
  const half = Object.create(AbortSignal.prototype) as AbortSignal;
  const refused = { code: "invalid_input", message: expect.stringContaining("expected AbortSignal") };
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create();
  await expect(sessions.watch(id, { signal: half })[Symbol.asyncIterator]().next()).rejects.toMatchObject(
    refused,
  );
  expect(() => forUser(db, newUser(), { signal: half })).toThrow(expect.objectContaining(refused));
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { onEveryDriver, onOneDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { mergePatch } from "../support/merge-patch.js";
import { canonical } from "../support/storable.js";

/** The examples of RFC 7396, Appendix A: a document, a patch and the result. */
const EXAMPLES: [document: unknown, patch: unknown, result: unknown][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, undefined],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];
const deep = { deep: true };

const key = fc.constantFrom(
  "a",
  "b",
  "c",
  "",
  '"',
  "\\",
  '\\"',
  "{",
  "}",
  "{}",
  ",",
  "a,b",
  "NULL",
  "null",
  " ",
  "é",
  "😀",
  "__proto__",
  "constructor",
  "0",
  "-1",
  "$",
  "path",
  "patch",
);
const json = (leaves: fc.Arbitrary<unknown>) =>
  fc.letrec<{ value: unknown; object: object }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaves, tie("object"), fc.array(tie("value"), { maxLength: 2 })),
    object: fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((all) => Object.fromEntries(all)),
  })).object as fc.Arbitrary<Record<string, unknown>>;
const leaf = fc.constantFrom<unknown>(1, 1.5, "x", "", "NULL", true, false, [], {});

it("of 32 writers of other keys of one object, none is lost", async () => {
  // As many connections, so that most of them wait for one another.
  const db = openPostgresJs(await migratedDatabase(), { max: 32 });
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create({ metadata: { a: { b: {} } } });
  const writers = Array.from({ length: 32 }, (_, n) => n);
  for (const round of [1, 2, 3])
    await Promise.all(
      writers.map((n) =>
        sessions.mergeMetadata(id, { a: { b: { [`${round} ${n}`]: n }, [`${round} ${n}`]: n } }, deep),
      ),
    );
  const { metadata } = (await sessions.get(id)) ?? expect.fail();
  const { b, ...rest } = metadata.a as Record<string, object>;
  for (const keys of [b as object, rest]) expect(Object.keys(keys)).toHaveLength(96);
});

onEveryDriver((database, { forUser }) => {
  it.each(EXAMPLES)("RFC 7396: %j with %j is %j", async (document, patch, result) => {
    expect(mergePatch(document, patch)).toEqual(result ?? null);
    // Metadata is an object; what is none in the RFC is in one here.
    const sessions = forUser(database(), newUser());
    const { id } = await sessions.create({ metadata: { in: document } });
    const merged = { ...(result !== undefined && { in: result }) };
    expect((await sessions.mergeMetadata(id, { in: patch }, deep)).metadata).toEqual(merged);
    expect((await sessions.get(id))?.metadata).toEqual(merged);
  });
});

onOneDriver((database, { defineJourney, forUser }) => {
  it("any patch of any metadata gives what the RFC says", async () => {
    const sessions = forUser(database(), newUser());
    await fc.assert(
      fc.asyncProperty(
        json(fc.oneof(leaf, fc.constant(null))),
        json(fc.oneof(leaf, fc.constant(null))),
        async (document, patch) => {
          const { id } = await sessions.create({ metadata: document });
          const { metadata } = await sessions.mergeMetadata(id, patch, deep);
          expect(canonical(metadata)).toBe(canonical(mergePatch(document, patch)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("without deep an object replaces the stored one, and keeps its nulls", async () => {
    const sessions = forUser(database(), newUser());
    const { id } = await sessions.create({ metadata: { a: { b: 1, c: 2 } } });
    for (const options of [undefined, {}, { deep: false }])
      expect((await sessions.mergeMetadata(id, { a: { b: null } }, options)).metadata).toEqual({
        a: { b: null },
      });
  });

  it("takes preconditions, and changes nothing where they do not hold", async () => {
    const sessions = forUser(database(), newUser());
    const { id, revision } = await sessions.create({ metadata: { a: { b: 1 }, step: 1 } });
    const patch = { a: { c: 2 } };
    for (const unmet of [{ ifMatch: { step: 2 } }, { ifMatch: { a: { b: 2 } } }, { ifMatch: { a: null } }])
      expect(await errorOf(sessions.mergeMetadata(id, patch, { ...deep, ...unmet }))).toMatchObject({
        code: "conflict",
      });
    const { revision: next } = await sessions.mergeMetadata(id, patch, {
      ...deep,
      ifMatch: { a: { b: 1 }, step: 1, x: null },
      ifRevision: revision,
    });
    expect(
      await errorOf(sessions.mergeMetadata(id, { a: 1 }, { ...deep, ifRevision: revision })),
    ).toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toMatchObject({
      revision: next,
      metadata: { a: { b: 1, c: 2 }, step: 1 },
    });
    expect(await errorOf(forUser(database(), newUser()).mergeMetadata(id, patch, deep))).toMatchObject({
      code: "not_found",
    });
  });

  it("the result has at most maxSessionBytes", async () => {
    const sessions = defineJourney({ maxSessionBytes: 1000 }).forUser(database(), newUser());
    const { id } = await sessions.create({ metadata: { a: { b: "x".repeat(600) } } });
    expect(await errorOf(sessions.mergeMetadata(id, { a: { c: "x".repeat(600) } }, deep))).toMatchObject({
      code: "too_large",
    });
    expect((await sessions.get(id))?.metadata).toEqual({ a: { b: "x".repeat(600) } });
    // One for the other fits.
    await sessions.mergeMetadata(id, { a: { b: null, c: "x".repeat(600) } }, deep);
    expect((await sessions.get(id))?.metadata).toEqual({ a: { c: "x".repeat(600) } });
  });

  it("a patch has up to 1,000 objects", async () => {
    const sessions = forUser(database(), newUser());
    const { id } = await sessions.create({ metadata: { k1: { a: 1 } } });
    const of = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, { b: n }]));
    expect(await errorOf(sessions.mergeMetadata(id, of(1000), deep))).toMatchObject({ code: "too_large" });
    const { metadata } = await sessions.mergeMetadata(id, of(999), deep);
    expect(metadata).toEqual({ ...of(999), k1: { a: 1, b: 1 } });
  });

  it("nesting may be as deep as it may be elsewhere", async () => {
    const sessions = forUser(database(), newUser());
    const nested = (levels: number, leaf: object): object =>
      Array.from({ length: levels }).reduce<object>((inner) => ({ 'a"\\': inner }), leaf);
    const { id } = await sessions.create({ metadata: nested(490, { b: 1 }) as never });
    const { metadata } = await sessions.mergeMetadata(id, nested(490, { c: 2 }) as never, deep);
    expect(metadata).toEqual(nested(490, { b: 1, c: 2 }));
    expect(await errorOf(sessions.mergeMetadata(id, nested(501, {}) as never, deep))).toMatchObject({
      code: "invalid_input",
    });
  });

  describe("with the application's schema", () => {
    const metadata = z.strictObject({
      goal: z.object({ title: z.string(), at: z.string().optional() }),
      step: z.number(),
    });
    const open = () => defineJourney({ metadata }).forUser(database(), newUser());

    it("a part of an object is no whole one", async () => {
      const sessions = open();
      const { id } = await sessions.create({ metadata: { goal: { title: "Plan" }, step: 1 } });
      const { metadata: merged } = await sessions.mergeMetadata(id, { goal: { at: "home" }, step: 2 }, deep);
      expect(merged).toEqual({ goal: { title: "Plan", at: "home" }, step: 2 });
      await sessions.mergeMetadata(id, { goal: { at: null } }, deep);
      expect((await sessions.get(id))?.metadata).toEqual({ goal: { title: "Plan" }, step: 2 });
    });

    it("other values and unknown keys are refused", async () => {
      const sessions = open();
      const { id } = await sessions.create({ metadata: { goal: { title: "Plan" }, step: 1 } });
      for (const patch of [{ step: "2" }, { goal: "none" }, { other: 1 }, { other: { a: 1 } }])
        expect(await errorOf(sessions.mergeMetadata(id, patch as never, deep))).toMatchObject({
          code: "invalid_input",
        });
      expect((await sessions.get(id))?.metadata).toEqual({ goal: { title: "Plan" }, step: 1 });
    });
  });

  it.each([
    ["null", null],
    ["a list", []],
    ["text", "a"],
    ["nothing", undefined],
  ])("%s is no patch", async (_, patch) => {
    const sessions = forUser(database(), newUser());
    const { id } = await sessions.create();
    expect(await errorOf(sessions.mergeMetadata(id, patch as never, deep))).toMatchObject({
      code: "invalid_input",
    });
    expect(await errorOf(sessions.mergeMetadata(id, {}, { deep: "yes" } as never))).toMatchObject({
      code: "invalid_input",
    });
  });
});

it("waits for nobody who has inserted a row that references the session", async () => {
  const url = await migratedDatabase();
  const db = openPostgresJs(url);
  const other = rawClient(url, { max: 1 });
  await other`create table notes (session_id uuid references journey_sessions (id))`;
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create({ metadata: { a: { b: 1 } } });
  await other.begin(async (tx) => {
    await tx`insert into notes values (${id})`;
    expect((await sessions.mergeMetadata(id, { a: { c: 2 } }, { deep: true })).metadata).toEqual({
      a: { b: 1, c: 2 },
    });
  });
});

import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { anyJson, anyObject, anyText, Made, mostly, options } from "../support/hostile.js";
import type { Catalogue, Given, Verb } from "../support/verbs.js";

const own = new Made("own", ({ own }) => own);
const id = fc.oneof(
  { weight: 20, arbitrary: fc.constant(own) },
  { weight: 2, arbitrary: fc.constant(new Made("OWN", ({ own }) => own.toUpperCase())) },
  { weight: 1, arbitrary: fc.constant(new Made("a neighbour's", ({ neighbour }) => neighbour)) },
  { weight: 1, arbitrary: fc.constant(new Made("unknown", () => randomUUID())) },
  { weight: 1, arbitrary: anyText },
);
const revision = fc.oneof(
  { weight: 4, arbitrary: fc.constant(new Made("revision", ({ revision }) => revision)) },
  { weight: 1, arbitrary: fc.constantFrom("infinity", "9999-99-99T99:99:99", "0001-01-01T00:00:00 BC") },
  { weight: 1, arbitrary: anyText },
);
/** m1 and m2 are stored. */
const messageId = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("m1", "m2", "m3", "__proto__", "$[*]", "é") },
  { weight: 1, arbitrary: anyText },
);
const phase = fc.oneof(fc.constantFrom("setup", "review", "__proto__"), anyText);

const field = fc.tuple(
  fc.constantFrom("text", "input", "output", "data", "state", "__proto__", "toJSON", ""),
  anyJson,
);
const part = fc
  .tuple(mostly(fc.constantFrom("text", "data-x", "__proto__"), 30), fc.array(field, { maxLength: 3 }))
  .map(([type, fields]) => Object.fromEntries([...fields, ["type", type]]));
const message = fc
  .record({
    id: mostly(messageId, 30),
    role: mostly(fc.constantFrom("user", "assistant", "system"), 30),
    parts: mostly(fc.array(mostly(part, 60), { minLength: 1, maxLength: 2 }), 30),
    metadata: anyJson,
  })
  .chain((fields) => anyObject.map((more) => ({ ...more, ...fields })));
const messages = fc.oneof(
  message,
  fc.array(message, { maxLength: 3 }),
  fc.uniqueArray(message, { minLength: 1, maxLength: 3, selector: (one) => one.id }),
);

/** A cursor whose checksum is right, of a place that no page had. */
const cursors = fc
  .tuple(
    fc.constantFrom("created", "updated"),
    fc.constantFrom("infinity", "2026-01-01T00:00:00", "2026-99-99T99:99:99", "999999-01-01T00:00:00"),
    fc.constantFrom("-".repeat(36), "00000000-0000-0000-0000-000000000000"),
  )
  .map(([order, time, at]) => {
    const text = `1 ${order} ${time} ${at}`;
    const hash = [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);
    return btoa(`${text} ${hash.toString(36)}`).replaceAll("=", "");
  });

/** What the stored messages have, and what a pattern would mean something else by. */
const searched = fc.constantFrom(
  "text of m1",
  "TEXT",
  "m2",
  "%",
  "_",
  ".*",
  "(?i)",
  "***=",
  "\\",
  "$",
  "\0",
  "\ud800",
);
const limit = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 100 }) }, fc.integer(), fc.double());
const args = (...all: fc.Arbitrary<unknown>[]) => fc.tuple(...all) as fc.Arbitrary<unknown[]>;
const one = mostly(id);

/** Own columns of a chat, right and wrong. */
const OWN = {
  runId: mostly(fc.oneof(fc.constantFrom("run_1", "run_2"), anyText)),
  orgId: mostly(fc.option(fc.oneof(fc.constant("org_1"), anyText))),
  pinned: mostly(fc.boolean()),
  stage: mostly(fc.constantFrom("draft", "it's live", "done", "other")),
  tags: mostly(fc.array(fc.option(anyText), { maxLength: 3 })),
  results: mostly(anyJson),
  budget: mostly(fc.oneof(fc.constantFrom("1.5", "NaN", "1e99", "' or 1=1"), anyText)),
  tokens: mostly(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n })),
  dueAt: mostly(fc.date()),
  startsAt: mostly(fc.constantFrom("infinity", "2026-01-01 00:00:00", "2026-99-99", "now")),
  digest: mostly(fc.uint8Array({ maxLength: 9 })),
  code: mostly(anyText),
  // The database makes it.
  orgIdLower: mostly(anyText, 1),
};
/** A new chat needs a run. */
const withRun = (given: fc.Arbitrary<unknown>) =>
  fc.tuple(given, OWN.runId).map(([one, runId]) => (isPlain(one) ? { runId, ...one } : one));
const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const where = Object.fromEntries(
  Object.entries(OWN).map(([key, one]) => [key, fc.oneof(one, fc.array(one, { maxLength: 3 }))]),
);

/** Every public method: what it may be called with, right and wrong. */
export const callsOf = (hasOwn: boolean): Record<Verb, fc.Arbitrary<unknown[]>> => ({
  append: args(
    one,
    mostly(messages),
    options({
      create: mostly(
        hasOwn
          ? withRun(options({ ...OWN, metadata: mostly(anyObject) }))
          : fc.oneof(fc.boolean(), options({ metadata: mostly(anyObject) })),
      ),
      after: mostly(fc.option(messageId)),
      from: mostly(messageId),
      ifRevision: mostly(revision),
    }),
  ),
  create: args(
    (hasOwn ? withRun : (given: fc.Arbitrary<unknown>) => given)(
      options({
        id: mostly(fc.oneof(fc.constant(new Made("new", () => randomUUID())), id)),
        phase: mostly(phase),
        messages: mostly(messages),
        metadata: mostly(anyObject),
        ...(hasOwn && OWN),
      }),
    ),
  ),
  get: args(one),
  getBy: args(hasOwn ? options(where) : anyObject),
  update: args(
    one,
    options({ phase: mostly(phase), metadata: mostly(anyObject), ...(hasOwn && OWN) }),
    options({ ifRevision: mostly(revision) }),
  ),
  messages: args(one, options({ limit: mostly(limit), before: mostly(messageId) })),
  latest: args(one),
  list: args(
    options({
      limit: mostly(limit),
      cursor: mostly(fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, cursors, anyText)),
      orderBy: mostly(fc.constantFrom("created", "updated")),
      phase: mostly(phase),
      metadata: mostly(fc.oneof(fc.constant({ a: 1 }), anyObject)),
      where: mostly(hasOwn ? options(where) : fc.constant({})),
    }),
  ),
  count: args(one),
  search: args(mostly(fc.oneof(searched, anyText)), options({ limit: mostly(limit) })),
  export: args(one),
  setPhase: args(one, mostly(phase), options({ from: mostly(phase), ifRevision: mostly(revision) })),
  mergeMetadata: args(
    one,
    mostly(anyObject),
    options({
      ifMatch: mostly(fc.oneof(fc.constant({ a: 1 }), anyObject)),
      ifRevision: mostly(revision),
      deep: mostly(fc.boolean()),
    }),
  ),
  replaceMessages: args(one, mostly(messages), options({ ifRevision: mostly(revision) })),
  truncate: args(one, options({ from: mostly(messageId), ifRevision: mostly(revision) })),
  fork: args(
    one,
    options({
      through: mostly(messageId),
      id: mostly(id),
      ...(hasOwn && { set: withRun(options(OWN)) }),
    }),
  ),
  delete: args(one, options({ ifRevision: mostly(revision) })),
  deleteAll: args(one),
  watch: args(one, options({ signal: mostly(fc.constant(AbortSignal.timeout(60_000))) })),
});

/** The arguments of the cases of a verb, on a session to be made. All must go through. */
export function rightCalls({ cases }: Catalogue, verb: Verb): unknown[][] {
  const given = {
    id: own,
    newId: new Made("new", () => randomUUID()),
    revision: new Made("revision", ({ revision }) => revision),
    cursors: {},
  };
  return cases.filter((one) => one.verb === verb).map(({ args }) => args(given as unknown as Given));
}

/** What a call that is answered may have been refused with. No other code is right. */
export const REFUSALS = ["invalid_input", "not_found", "conflict", "too_large"];

/** Valid messages and metadata with any JSON in them: these must be stored. */
export const validMessages = fc.uniqueArray(
  fc
    .record({
      id: fc.oneof(fc.constantFrom("m1", "new", "__proto__"), fc.string({ minLength: 1, maxLength: 9 })),
      role: fc.constantFrom("user", "assistant", "system"),
      parts: fc.array(
        fc.tuple(fc.constantFrom("text", "data-x"), anyObject).map(([type, more]) => ({ ...more, type })),
        { minLength: 1, maxLength: 2 },
      ),
    })
    .chain((fields) => anyObject.map((more) => ({ ...more, ...fields }))),
  { minLength: 1, maxLength: 3, selector: ({ id }) => id },
);

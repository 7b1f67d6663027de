import fc from "fast-check";
import type { JourneyMessage } from "../../src/index.js";
import { storable } from "../support/storable.js";

/** A message of a session that is stored when the call is made, or any. */
export type Pointer = { kind: "some" | "last" | "any"; at: number; any: string };
/** A session, likewise. */
export type Which = { kind: "own" | "foreign" | "unknown" | "capitals"; at: number };

/** Text with what programs get wrong. Stored, U+0000 and lone surrogates are U+FFFD. */
const anyText = fc.string({
  unit: fc.constantFrom(
    "a",
    "B",
    "é",
    "e\u0301",
    "\0",
    "\ud800",
    "\udc00",
    "😀",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "$1",
    "\n",
  ),
  maxLength: 8,
});
const key = fc.constantFrom("a", "A", "b", "", "__proto__", "constructor", "é", "e\u0301", "a.b");
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    anyText.map(storable),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;
export const metadata = fc
  .array(fc.tuple(key, json), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries));
export const patch = fc
  .array(fc.tuple(key, fc.option(json)), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);

/** Own columns, whose values many users have. */
const OWN = {
  runId: fc.constantFrom(null, "run_1", "run_2", "RUN_1", "run%"),
  orgId: fc.constantFrom(null, "org_1", "Org_1", "org_1 ", "", "NULL", "é", "e\u0301", "' or true --"),
  pinned: fc.boolean(),
  stage: fc.constantFrom("draft", "it's live", "done"),
  tags: fc.array(fc.constantFrom("a", "NULL", "", '"', "\\", "a,b", "{}"), { maxLength: 3 }),
  results: fc.option(json),
  budget: fc.constantFrom(null, "0.5", "123456789012345678901234567890.0123456789"),
  tokens: fc.constantFrom(null, 0, -1, Number.MAX_SAFE_INTEGER),
  dueAt: fc.constantFrom(null, new Date(0), new Date("2026-01-02T03:04:05.678Z")),
};
/** One value, or any of several. */
const filters = Object.entries(OWN).map(([key, value]): [string, fc.Arbitrary<unknown>] => [
  key,
  /^(tags|results)$/.test(key) ? value : fc.oneof(value, fc.array<unknown>(value as never, { maxLength: 3 })),
]);
const noOwn = fc.constant<Record<string, unknown>>({});
const some = (
  of: Record<string, fc.Arbitrary<unknown>>,
  one: <T>(value: fc.Arbitrary<T>) => fc.Arbitrary<T | undefined>,
) => fc.record(Object.fromEntries(Object.entries(of).map(([key, value]) => [key, one(value)]))).map(defined);
/** Values of some own columns, if the table has any. */
export const ownOf = (hasOwn: boolean) => (hasOwn ? some(OWN, rarely) : noOwn);
/** What a call looks for by own columns: mostly one, so that it finds something. */
export const whereOf = (hasOwn: boolean) =>
  hasOwn
    ? fc.oneof(
        {
          weight: 3,
          arbitrary: fc.oneof(...filters.map(([key, value]) => value.map((one) => ({ [key]: one })))),
        },
        { weight: 1, arbitrary: some(Object.fromEntries(filters), rarely) },
      )
    : noOwn;

const messageId = fc.constantFrom(
  "m1",
  "m2",
  "m3",
  "m4",
  "M1",
  "m1 ",
  "m%",
  "m_",
  "é",
  "e\u0301",
  "1",
  "null",
);
export const pointer: fc.Arbitrary<Pointer> = fc.record({
  kind: fc.constantFrom("some", "some", "last", "any"),
  at: fc.nat({ max: 1_000_000 }),
  any: messageId,
});
const message: fc.Arbitrary<JourneyMessage> = fc.record({
  id: messageId,
  role: fc.constantFrom("user", "assistant", "system"),
  parts: fc.array(
    fc.record({ type: fc.constantFrom("text", "data-x"), text: anyText.map(storable), data: json }),
    {
      minLength: 1,
      maxLength: 2,
    },
  ),
});
export const messages = (minLength: number) =>
  fc.uniqueArray(message, { minLength, maxLength: 4, selector: ({ id }) => id });
/** What may be in a message's text. */
export const searched = anyText.filter((text) => text !== "");
export const phase = fc.constantFrom("setup", "review", "Setup", "setup ", "done");

export const which: fc.Arbitrary<Which> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant("own" as const) },
    { weight: 2, arbitrary: fc.constant("foreign" as const) },
    { weight: 1, arbitrary: fc.constant("unknown" as const) },
    { weight: 1, arbitrary: fc.constant("capitals" as const) },
  ),
  at: fc.nat({ max: 1_000_000 }),
});
/** An option that is mostly not there. */
export function rarely<T>(arbitrary: fc.Arbitrary<T>) {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}
/** Whether to ask for a revision, and for an old one. */
export const asked = rarely(fc.boolean());

export function defined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

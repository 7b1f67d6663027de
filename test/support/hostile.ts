import fc from "fast-check";
import { nastyStrings } from "./messages.js";

/** What a value is made from when the call is made. Shown by its name, since some of these cannot be printed. */
export class Made {
  constructor(
    readonly label: string,
    readonly make: (ids: Ids) => unknown,
  ) {}
  [fc.toStringMethod] = () => `<${this.label}>`;
}

/** The sessions that a call may name. */
export interface Ids {
  own: string;
  neighbour: string;
  revision: string;
}

/** The arguments of the call, with everything made that is made. */
export function made(value: unknown, ids: Ids): unknown {
  if (value instanceof Made) return value.make(ids);
  if (Array.isArray(value)) return value.map((item) => made(item, ids));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, made(item, ids)]));
}

/** Text with what programs get wrong, ill-formed text included. */
export const anyText = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.string({ unit: fc.constantFrom(..."aB é\0\ud800\udc00%_\\'\"$\n\ufeff"), maxLength: 9 }),
  },
  { weight: 10, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  { weight: 10, arbitrary: fc.constantFrom(...nastyStrings) },
  { weight: 4, arbitrary: fc.constantFrom("x".repeat(256), "x".repeat(257)) },
  { weight: 1, arbitrary: fc.constant("y".repeat(70_000)) },
);

const KEYS =
  "__proto__ constructor prototype toString valueOf hasOwnProperty toJSON then length id type parts 0 -1 a.b $a".split(
    " ",
  );
const key = fc.oneof(fc.constantFrom("", ...KEYS), anyText);
const nested = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);

const entries = <T>(value: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((all) => Object.fromEntries(all) as Record<string, T>);

/** Any JSON: its depth and size, and keys that mean something to JavaScript. */
export const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    anyText,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom<unknown>(null, true, false, -0, 5e-324, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER),
    fc.array(tie("value"), { maxLength: 4 }),
    entries(tie("value")),
    fc.constantFrom(100, 400, 490).map(nested),
  ),
})).value;
export const anyObject = entries(anyJson);

class Point {
  x = 1;
}
const cycle: unknown[] = [];
cycle.push(cycle);

export const oddities = (
  [
    ["a function", () => () => 1],
    ["a symbol", () => Symbol("s")],
    ["a BigInt", () => 1n],
    ["a class", () => new Point()],
    ["a cycle", () => cycle],
    ["a Promise", () => Promise.resolve(1)],
    ["an invalid Date", () => new Date(Number.NaN)],
    ["a list of holes", () => new Array(5)],
    ["a million holes", () => new Array(1_000_000)],
    ["deeper than allowed", () => nested(501)],
    ["far deeper than allowed", () => nested(50_000)],
    ["a shared graph", () => Array.from({ length: 40 }).reduce<unknown>((graph) => [graph, graph], "x")],
    [
      "a thenable",
      () => Object.fromEntries(["then"].map((key) => [key, (done: (value: unknown) => void) => done(1)])),
    ],
    ["a throwing getter", () => Object.defineProperty({}, "id", { enumerable: true, get: fails })],
    ["a throwing toJSON", () => ({ toJSON: fails })],
    [
      "a throwing Proxy",
      () => new Proxy({}, { get: fails, ownKeys: fails, has: fails, getPrototypeOf: fails }),
    ],
    ["a revoked Proxy", () => revoked({})],
    ["a revoked list", () => revoked([])],
    ["a half AbortSignal", () => Object.create(AbortSignal.prototype)],
  ] satisfies [label: string, make: () => unknown][]
).map(([label, make]) => new Made(label, make));
function fails(): never {
  throw new Error("of the caller's own");
}
function revoked<T extends object>(target: T): T {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** What no argument should be: every type, and objects that throw when they are read. */
export const wrong: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, "", [], {}),
  fc.constantFrom(...oddities),
  fc.anything({
    maxDepth: 2,
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withObjectString: true,
    withTypedArray: true,
    withSparseArray: true,
  }),
);

/** Mostly what it should be. */
export const mostly = <T>(right: fc.Arbitrary<T>, weight = 20): fc.Arbitrary<unknown> =>
  fc.oneof({ weight, arbitrary: right }, { weight: 1, arbitrary: wrong });

/** Options with a few of these, seldom with one that is unknown. */
export const options = (known: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> => {
  const few = Object.entries(known).map(([name, value]) => [
    name,
    fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value }),
  ]);
  const some = fc.record(Object.fromEntries(few), { requiredKeys: [] });
  const unknown = fc.tuple(some, key, anyText).map(([given, name, value]) => ({ ...given, [name]: value }));
  return mostly(fc.oneof({ weight: 30, arbitrary: some }, { weight: 1, arbitrary: unknown }));
};

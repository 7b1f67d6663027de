import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { JourneyDbError } from "../../src/index.js";
import { type JsonRules, MESSAGE_KEYS, toJson } from "../../src/validation/json.js";

const rules: JsonRules = {
  unstorable: "replace",
  maxBytes: 1_000_000,
  knownKeys: new Set(["a", "b", ...MESSAGE_KEYS]),
};
const textOf = (value: unknown) => toJson(value, "field", rules).text;

function refusal(value: unknown): string {
  try {
    textOf(value);
  } catch (error) {
    expect(error).toBeInstanceOf(JourneyDbError);
    return (error as JourneyDbError).message;
  }
  return expect.fail("it was not refused");
}

const cycle: { a?: unknown } = {};
cycle.a = cycle;
const sparse: unknown[] = [];
sparse[2] = 1;

class Point {
  x = 1;
}

describe("what JSON would change in silence is refused with its path", () => {
  it.each([
    ["NaN", { a: [1, Number.NaN] }, "field.a[1]: expected a finite number, received NaN"],
    ["Infinity", { a: -Infinity }, "field.a: expected a finite number, received -Infinity"],
    ["BigInt", { a: { b: 1n } }, "field.a.b: expected a JSON value, received bigint"],
    ["a function", { a: () => 1 }, "field.a: expected a JSON value, received function"],
    ["a symbol", [Symbol("s")], "field[0]: expected a JSON value, received symbol"],
    ["a symbol key", { a: { [Symbol("s")]: 1 } }, "field.a: expected no symbol keys"],
    ["Map", { a: new Map([[1, 2]]) }, "field.a: expected a plain object, an array or a Date"],
    ["Set", [new Set([1])], "field[0]: expected a plain object, an array or a Date"],
    ["a class", new Point(), "field: expected a plain object, an array or a Date"],
    ["bytes", { a: new Uint8Array([1]) }, "field.a: expected a plain object, an array or a Date"],
    ["RegExp", { a: /x/ }, "field.a: expected a plain object, an array or a Date"],
    ["Error", { a: new Error("x") }, "field.a: expected a plain object, an array or a Date"],
    ["a boxed string", { a: Object("x") }, "field.a: expected a plain object, an array or a Date"],
    ["Promise", { a: Promise.resolve(1) }, "field.a: expected a plain object, an array or a Date"],
    ["an invalid Date", { a: new Date(Number.NaN) }, "field.a: expected a valid Date"],
    ["undefined in an array", { a: [undefined] }, "field.a[0]: expected a JSON value, received undefined"],
    ["a hole in an array", sparse, "field[0]: expected a JSON value, received undefined"],
    ["undefined alone", undefined, "field: expected a JSON value, received undefined"],
  ])("%s", (_, value, message) => {
    expect(refusal(value)).toBe(message);
  });

  it("a cycle", () => {
    expect(refusal(cycle)).toMatch(/^field\.a\.a.*…: expected JSON of at most 500 levels without cycles$/);
  });

  it.each([
    [
      "a getter that throws",
      {
        get a() {
          throw new Error("secret");
        },
      },
    ],
    [
      "a toJSON that throws",
      {
        a: {
          toJSON() {
            throw new Error("secret");
          },
        },
      },
    ],
    [
      "a Proxy that throws",
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error("secret");
          },
        },
      ),
    ],
  ])("%s", (_, value) => {
    expect(refusal(value)).toMatch(/^field[^:]*: expected a value that can be read as JSON$/);
  });
});

describe("what JSON keeps is kept", () => {
  it.each([
    ["plain values", [null, true, 0, -1.5, "x", [], {}]],
    ["an object without prototype", Object.assign(Object.create(null), { a: 1 })],
    ["an object of another realm", runInNewContext("({ a: [1, { b: 2 }] })")],
    ["undefined properties", { a: undefined, b: 1 }],
    ["a Date", { a: new Date(0) }],
    ["a URL, by its toJSON", { a: new URL("https://example.com/x") }],
    [
      "keys of Object.prototype",
      JSON.parse('{ "__proto__": { "x": 1 }, "toString": 1, "constructor": null }'),
    ],
    ["one object twice", [cycle.a === cycle ? { a: 1 } : 0].flatMap((shared) => [shared, shared])],
  ])("%s", (_, value) => {
    expect(textOf(value)).toBe(JSON.stringify(value));
  });

  it("the order of keys stays", () => {
    expect(textOf({ z: 1, a: 2, m: 3 })).toBe('{"z":1,"a":2,"m":3}');
  });
});

it("a key that a user wrote is counted, not shown", () => {
  expect(refusal({ a: 1, "my secret": { b: 1n } })).toBe(
    "field.<key 2>.b: expected a JSON value, received bigint",
  );
});

it("a small graph of shared references that would grow without end is too large", () => {
  let graph: unknown = ["x"];
  for (let level = 0; level < 40; level++) graph = [graph, graph];
  expect(() => textOf(graph)).toThrow(expect.objectContaining({ code: "too_large" }));
});

it("text over the limit is too large before it is sent", () => {
  expect(() => textOf("x".repeat(1_000_001))).toThrow(expect.objectContaining({ code: "too_large" }));
});

it("as many elements as may fit are let through, four bytes each, and one more is too large", () => {
  // The array itself takes eight.
  const elements = rules.maxBytes / 4 - 2;
  expect(textOf(new Array(elements).fill(true))).toHaveLength(elements * 5 + 1);
  expect(() => textOf(new Array(elements + 1).fill(true))).toThrow(
    expect.objectContaining({ code: "too_large" }),
  );
});

it("toJSON is told the key that it stands under", () => {
  const named = { toJSON: (key: string) => key };
  expect(textOf({ "my secret": named, a: [named], b: named })).toBe(
    '{"my secret":"my secret","a":["0"],"b":"b"}',
  );
});

it("tells of what may take more than twice the room as text: exponents and control characters", () => {
  const isWide = (value: unknown) => toJson(value, "field", rules).isWide;
  const many = (value: unknown) => new Array(1000).fill(value);
  for (const value of [1e308, -1e308, 1e22, 1e-21, 5e-324, 1.5e-30, "\u0001\u0002\u0003", { a: 1e300 }]) {
    expect(isWide(many(value))).toBe(true);
  }
  for (const value of [0, 1, 1e20, 0.1, Math.PI, 1e-6, true, false, null, "", "a", '"', [], {}, { a: 1 }]) {
    expect(isWide(many(value))).toBe(false);
  }
  // One such number among other things is none.
  expect(isWide([1e308, "x".repeat(1000)])).toBe(false);
});

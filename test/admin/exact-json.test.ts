import fc from "fast-check";
import { expect, it } from "vitest";
import { readExactly } from "../../src/admin/exact-json.js";

const json = fc.jsonValue();
/** Numbers as PostgreSQL writes them. */
const number = fc.stringMatching(/^-?(0|[1-9]\d{0,40})(\.\d{1,20})?$/);
const awkward = fc.string({ unit: fc.constantFrom('"', "\\", "1", ".", "-", "{", "é", "\n"), maxLength: 12 });

it("any JSON is read as JSON.parse reads it, and written as it stood, with each number to the last digit", () => {
  const text = fc.tuple(json, number, awkward, awkward).map(([value, n, said, key]) => {
    const compact = [
      JSON.stringify(value),
      n,
      JSON.stringify(said),
      `{${JSON.stringify(key)}:[${n},{"a":${n}}]}`,
    ];
    return `[${compact.join(",")}]`;
  });
  fc.assert(
    fc.property(text, (stored) => {
      const { value, textOf } = readExactly(stored);
      expect(textOf(value)).toBe(stored);
      const [first, , said] = value as unknown[];
      const [expected, , saidExpected] = JSON.parse(stored) as unknown[];
      expect(said).toBe(saidExpected);
      if (typeof first === "string") expect(first).toBe(expected);
    }),
    { numRuns: 3000 },
  );
});

it("JSON whose numbers are all JavaScript's is the value of JSON.parse", () => {
  fc.assert(
    fc.property(json, (given) => {
      const text = JSON.stringify(given);
      expect(readExactly(text).value).toEqual(JSON.parse(text));
    }),
  );
});

it("a number that JavaScript would change is no number while it is read, and the same one is equal", () => {
  const { value, textOf } = readExactly("[1.10, 1.10, 12345678901234567890, 1.1]");
  const [one, same, other, plain] = value as unknown[];
  expect(plain).toBe(1.1);
  expect(one).toEqual(same);
  expect(one).not.toEqual(other);
  for (const stand of [one, other])
    expect(stand).toEqual({ [Object.keys(one as object)[0] as string]: expect.any(Number) });
  expect(textOf({ a: other, b: [plain, one] })).toBe('{"a":12345678901234567890,"b":[1.1,1.10]}');
});

it.each([
  ["7", 0],
  ["[]", 1],
  ['[[1.10], {"[[": "]]"}, {"a": [{}]}]', 4],
])("%s has %i levels", (text, levels) => {
  expect(readExactly(text).levels).toBe(levels);
});

it("megabytes of escapes, of quotes and of one number are read in a moment", { timeout: 10_000 }, () => {
  for (const text of [
    JSON.stringify("\n".repeat(2_000_000)),
    JSON.stringify('"'.repeat(2_000_000)),
    JSON.stringify("\\".repeat(2_000_000)),
    "9".repeat(2_000_000),
  ]) {
    const { value, textOf } = readExactly(text);
    expect(textOf(value)).toBe(text);
  }
});

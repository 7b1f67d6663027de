import { describe, expect, it } from "vitest";
import { lineReader, toLine } from "../../src/cli/ndjson.js";
import { JourneyDbError } from "../../src/index.js";
import { CANARY, leaks, shownOf } from "../support/canary.js";
import { oddMessages, text, uiMessages } from "../support/messages.js";

const ID = "00000000-0000-4000-8000-00000000000a";
const session = {
  id: ID,
  phase: "setup",
  createdAt: "2026-01-31T09:30:00.123456Z",
  updatedAt: "2026-01-31T09:30:00Z",
  metadata: {},
  messages: [text("m1")],
};
const bytesOf = (line: string) => new TextEncoder().encode(line);
const read = (line: string | Uint8Array) =>
  lineReader().read(typeof line === "string" ? bytesOf(line) : line);
const readWith = (change: object) => read(JSON.stringify({ ...session, ...change }));

/** The message of the refusal, which contains nothing of the line. */
function refusal(line: string | Uint8Array): string {
  try {
    read(line);
  } catch (error) {
    expect(error).toBeInstanceOf(JourneyDbError);
    expect((error as JourneyDbError).code).toBe("invalid_input");
    expect(leaks(shownOf(error))).toEqual([]);
    return (error as JourneyDbError).message;
  }
  return expect.fail("it was not refused");
}
const refusalOf = (change: object) => refusal(JSON.stringify({ ...session, ...change }));
const nested = (levels: number) => `${"[".repeat(levels)}"${CANARY}"${"]".repeat(levels)}`;
/** A line with this JSON as the value of a field. */
const withJson = (field: string, json: string) =>
  JSON.stringify({ ...session, [field]: "HERE" }).replace('"HERE"', () => json);
const withData = (json: string) =>
  withJson("messages", `[{"id": "m1", "role": "user", "parts": [{"type": "data-x", "data": ${json}}]}]`);

describe("a line that is stored", () => {
  it("goes on as it came, but for white space around it and a byte order mark", () => {
    const line = JSON.stringify(session);
    expect(read(`\ufeff \t${line} \r`)).toEqual({ id: ID, text: line, own: {}, hasMore: false });
  });

  it.each(["", " ", "\r", "\t \r", "\ufeff"])("is none where it is empty: %j", (line) => {
    expect(read(line)).toBeNull();
  });

  it("has its id in small letters, as the server has it", () => {
    expect(readWith({ id: ID.toUpperCase() })?.id).toBe(ID);
  });

  it("may hold more fields, whatever they are called", () => {
    expect(readWith({ userId: "user_1", revision: "x", [CANARY]: [{}] })?.id).toBe(ID);
    expect(read(JSON.stringify(session).replace("{", '{"__proto__": 1, "constructor": 2, '))?.id).toBe(ID);
  });

  it("has messages of every kind that a handle stores", () => {
    const stored = oddMessages.flatMap(({ expect, message }) => (expect === "refused" ? [] : [message]));
    for (const message of [...uiMessages.slice(0, 20), ...stored])
      expect(readWith({ messages: [message] })?.id).toBe(ID);
  });

  it.each([
    "9".repeat(309),
    `-${"9".repeat(400)}.5`,
    "1e309",
    "1.5E+400",
    "-1e400",
    `1${"0".repeat(290)}e99`,
  ])("may hold a number beyond a double: %#", (number) => {
    for (const json of [number, `[${number}]`, `[1,${number}]`, `{"a":${number}}`, `{"a": [\t${number} ]}`]) {
      expect(read(withData(json))?.text).toContain(number);
      expect(read(withJson("metadata", `{"n": ${json}}`))?.text).toContain(number);
    }
  });

  it.each([
    ...["infinity", "-infinity", "4714-11-24T00:00:00 BC", "0001-01-01T00:00:00Z", "10000-01-01T00:00:00"],
    ...["294276-12-31T23:59:59.999999", "2024-02-29T23:59:59.9Z", "2026-01-31T09:30:00.123456"],
  ])("has a time that the table can hold: %s", (time) => {
    expect(readWith({ createdAt: time, updatedAt: time })?.id).toBe(ID);
  });
});

describe("the error of a refused line names the field and what was expected, and shows none of the content", () => {
  const TIME = 'a time in UTC of at most six decimals, e.g. "2026-01-31T09:30:00.123456Z"';
  const PHASE = "1 to 100 characters of well-formed text without U+0000";

  it.each([
    ["no JSON", CANARY],
    ["half of it", JSON.stringify(session).slice(0, -2)],
    ["two values", `${JSON.stringify(session)} {"${CANARY}": 1}`],
    ["a key without quotes", `{${CANARY}: 1}`],
  ])("%s", (_, line) => {
    expect(refusal(line)).toBe("session: expected JSON");
  });

  it.each([
    ["a stray byte", Buffer.from([...bytesOf(`{"${CANARY}": "`), 0xff, ...bytesOf('"}')])],
    ["UTF-16", Buffer.from(`{"${CANARY}": 1}\ud800`, "utf16le")],
    ["a surrogate", Buffer.from([...bytesOf('{"a": "'), 0xed, 0xa0, 0x80, ...bytesOf('"}')])],
    ["half a character", bytesOf('{"a": "€').subarray(0, -1)],
  ])("not UTF-8: %s", (_, bytes) => {
    expect(refusal(bytes)).toBe("session: expected text in UTF-8");
  });

  it.each(["null", "7", `"${CANARY}"`, `["${CANARY}"]`, "true"])("no object: %s", (line) => {
    expect(refusal(line)).toBe("session: expected object");
  });

  it.each([
    ["id", "expected string"],
    ["phase", "expected string"],
    ["createdAt", "expected string"],
    ["updatedAt", "expected string"],
    ["messages", "expected array"],
    ["metadata", "expected a JSON value, received undefined"],
  ])("%s is missing", (field, expected) => {
    expect(refusalOf({ [field]: undefined })).toBe(`session.${field}: ${expected}`);
  });

  it.each([
    ["id", CANARY, "expected 8-4-4-4-12 hexadecimal digits"],
    ["id", `{${ID}}`, "expected 8-4-4-4-12 hexadecimal digits"],
    ["id", 7, "expected string"],
    ["phase", "", `expected ${PHASE}`],
    ["phase", CANARY.repeat(10), `expected ${PHASE}`],
    ["phase", `${CANARY}\0`, `expected ${PHASE}`],
    ["phase", null, "expected string"],
    ["createdAt", 1_769_851_800_000, "expected string"],
    ["createdAt", CANARY, `expected ${TIME}`],
    ["createdAt", "2026-02-30T00:00:00Z", `expected ${TIME}`],
    ["updatedAt", "2026-13-01T00:00:00Z", `expected ${TIME}`],
    ["updatedAt", "2025-02-29T00:00:00Z", `expected ${TIME}`],
    ["updatedAt", "2026-01-31T24:00:00Z", `expected ${TIME}`],
    ["updatedAt", "2026-01-31T09:30:00.1234567Z", `expected ${TIME}`],
    ["updatedAt", "2026-01-31T09:30:00+02:00", `expected ${TIME}`],
    ["updatedAt", "2026-01-31", `expected ${TIME}`],
    ["updatedAt", "now", `expected ${TIME}`],
    ["updatedAt", "2026-01-31T09:30:00Z\n", `expected ${TIME}`],
    ["messages", { [CANARY]: 1 }, "expected array"],
    ["messages", CANARY, "expected array"],
    ["messages", null, "expected array"],
    ["metadata", CANARY, "expected record"],
    ["metadata", [CANARY], "expected record"],
    ["metadata", null, "expected record"],
  ])("%s is %j", (field, value, expected) => {
    expect(refusalOf({ [field]: value })).toBe(`session.${field}: ${expected}`);
  });

  it.each(
    oddMessages.flatMap((odd): [string, unknown][] =>
      odd.expect === "refused" ? [[odd.why, odd.message]] : [],
    ),
  )("%s", (_, message) => {
    expect(refusalOf({ messages: [text(CANARY), message] })).toMatch(
      /^session\.messages\[1\](\.\w+(\[0\])?)?: expected /,
    );
  });

  it("one message id twice", () => {
    expect(refusalOf({ messages: [text(CANARY), text("m2"), text(CANARY)] })).toBe(
      "session.messages[2].id: expected each id once",
    );
  });

  it.each([
    String.raw`"\u0000"`,
    String.raw`"${CANARY}\ud800"`,
    String.raw`"\udc00\ud83d"`,
    String.raw`{"\u0000": 1}`,
  ])("text that PostgreSQL cannot store: %s", (json) => {
    const expected = /: expected well-formed text without U\+0000$/;
    expect(refusal(withData(json))).toMatch(
      /^session\.messages\[0\]\.parts\[0\]\.data(\.<key 1>)?: expected well-formed text without U\+0000$/,
    );
    expect(refusal(withJson("metadata", `{"${CANARY}": ${json}}`))).toMatch(/^session\.metadata\.<key 1>/);
    expect(refusal(withJson("metadata", `{"${CANARY}": ${json}}`))).toMatch(expected);
    expect(refusal(withJson("userId", json))).toMatch(expected);
  });

  it.each([501, 10_000, 200_000])("%i levels", (levels) => {
    const expected = /^session\..*…: expected JSON of at most 500 levels/;
    expect(refusal(withJson("messages", nested(levels)))).toMatch(expected);
    expect(refusal(withData(nested(levels - 4)))).toMatch(expected);
    expect(refusal(withJson("metadata", `{"${CANARY}": ${nested(levels - 1)}}`))).toMatch(expected);
    expect(refusal(withJson(CANARY, nested(levels)))).toMatch(expected);
  });
});

describe("what export writes of a row", () => {
  const row = (createdAt: string, updatedAt: string) => ({
    summary: JSON.stringify([ID, "user_1", "ph\u2028ase", { a: 1 }, createdAt, updatedAt]),
    metadata: '{"a": 1.10}',
    messages: '[{"n": 12345678901234567890}]',
    bytes: 0,
  });

  it("is one line, with messages and metadata as the database wrote them", () => {
    expect(toLine(row("2026-01-31T09:30:00", "2026-01-31T09:30:00.000001"))).toBe(
      `{"id":"${ID}","userId":"user_1","phase":"ph\u2028ase","createdAt":"2026-01-31T09:30:00Z","updatedAt":"2026-01-31T09:30:00.000001Z","metadata":{"a": 1.10},"messages":[{"n": 12345678901234567890}]}`,
    );
  });

  it("has its times in ISO 8601 where they have that form, else as the database writes them", () => {
    const times = ["infinity", "-infinity", "0044-03-15T00:00:00 BC", "10000-01-01T00:00:00"];
    for (const time of times)
      expect(JSON.parse(toLine(row(time, time)))).toMatchObject({ createdAt: time, updatedAt: time });
  });
});

it("a line whose numbers would be too long to be read from the table is refused", () => {
  const tooLarge = {
    code: "too_large",
    message: expect.stringMatching(/^session: expected at most \d+ bytes/),
  };
  const many = (n: number, number: string) => `[${new Array(n).fill(number).join(",")}]`;
  for (const number of ["1e100000", "-1.5E+100000", "1e-16000"]) {
    expect(() => read(withData(many(2000, number)))).toThrow(expect.objectContaining(tooLarge));
    expect(() => read(withJson("metadata", `{"a": ${many(2000, number)}}`))).toThrow(
      expect.objectContaining(tooLarge),
    );
  }
  expect(read(withData(many(100, "1e100000")))?.id).toBe(ID);
  // Without exponents, as in an export, they are accepted; and digits in a string are not numbers.
  expect(read(withData(many(200, "1".repeat(100_000))))?.id).toBe(ID);
  const inText = String.raw`\\\" 1e99999 `.repeat(2000);
  expect(read(withData(`[1e5, "${inText}"]`))?.id).toBe(ID);
});

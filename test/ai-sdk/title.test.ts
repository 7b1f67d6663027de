import { expect, test } from "vitest";
import { titleOf } from "../../src/ai-sdk.js";
import { nastyStrings, text } from "../support/messages.js";

const titled = (content: string, maxLength?: number) => titleOf(text("m1", content), maxLength);

test.each([
  ["Plan a weekend", "Plan a weekend"],
  ["  Plan\n\ta   weekend  ", "Plan a weekend"],
  ["", undefined],
  [" \n ", undefined],
])("a short text is its own title, on one line: %j", (content, title) => {
  expect(titled(content)).toBe(title);
});

test.each([
  ["one two three", 13, "one two three"],
  ["one two three", 12, "one two…"],
  ["one two three", 8, "one two…"],
  ["one two three", 7, "one…"],
  ["unbreakable", 6, "unbre…"],
  ["a unbreakable", 8, "a unbre…"],
])(
  "a longer one is cut between words where that leaves at least half: %j at %i",
  (content, length, title) => {
    expect(titled(content, length)).toBe(title);
  },
);

test("a character that a reader counts as one is never cut", () => {
  expect(titled("👩‍👩‍👧‍👦".repeat(10), 4)).toBe(`${"👩‍👩‍👧‍👦".repeat(3)}…`);
  expect(titled("e\u0301".repeat(10), 3)).toBe("e\u0301e\u0301…");
});

test("a title has at most 200 code units, whatever it may have", () => {
  expect(titled("a".repeat(199), 300)).toBe("a".repeat(199));
  expect(titled("a".repeat(200), 300)).toBe(`${"a".repeat(199)}…`);
});

test("white space of any length hides no text", () => {
  expect(titled(`${" ".repeat(10_000)}Hello`)).toBe("Hello");
  expect(titled(`a${" ".repeat(5998)}👩`)).toBe("a 👩");
});

test("all text parts make the title, and no other part", () => {
  const parts = [
    { type: "file", mediaType: "image/png", url: "data:," },
    { type: "text", text: "What is" },
    { type: "reasoning", text: "hidden" },
    { type: "text", text: { forged: true } },
    { type: "text", text: "this?" },
  ];
  expect(titleOf({ parts })).toBe("What is this?");
  expect(titleOf({ parts: parts.slice(0, 1) })).toBeUndefined();
});

test("a title of difficult text, even of a megabyte, has at most 60 characters", () => {
  const characters = new Intl.Segmenter();
  for (const content of [
    ...nastyStrings,
    "word ".repeat(200_000),
    "\u0301".repeat(1_000_000),
    "👩‍👩‍👧‍👦".repeat(40),
  ]) {
    const title = titled(content) ?? "";
    expect([...characters.segment(title)].length).toBeLessThanOrEqual(60);
    expect(title.length).toBeLessThanOrEqual(200);
    expect(title).not.toMatch(/\n/);
  }
});

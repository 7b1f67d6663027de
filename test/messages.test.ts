import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { messageIdSchema, messageSchema, phaseSchema, userIdSchema } from "../src/messages.js";
import { text } from "./support/messages.js";

const takes = (schema: z.ZodType, given: unknown) => schema.safeParse(given).success;

describe.each([
  ["a message id", messageIdSchema, 256],
  ["a user id", userIdSchema, 255],
  ["a phase", phaseSchema, 100],
] as const)("%s", (_, schema, most) => {
  it(`has 1 to ${most} characters`, () => {
    expect(["", "x", "x".repeat(most), "x".repeat(most + 1)].map((given) => takes(schema, given))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("is text that PostgreSQL can store", () => {
    for (const given of ["a\0", "a\ud800", "\udc00a", null, 7]) expect(takes(schema, given)).toBe(false);
    expect(takes(schema, "😀 é")).toBe(true);
  });
});

it("a message with any part is valid, and a message without a part or without a part's type is not", () => {
  for (const part of [
    { type: "data-x", data: null },
    { type: "later", more: [1] },
  ]) {
    expect(messageSchema.parse({ ...text("m1"), parts: [part], more: true })).toEqual({
      ...text("m1"),
      parts: [part],
      more: true,
    });
  }
  for (const parts of [[], [{}], [{ type: "" }], [{ type: 7 }], ["text"], undefined]) {
    expect(takes(messageSchema, { ...text("m1"), parts })).toBe(false);
  }
});

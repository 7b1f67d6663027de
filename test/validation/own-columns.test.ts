import { jsonb, text } from "drizzle-orm/pg-core";
import { describe, expect, it } from "vitest";
import { journeyTable } from "../../src/schema.js";
import { ownColumnsOf } from "../../src/validation/own-columns.js";

const table = journeyTable("chats", { results: jsonb("results"), note: text("note") });
const own = ownColumnsOf(table, {}, { unstorable: "replace", maxBytes: 1000, knownKeys: new Set() });
const refused = (columns: object) => {
  try {
    own.changed(columns, "changes");
  } catch (error) {
    return error;
  }
  return expect.fail("it was accepted");
};

describe("the size of an own column", () => {
  it("is limited as that of metadata, as jsonb and as the text that is read", () => {
    expect(refused({ results: "a".repeat(1001) })).toMatchObject({ code: "too_large" });
    // 309 digits each in PostgreSQL.
    expect(refused({ results: new Array(10).fill(1e308) })).toMatchObject({
      code: "too_large",
      message: expect.stringContaining("changes.results: expected at most 2000 bytes of JSON text"),
    });
    expect(own.changed({ results: [1e308] }, "changes")).toEqual({ results: "[1e+308]" });
  });

  it("is limited for text", () => {
    expect(refused({ note: "a".repeat(1001) })).toMatchObject({ code: "too_large" });
    expect(own.changed({ note: "a".repeat(1000) }, "changes")).toEqual({ note: "a".repeat(1000) });
  });
});

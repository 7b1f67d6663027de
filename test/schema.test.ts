import { text as textColumn } from "drizzle-orm/pg-core";
import { describe, expect, it } from "vitest";
import {
  journeySessionInsertSchema,
  journeySessionSelectSchema,
  journeySessions,
  journeySessionUpdateSchema,
  journeyTable,
} from "../src/schema-zod.js";
import { migratedDatabase, newUser, openPostgresJs } from "./support/database.js";
import { text } from "./support/messages.js";

const row = {
  id: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
  userId: "user_2abc",
  phase: "setup",
  messages: [text("m1")],
  metadata: { a: 1 },
  createdAt: new Date(0),
  updatedAt: new Date(0),
};

const broken: [string, Partial<Record<keyof typeof row, unknown>>][] = [
  ["an id that is none", { id: "x" }],
  ["an empty owner", { userId: "" }],
  ["an owner in white space", { userId: " user " }],
  ["an empty phase", { phase: "" }],
  ["messages that are no array", { messages: {} }],
  ["a message without parts", { messages: [{ id: "m1", role: "user", parts: [] }] }],
  ["metadata that is an array", { metadata: [] }],
  ["a null", { messages: null }],
];

describe("insert", () => {
  it("needs the owner only", () => {
    expect(journeySessionInsertSchema.parse({ userId: "user_2abc" })).toEqual({ userId: "user_2abc" });
    expect(journeySessionInsertSchema.safeParse({}).success).toBe(false);
    expect(journeySessionInsertSchema.parse(row)).toEqual(row);
  });

  it.each(broken)("refuses %s", (_, part) => {
    expect(journeySessionInsertSchema.safeParse({ ...row, ...part }).success).toBe(false);
  });
});

describe("update", () => {
  it("takes any column, or none", () => {
    expect(journeySessionUpdateSchema.parse({})).toEqual({});
    expect(journeySessionUpdateSchema.parse({ phase: "review" })).toEqual({ phase: "review" });
  });

  it.each(broken)("refuses %s", (_, part) => {
    expect(journeySessionUpdateSchema.safeParse(part).success).toBe(false);
  });
});

describe("select", () => {
  it("needs every column", () => {
    expect(journeySessionSelectSchema.parse(row)).toEqual(row);
    for (const column of Object.keys(row)) {
      expect(journeySessionSelectSchema.safeParse({ ...row, [column]: undefined }).success).toBe(false);
    }
  });

  it.each(broken)("refuses %s", (_, part) => {
    expect(journeySessionSelectSchema.safeParse({ ...row, ...part }).success).toBe(false);
  });

  it("accepts what the table gives for an insert with the owner alone", async () => {
    const db = openPostgresJs(await migratedDatabase());
    const [stored] = await db.insert(journeySessions).values({ userId: newUser() }).returning();
    expect(journeySessionSelectSchema.parse(stored)).toEqual(stored);
    expect(stored).toMatchObject({ phase: "setup", messages: [], metadata: {} });
  });
});

describe("journeyTable", () => {
  const column = textColumn("org_id");

  it.each<[string, unknown[], string]>([
    ["no name", [], "name"],
    ["null as name", [null], "name"],
    ["an empty name", [""], "name"],
    ["a name that is too long", ["a".repeat(34)], "name"],
    ["a name with U+0000", ["a\0"], "name"],
    ["a misspelt schema", [{ name: "chats", shema: "app" }], "name"],
    ["an empty schema", [{ name: "chats", schema: "" }], "schema"],
    ["a column of the package", ["chats", { userId: column }], "columns.userId"],
    ["a column named revision", ["chats", { revision: column }], "columns.revision"],
    ["a column's name of the package", ["chats", { owner: textColumn("user_id") }], "columns"],
    ["no column", ["chats", { orgId: undefined }], "columns.orgId"],
    ["a type in place of a column", ["chats", { orgId: "text" }], "columns.orgId"],
  ])("refuses %s", (_, args, field) => {
    const declare = () => (journeyTable as (...args: unknown[]) => unknown)(...args);
    expect(declare).toThrow(expect.objectContaining({ code: "invalid_input" }));
    expect(declare).toThrow(`journeyTable: ${field}: expected`);
  });
});

/** Own columns whose values an application or Drizzle converts, and how filters compare values. */
import { eq, sql } from "drizzle-orm";
import { customType, integer, jsonb, numeric, point, text, timestamp } from "drizzle-orm/pg-core";
import { beforeAll, describe, expect, it } from "vitest";
import { journeyTable } from "../../src/schema.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { createTables } from "../support/own-table.js";

const reversed = (value: string) => [...value].reverse().join("");
/** As an application that encrypts does. */
const sealed = customType<{ data: { secret: string }; driverData: { sealed: string } }>({
  dataType: () => "jsonb",
  toDriver: ({ secret }) => ({ sealed: reversed(secret) }),
  fromDriver: (stored) => ({ secret: reversed(stored.sealed) }),
});
const words = customType<{ data: string[] }>({ dataType: () => "text[]" });
const code = customType<{ data: string }>({ dataType: () => "character varying(3)" });
const lower = customType<{ data: string }>({
  dataType: () => "text",
  toDriver: (value) => value.toLowerCase(),
});

let updates = 0;
const notes = journeyTable("notes", {
  sealed: sealed("sealed"),
  words: words("words"),
  code: code("code"),
  lower: lower("lower"),
  amount: numeric("amount", { precision: 4, scale: 2 }),
  second: timestamp("second", { precision: 0, withTimezone: true }),
  at: timestamp("at", { withTimezone: true }),
  plain: timestamp("plain"),
  place: point("place"),
  counted: integer("counted").$onUpdateFn(() => ++updates),
  results: jsonb("results"),
});
const needy = journeyTable("needy", {
  results: jsonb("results").notNull(),
  sealed: sealed("sealed").notNull(),
});
const frozen = journeyTable("frozen", { token: text("token").$defaultFn(() => sql`${"a"}` as never) });
const failing = journeyTable("failing", {
  token: text("token").$defaultFn(() => {
    throw new Error("what a user wrote");
  }),
});

onEveryDriver((database, { defineJourney }) => {
  beforeAll(() => createTables(database(), { notes, needy, frozen, failing }));
  const open = () => defineJourney({ table: notes }).forUser(database(), newUser());

  describe("a custom type", () => {
    it("over JSON is converted both ways, as Drizzle does", async () => {
      const sessions = open();
      const { id, sealed } = await sessions.create({ sealed: { secret: "abc" } });
      expect(sealed).toEqual({ secret: "abc" });
      const [row] = await database()
        .select({ stored: sql<string>`sealed::text`, read: notes.sealed })
        .from(notes)
        .where(eq(notes.id, id));
      expect(row).toEqual({ stored: '{"sealed": "cba"}', read: { secret: "abc" } });
    });

    it("over an array keeps its elements", async () => {
      const given = ["a", 'b"c\\', "", "NULL", "d,e"];
      expect((await open().create({ words: given })).words).toEqual(given);
    });

    it("with a length refuses what is longer", async () => {
      expect(await errorOf(open().create({ code: "abcd" }))).toMatchObject({
        code: "invalid_input",
        sqlState: "22001",
      });
    });
  });

  describe("a filter", () => {
    it("by several values of a custom type finds each of them", async () => {
      const sessions = open();
      for (const lower of ["A", "B", "C"]) await sessions.create({ lower });
      const found = await sessions.list({ where: { lower: ["A", "b"] } });
      expect(found.sessions.map(({ lower }) => lower)).toEqual(["b", "a"]);
    });

    it("does not round what it compares", async () => {
      const sessions = open();
      await sessions.create({ amount: "12.35", second: new Date("2026-01-01T00:00:01Z"), code: "abc" });
      const found = async (where: object) => (await sessions.list({ where })).sessions.length;
      expect(await found({ amount: "12.35", code: "abc" })).toBe(1);
      expect(await found({ amount: "12.345" })).toBe(0);
      expect(await found({ second: new Date("2026-01-01T00:00:00.600Z") })).toBe(0);
      expect(await found({ code: "abcd" })).toBe(0);
    });

    it("by null takes a column that cannot be compared", async () => {
      const sessions = open();
      await sessions.create({ place: [1, 2] });
      const { id } = await sessions.create();
      expect((await sessions.list({ where: { place: null } })).sessions.map((one) => one.id)).toEqual([id]);
      expect(await errorOf(sessions.list({ where: { place: [1, 2] } }))).toMatchObject({
        code: "invalid_input",
        message: "options.where.place: expected null, since values of the column's type cannot be compared",
      });
    });

    it("by JSON compares all of it, also an array", async () => {
      const sessions = open();
      await sessions.create({ results: ["a", "b"] });
      expect((await sessions.list({ where: { results: ["a", "b"] } })).sessions).toHaveLength(1);
      expect((await sessions.list({ where: { results: ["a"] } })).sessions).toEqual([]);
    });
  });

  it("a Date of any year that PostgreSQL has is stored and returned", async () => {
    const times = [
      "0001-01-01T00:00:00.000Z",
      "+010000-02-03T04:05:06.007Z",
      "-000043-03-15T12:00:00.000Z",
      "0000-05-06T00:00:00.000Z",
    ];
    for (const time of times) {
      const at = new Date(time);
      const session = await open().create({ at, plain: at });
      expect(session).toMatchObject({ at, plain: at });
      const [row] = await database()
        .select({ at: sql<string>`extract(epoch from at)::text` })
        .from(notes)
        .where(eq(notes.id, session.id));
      expect(Number(row?.at) * 1000).toBe(at.getTime());
    }
  });

  it("a required column of any type is missed before anything is sent", async () => {
    const sessions = defineJourney({ table: needy }).forUser(database(), newUser());
    const given = { results: { a: 1 }, sealed: { secret: "a" } };
    await sessions.create(given);
    for (const key of ["results", "sealed"] as const)
      for (const value of [undefined, null])
        expect(await errorOf(sessions.create({ ...given, [key]: value } as never))).toMatchObject({
          code: "invalid_input",
          message: expect.stringMatching(new RegExp(`^session\\.${key}: expected`)),
        });
    expect(await sessions.count()).toBe(1);
  });

  it("a copy is touched by $onUpdate", async () => {
    const sessions = open();
    const { id, counted } = await sessions.create();
    expect((await sessions.fork(id)).counted).toBeGreaterThan(counted as number);
  });

  it("a function that returns SQL with values is refused: each call would store the same", async () => {
    const sessions = defineJourney({ table: frozen }).forUser(database(), newUser());
    expect(await errorOf(sessions.create())).toMatchObject({
      code: "configuration",
      message: expect.stringContaining("column token"),
    });
  });

  it("a function that throws is named by its column, and what it says is not shown", async () => {
    const sessions = defineJourney({ table: failing }).forUser(database(), newUser());
    expect(await errorOf(sessions.create())).toMatchObject({
      code: "invalid_input",
      message: "session.token: its default could not be computed",
    });
  });
});

describe("defineJourney", () => {
  it("refuses a schema of a column that the table does not have", async () => {
    const { defineJourney } = await import("../../src/index.js");
    const schema = { safeParse: () => ({ success: true }) };
    expect(() => defineJourney({ table: notes, columns: { note: schema } as never })).toThrow(
      "options.columns.note: expected an own column of the table",
    );
  });
});

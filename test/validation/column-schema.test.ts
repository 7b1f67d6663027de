import * as pgCore from "drizzle-orm/pg-core";
import {
  bigint,
  bigserial,
  bit,
  boolean,
  char,
  cidr,
  customType,
  date,
  doublePrecision,
  geometry,
  halfvec,
  inet,
  integer,
  interval,
  json,
  jsonb,
  line,
  macaddr,
  macaddr8,
  numeric,
  type PgColumn,
  type PgColumnBuilderBase,
  pgEnum,
  pgTable,
  point,
  real,
  serial,
  smallint,
  smallserial,
  sparsevec,
  text,
  time,
  timestamp,
  uuid,
  varchar,
  vector,
} from "drizzle-orm/pg-core";
import { createSelectSchema } from "drizzle-zod";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { columnSchema } from "../../src/validation/column-schema.js";
import { bytea } from "../support/own-table.js";

const stage = pgEnum("stage", ["draft", "it's live", ""]);
enum Level {
  Low = "low",
  High = "high",
}

/** Every type of drizzle-orm/pg-core, in each of its modes. */
const BUILDERS: Record<string, PgColumnBuilderBase> = {
  bigint: bigint({ mode: "bigint" }),
  "bigint as number": bigint({ mode: "number" }),
  bigserial: bigserial({ mode: "bigint" }),
  "bigserial as number": bigserial({ mode: "number" }),
  bit: bit({ dimensions: 3 }),
  boolean: boolean(),
  char: char(),
  "char of a length": char({ length: 3 }),
  "char of values": char({ length: 1, enum: ["a", "b"] }),
  cidr: cidr(),
  "a custom type": bytea(),
  date: date(),
  "date as Date": date({ mode: "date" }),
  doublePrecision: doublePrecision(),
  geometry: geometry({ mode: "tuple" }),
  "geometry as object": geometry({ mode: "xy" }),
  halfvec: halfvec({ dimensions: 2 }),
  inet: inet(),
  integer: integer(),
  interval: interval(),
  json: json(),
  jsonb: jsonb(),
  line: line(),
  "line as object": line({ mode: "abc" }),
  macaddr: macaddr(),
  macaddr8: macaddr8(),
  numeric: numeric(),
  "numeric as number": numeric({ mode: "number" }),
  "numeric as bigint": numeric({ mode: "bigint" }),
  pgEnum: stage(),
  "pgEnum of an object": pgEnum("level", Level)(),
  point: point(),
  "point as object": point({ mode: "xy" }),
  real: real(),
  serial: serial(),
  smallint: smallint(),
  smallserial: smallserial(),
  sparsevec: sparsevec({ dimensions: 3 }),
  text: text(),
  "text of values": text({ enum: ["a", "b"] }),
  time: time(),
  timestamp: timestamp(),
  "timestamp as text": timestamp({ mode: "string", withTimezone: true }),
  uuid: uuid(),
  varchar: varchar(),
  "varchar of a length": varchar({ length: 3 }),
  "varchar of values": varchar({ length: 3, enum: ["a", "abcd"] }),
  vector: vector({ dimensions: 2 }),
  "an array": text().array(),
  "an array of a size": integer().array(2),
  "an array of arrays": integer().array().array(),
  "an array of enums": stage().array(),
  "an array of varchar": varchar({ length: 3 }).array(),
  "an array of bigint": bigint({ mode: "bigint" }).array(),
  "an array of jsonb": jsonb().array(),
};

const NUMBERS = [
  ...[0, -0, 1, -1, 0.5, 1e15, 2 ** 24, 2 ** 53, -(2 ** 53), 1e300, 5e-324],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  ...[15, 16, 31, 32, 63, 64].flatMap((bits) => [2 ** bits - 1, 2 ** bits, -(2 ** bits), -(2 ** bits) - 1]),
];
const BIGINTS = [0n, -1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n];
const TEXTS = [
  ...["", "a", "ab", "abc", "abcd", "x".repeat(300), "é😀", "😀😀", "\0", "\ud800", "NULL", "null", "true"],
  ...["0", "1", "01", "101", "1010", "102", "1e3", "NaN", "draft", "it's live", "low", "high", "Low"],
  ...["2026-01-01", "2026-01-01 00:00:00", "infinity", "12:00", "1 day", "10.0.0.0/8", "{1:1}/3"],
];
const UUIDS = [
  "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
  "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
  "00000000-0000-0000-0000-000000000000",
  "a0eebc999c0b4ef8bb6d6bb9bd380a11",
  "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
];
/** Of no version. */
const ANY_UUID = "a0eebc99-9c0b-0ef8-0b6d-6bb9bd380a11";
const OTHERS = [
  ...[null, true, false, {}, new Date(0), new Date(Number.NaN), new Uint8Array([1]), Buffer.from("a")],
  ...[{ x: 1, y: 2 }, { x: 1 }, { x: 1, y: "2" }, { a: 1, b: 2, c: 3 }, { a: 1, b: 2 }, Symbol("s"), () => 1],
];
const SCALARS: unknown[] = [...NUMBERS, ...BIGINTS, ...TEXTS, ...UUIDS, ANY_UUID, ...OTHERS];
const VALUES: unknown[] = [
  ...SCALARS,
  undefined,
  ...[
    [],
    [1, 2],
    [1, 2, 3],
    [1],
    [[1], [2, 3]],
    [["a"]],
    ["a", "b"],
    [1, "2"],
    [Number.NaN, 1],
    [true],
    [1, null],
  ],
  ...SCALARS.map((value) => [value]),
];

/** What a column takes that drizzle-zod refuses, as PostgreSQL takes it too. */
const isMore: [types: RegExp, value: (value: unknown) => boolean][] = [
  // drizzle-zod has the limits of integers for these.
  [/^(real|doublePrecision|numeric as number)$/, (value) => Number.isFinite(value)],
  [/^uuid$/, (value) => value === ANY_UUID],
  [/^an array/, (value) => Array.isArray(value) && value.includes(null)],
  // Checked where it is converted: test/validation/json.test.ts.
  [/json/, () => true],
];

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

describe("the schema of a column accepts what drizzle-zod's does", () => {
  it("for every type that drizzle-orm has for PostgreSQL", () => {
    const table = pgTable("every_type", BUILDERS as never);
    const columns: PgColumn[] = Object.values(BUILDERS).map((_, n) => Object.values(table)[n] as PgColumn);
    const types = new Set(columns.flatMap((column) => [column.columnType]));
    const known = Object.keys(pgCore)
      .filter((name) => /^Pg[A-Z]\w*Builder$/.test(name))
      .map((name) => name.replace(/Builder$/, ""))
      .filter((name) => !/^Pg(Column|IntColumnBase|DateColumnBase|Insert|Select|Update)$/.test(name));
    expect(known.filter((name) => !types.has(name))).toEqual([]);
  });

  it.each(Object.entries(BUILDERS))("%s", (type, builder) => {
    const table = pgTable("one", { column: (builder as ReturnType<typeof text>).notNull() });
    const ours = columnSchema(table.column);
    const theirs = createSelectSchema(table).shape.column;
    const more = VALUES.filter((value) => accepts(ours, value) && !accepts(theirs, value));
    const less = VALUES.filter((value) => !accepts(ours, value) && accepts(theirs, value));
    expect(less).toEqual([]);
    const isKnown = (value: unknown) => isMore.some(([types, is]) => types.test(type) && is(value));
    expect(more.filter((value) => !isKnown(value))).toEqual([]);
    for (const [types] of isMore) if (types.test(type)) expect(more).not.toEqual([]);
    // Some of the values are right, and some wrong.
    expect(VALUES.some((value) => accepts(ours, value))).toBe(true);
    if (!/json|custom/.test(type)) expect(VALUES.some((value) => !accepts(ours, value))).toBe(true);
  });

  it("a custom type's values are the application's to check", () => {
    const other = customType<{ data: number }>({ dataType: () => "money" });
    expect(accepts(columnSchema(pgTable("one", { column: other() }).column), "anything")).toBe(true);
  });
});

import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  bit,
  boolean,
  char,
  cidr,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  line,
  macaddr,
  macaddr8,
  numeric,
  type PgColumnBuilderBase,
  point,
  real,
  serial,
  smallint,
  smallserial,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../src/model/database.js";
import { journeyTable } from "../../src/schema.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { app, bytea, createTables, rowOf, stage } from "../support/own-table.js";

const DATE = new Date("2026-01-02T03:04:05.678Z");
const TEXTS = [
  "",
  "NULL",
  "null",
  " ",
  "a,b",
  "{}",
  "{a}",
  'q"\\q',
  "it's $1 \\ \\\\",
  "😀",
  "\n\t",
  "\u2028",
];
const JSONS = [{ a: [1, "NULL", { "": null }] }, [], "1", "x", '"', 1, 0, false, true, [null, "1"], 1e300];

/** Every type of drizzle-orm/pg-core that needs no extension, with values at its edges. */
const COLUMNS: Record<string, [column: PgColumnBuilderBase, values: unknown[]]> = {
  bigint: [bigint({ mode: "bigint" }), [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 0n]],
  bigintNumber: [bigint({ mode: "number" }), [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0]],
  bigserial: [bigserial({ mode: "bigint" }), [2n ** 63n - 1n, 1n]],
  bit: [bit({ dimensions: 3 }), ["101", "000"]],
  boolean: [boolean(), [true, false]],
  char: [char(), ["a", "é"]],
  char3: [char({ length: 3 }), ["abc", " b ", "é😀x"]],
  cidr: [cidr(), ["10.0.0.0/8", "::/0"]],
  bytea: [bytea(), [new Uint8Array(), new Uint8Array([0, 92, 255, 39, 120, 49])]],
  date: [date(), ["2026-02-28", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"]],
  dateDate: [date({ mode: "date" }), [new Date("2026-02-28"), new Date("0001-01-01")]],
  double: [doublePrecision(), [0.1, -0, 5e-324, Number.MAX_VALUE, 1e21, 123456789.12345679]],
  enum: [stage(), ["draft", "it's live"]],
  inet: [inet(), ["192.168.0.1", "::1/64"]],
  integer: [integer(), [2 ** 31 - 1, -(2 ** 31), 0]],
  interval: [interval(), ["1 day 02:03:04.5", "-1 years", "00:00:00"]],
  json: [json(), JSONS],
  jsonb: [jsonb(), JSONS],
  line: [line(), [[1, 2.5, -3]]],
  lineAbc: [line({ mode: "abc" }), [{ a: 1, b: 2.5, c: -3 }]],
  macaddr: [macaddr(), ["08:00:2b:01:02:03"]],
  macaddr8: [macaddr8(), ["08:00:2b:01:02:03:04:05"]],
  numeric: [
    numeric(),
    [
      "123456789012345678901234567890.0123456789",
      "-0.000000000000000000000000000001",
      "NaN",
      "Infinity",
      "0",
    ],
  ],
  numericNumber: [numeric({ mode: "number" }), [0.1, -1.5]],
  numericBigint: [numeric({ mode: "bigint" }), [2n ** 62n]],
  point: [point(), [[1, -2.5]]],
  pointXy: [point({ mode: "xy" }), [{ x: 1, y: -2.5 }]],
  real: [real(), [0.1, 1.5, -0, 3.4028235e38]],
  serial: [serial(), [5, 2 ** 31 - 1]],
  smallint: [smallint(), [2 ** 15 - 1, -(2 ** 15)]],
  smallserial: [smallserial(), [5]],
  text: [text(), TEXTS],
  time: [time(), ["12:34:56.789012", "24:00:00"]],
  timetz: [time({ withTimezone: true }), ["12:34:56.789+02"]],
  timestamp: [timestamp(), [DATE, new Date(0), new Date("9999-12-31T23:59:59.999Z")]],
  timestamptz: [timestamp({ withTimezone: true }), [DATE, new Date(0)]],
  timestampText: [
    timestamp({ mode: "string" }),
    ["2026-01-02 03:04:05.678901", "infinity", "-infinity", "0044-03-15 12:00:00 BC"],
  ],
  timestamptzText: [
    timestamp({ mode: "string", withTimezone: true }),
    ["2026-01-02 03:04:05.678901+00", "infinity", "0044-03-15 12:00:00+00 BC"],
  ],
  uuid: [uuid(), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-0ef8-0b6d-6bb9bd380a11"]],
  varchar: [varchar({ length: 3 }), ["abc", "", "é😀"]],
  texts: [text().array(), [[], TEXTS, ["a", null]]],
  textsOfTexts: [text().array().array(), [[], [TEXTS, TEXTS.toReversed()]]],
  integers: [integer().array(), [[1, -2, null], []]],
  bigints: [bigint({ mode: "bigint" }).array(), [[2n ** 63n - 1n, 0n]]],
  booleans: [boolean().array(), [[true, false, null]]],
  bytes: [bytea().array(), [[new Uint8Array([0, 92, 255, 34]), new Uint8Array()]]],
  dates: [date().array(), [["2026-02-28", "infinity", "0044-03-15 BC"]]],
  doubles: [doublePrecision().array(), [[0.1, 5e-324, null]]],
  enums: [stage().array(), [["draft", "it's live"], []]],
  jsons: [jsonb().array(), [[{ a: 1 }, "1", "x", 1, [], '"\\']]],
  numerics: [numeric().array(), [["123456789012345678901234567890.0123456789", "NaN"]]],
  timestamps: [timestamp().array(), [[DATE, new Date(0)]]],
  timestamptzs: [timestamp({ withTimezone: true }).array(), [[DATE, new Date(0), null]]],
  uuids: [uuid().array(), [["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]]],
  varchars: [varchar({ length: 3 }).array(), [["abc", '"\\']]],
};

const types = journeyTable(
  { name: "every_type", schema: "app" },
  Object.fromEntries(Object.entries(COLUMNS).map(([key, [column]]) => [key, column])),
);

/** Where Drizzle's own select returns something else than was stored. */
const DRIZZLE_DIFFERS: Record<string, (value: unknown) => boolean> = {
  // It parses a string of JSON again, if postgres.js or node-postgres has done so before.
  json: (value) => typeof value === "string",
  jsonb: (value) => typeof value === "string",
  jsons: () => true,
  // Of an array that the driver leaves to it, it drops backslashes, and takes NULL for the text "NULL", or false.
  texts: (value) => /\\|null/.test(JSON.stringify(value)),
  textsOfTexts: (value) => JSON.stringify(value).includes("\\"),
  bytes: () => true,
  varchars: () => true,
  booleans: () => true,
  integers: (value) => (value as unknown[]).includes(null),
  doubles: () => true,
  timestamptzs: () => true,
};
/** Types without an equality. */
const NOT_COMPARED = ["json", "point", "pointXy"];

/** Bytes are a Buffer or a Uint8Array, as the driver has it. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  return Array.isArray(value) ? value.map(plain) : value;
};

const message = { id: "m1", role: "user" as const, parts: [{ type: "text", text: "Hi" }] };

onEveryDriver((database, { defineJourney }) => {
  beforeAll(() => createTables(database(), { app, stage, types }));
  // biome-ignore lint/suspicious/noExplicitAny: the columns are of any type here
  const sessionsOf = (owner = newUser(), db: Database = database()): any =>
    defineJourney({ table: types }).forUser(db, owner);

  describe("a value comes back as it was given, from every call", () => {
    it.each(Object.entries(COLUMNS))("%s", async (key, [, values]) => {
      const sessions = sessionsOf();
      const neighbour = sessionsOf();
      for (const value of values) {
        const expected = plain(value);
        const isIn = (session: Record<string, unknown>) => expect(plain(session[key])).toEqual(expected);
        const created = await sessions.create({ [key]: value });
        const updated = await sessions.create();
        await sessions.update(updated.id, { [key]: value });
        const appended = { id: randomUUID() };
        await sessions.append(appended.id, message, { create: { [key]: value } });
        const all = [created, updated, appended];
        for (const { id } of all) {
          isIn(await sessions.get(id));
          isIn((await sessions.messages(id)).session);
          const stored = (await rowOf(database(), types, id)) as Record<string, unknown>;
          if (!DRIZZLE_DIFFERS[key]?.(value)) isIn(stored);
        }
        isIn(created);
        const listed = (await sessions.list()).sessions;
        expect(listed).toHaveLength(all.length);
        listed.forEach(isIn);
        for await (const one of sessions.export()) isIn(one);

        // The same value of another user's is not found.
        await neighbour.create({ [key]: value });
        const where = { [key]: value };
        if (NOT_COMPARED.includes(key)) {
          await expect(sessions.list({ where })).rejects.toMatchObject({ code: "invalid_input" });
        } else {
          expect((await sessions.list({ where })).sessions).toEqual(listed);
          isIn(await sessions.getBy(where));
        }
        const isNumbered = /serial$/.test(key);
        const copy = await sessions.fork(created.id);
        if (isNumbered) expect(copy[key]).not.toEqual(value);
        else isIn(copy);
        isIn(await sessions.fork(updated.id, { set: { [key]: value } }));
        await sessions.deleteAll();
      }
    });
  });

  it("what another program has stored is read, also what JavaScript has no value for", async () => {
    const owner = newUser();
    const columns = {
      double: "'NaN'",
      real: "'-Infinity'",
      doubles: "'{NaN,-Infinity,-0,1}'",
      numeric: "'-Infinity'",
      timestamp: "'infinity'",
      timestamptz: "'-infinity'",
      timestamps: "'{infinity,0044-03-15 12:00:00 BC}'",
      timestamptzs: "'{2026-01-02 03:04:05.678999+00}'",
      json: "'null'",
      jsonb: `'" 1"'`,
      jsons: `array['null', '1', null, '"1"']::jsonb[]`,
      textsOfTexts: `'{{a,NULL},{"NULL",""}}'`,
    };
    const names = Object.keys(columns).map((name) => `"${name}"`);
    const insert = `insert into app.every_type (user_id, ${names}) values ('${owner}', ${Object.values(columns)})`;
    await database().execute(sql.raw(insert));
    const session = await sessionsOf(owner).latest();
    expect(session).toMatchObject({
      double: Number.NaN,
      real: Number.NEGATIVE_INFINITY,
      doubles: [Number.NaN, Number.NEGATIVE_INFINITY, -0, 1],
      numeric: "-Infinity",
      // The ends of a Date's range; Drizzle's is invalid, and so is its Date of a year BC.
      timestamp: new Date(8.64e15),
      timestamptz: new Date(-8.64e15),
      timestamps: [new Date(8.64e15), new Date("-000043-03-15T12:00:00Z")],
      timestamptzs: [DATE],
      json: null,
      jsonb: " 1",
      jsons: [null, 1, null, "1"],
      textsOfTexts: [
        ["a", null],
        ["NULL", ""],
      ],
    });
    // A copy has all of it.
    const { id, createdAt, updatedAt, revision, smallserial, serial, bigserial, ...copied } = session;
    expect(await sessionsOf(owner).fork(id)).toMatchObject(copied);
  });

  it("any settings of the connection change no value", async () => {
    const end = new Error("rolled back");
    const transaction = database().transaction(async (tx) => {
      for (const setting of [
        "DateStyle = 'German, DMY'",
        "TimeZone = 'America/St_Johns'",
        "bytea_output = 'escape'",
        "IntervalStyle = 'iso_8601'",
      ])
        await tx.execute(sql.raw(`set local ${setting}`));
      const sessions = sessionsOf(newUser(), tx);
      // The text of an interval, and of a time with its zone, is the connection's.
      const same = Object.entries(COLUMNS).filter(([key]) => !/^(interval|timestamptzText)$/.test(key));
      for (let n = 0; n < 4; n++) {
        const given = Object.fromEntries(same.map(([key, [, values]]) => [key, values[n % values.length]]));
        const { id } = await sessions.create(given);
        const stored = await sessions.get(id);
        for (const [key] of same) expect(`${key} ${show(stored[key])}`).toBe(`${key} ${show(given[key])}`);
        for (const [key, [, values]] of same.filter(([key]) => !NOT_COMPARED.includes(key)))
          expect((await sessions.getBy({ [key]: values[n % values.length] }))?.id, key).toBe(id);
        await sessions.deleteAll();
      }
      throw end;
    });
    await expect(transaction).rejects.toBe(end);
  });
});

const show = (value: unknown): string =>
  JSON.stringify(plain(value), (_, one) =>
    typeof one === "bigint" ? `${one}n` : Object.is(one, -0) ? "-0" : one,
  );

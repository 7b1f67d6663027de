import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { all } from "../support/answer.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { chats, createChats } from "../support/own-table.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);

/** Each own column of `app.every`: its type, and a value per row as PostgreSQL reads it. */
const COLUMNS: Record<string, [type: string, ...values: string[]]> = {
  a_bool: ["boolean", "true"],
  a_smallint: ["smallint", "-32768"],
  an_int: ["integer", "2147483647"],
  a_bigint: ["bigint", "9223372036854775807", "-9223372036854775808"],
  a_numeric: ["numeric", "12345678901234567890.12345678901234567890", "NaN", "1.10", "-0.000"],
  a_money: ["money", "-1234.50"],
  a_real: ["real", "0.1", "NaN", "Infinity", "-Infinity", "3.4028235e38"],
  a_double: [
    "double precision",
    "0.3333333333333333",
    "NaN",
    "-Infinity",
    "-0",
    "5e-324",
    "1.7976931348623157e308",
  ],
  a_text: ["text", 'a "quote" \\ back\nline\u2028\ttab é 😀', "", "null"],
  a_varchar: ["varchar(5)", "abcde"],
  a_char: ["char(5)", "ab"],
  a_bytea: ["bytea", "\\x00ff5c22", "\\x"],
  a_date: ["date", "2026-01-31", "infinity", "0044-03-15 BC"],
  a_time: ["time", "23:59:59.123456", "24:00:00"],
  a_timetz: ["timetz", "23:59:59.123456+05:30"],
  a_timestamp: [
    "timestamp",
    "2026-01-31 09:30:00.123456",
    "-infinity",
    "4713-01-01 00:00:00.000001 BC",
    "294276-12-31 23:59:59.999999",
  ],
  a_timestamptz: [
    "timestamptz",
    "2026-01-31 09:30:00.123456+05:45",
    "infinity",
    "4713-01-01 00:00:00.000001+00 BC",
    "10000-01-01 00:00:00+00",
  ],
  an_interval: ["interval", "1 year -2 mons +3 days -04:05:06.000001", "-1 days", "00:00:00"],
  a_uuid: ["uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  a_jsonb: ["jsonb", '{"a": [1.10, 12345678901234567890, null], "b": "x\\ny"}', '"text"', "7", "[]"],
  a_json: ["json", '{"b": 1.0,\n "a" : 1e2, "a": [ ]}', '"text"', " 7 "],
  an_enum: ["app.stage", "it's live"],
  a_domain: ["app.positive", "5"],
  a_composite: ["app.pair", '(1,"a, b")'],
  texts: ["text[]", '{a,NULL,"b, \\"c\\"",""}', "{}"],
  grid: ["int[]", "{{1,2},{3,4}}"],
  times: ["timestamptz[]", '{"2026-01-31 09:30:00.123456+00",infinity}'],
  stages: ["app.stage[]", '{draft,"it\'s live"}'],
  jsonbs: ["jsonb[]", '{"{\\"a\\": 1.10}",NULL}'],
  bytes: ["bytea[]", '{"\\\\x00ff"}'],
  doubles: ["float8[]", "{NaN,-Infinity,0.1}"],
  a_range: ["int4range", "[1,5)", "empty", "(,)"],
  a_tstzrange: ["tstzrange", '["2026-01-31 09:30:00.123456+05:45",infinity)'],
  a_multirange: ["datemultirange", "{[2026-01-01,2026-02-01),[2026-03-01,)}"],
  a_point: ["point", "(1.5,-2)"],
  a_line: ["line", "{1,2,3}"],
  a_box: ["box", "(2,2),(1,1)"],
  an_inet: ["inet", "::1/64"],
  a_cidr: ["cidr", "10.0.0.0/8"],
  a_macaddr: ["macaddr", "08:00:2b:01:02:03"],
  a_bit: ["bit(5)", "10101"],
  a_varbit: ["varbit", "101"],
  a_tsvector: ["tsvector", "'a':1 'b':2A"],
  'Quoted "Name': ["text", "quoted"],
  createdAt: ["text", "a name of the package's"],
  revision: ["integer", "7"],
};
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

await sql.unsafe(`create schema app;
  create type app.stage as enum ('draft', 'it''s live', 'done');
  create domain app.positive as int check (value > 0);
  create type app.pair as (n int, t text);`);

/** Creates a table of sessions with these columns beside the package's. */
const createTable = (name: string, columns: string) =>
  sql.unsafe(
    `create table ${name} (like journey_sessions including all); alter table ${name} ${columns
      .split(";")
      .map((column) => `add ${column}`)
      .join(", ")}`,
  );

const everyColumn = Object.entries(COLUMNS)
  .map(([name, [type]]) => `${quoted(name)} ${type}`)
  .join(";");
await createTable("app.every", everyColumn);
await createTable("app.other", everyColumn);

/** Stores a session for each value of the column with the most, and one without any. */
async function storeEvery(userId: string): Promise<number> {
  const rows = Math.max(...Object.values(COLUMNS).map((column) => column.length - 1));
  const names = Object.keys(COLUMNS).map(quoted).join(", ");
  for (let n = 0; n < rows; n++) {
    const values = Object.values(COLUMNS).map(([, ...values]) => values[n % values.length] as string);
    await sql.unsafe(
      `insert into app.every (user_id, messages, ${names}) values ($1, '[{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "x"}]}]', ${Object.values(
        COLUMNS,
      )
        .map(([type], column) => `$${column + 2}::text::${type}`)
        .join(", ")})`,
      [userId, ...values],
    );
  }
  await sql`insert into app.every (user_id) values (${userId})`;
  return rows + 1;
}

/** The rows as text, to the last digit. */
const stored = async (table: string) =>
  (await sql.unsafe(`select t::text as row from ${table} as t order by id`)).map(({ row }) => row as string);

const TABLE = ["--table", "every", "--schema", "app"];

describe("own columns of every type", { timeout: 120_000 }, () => {
  test.each([
    ["the usual settings", ""],
    [
      "other settings of the role",
      "?options=-c%20TimeZone=Asia/Kathmandu%20-c%20DateStyle=SQL,DMY%20-c%20IntervalStyle=sql_standard%20-c%20extra_float_digits=-15%20-c%20bytea_output=escape",
    ],
  ])("are the same after export, erase and import, with %s", async (_, settings) => {
    const userId = newUser();
    const sessions = await storeEvery(userId);
    const before = await stored("app.every");
    const there = await commandLine(`${url}${settings}`);
    const exported = await there.run("export", userId, ...TABLE);
    expect(exported).toMatchObject({ status: 0, stderr: expect.stringMatching(/exported \d+ sessions\n$/) });
    expect(exported.stdout.split("\n")).toHaveLength(sessions + 1);
    const [line] = exported.stdout.split("\n").map((line) => JSON.parse(line || "null"));
    expect(line).toMatchObject({
      userId,
      a_timestamptz: "2026-01-31T03:45:00.123456+00:00",
      a_double: 0.3333333333333333,
      'Quoted "Name': "quoted",
      "own.createdAt": "a name of the package's",
      "own.revision": 7,
    });
    expect(exported.stdout).toContain('"a_numeric":12345678901234567890.12345678901234567890,');
    expect(exported.stdout).toContain('"a_bigint":-9223372036854775808,');
    expect(await there.run("erase", userId, "--yes", ...TABLE)).toMatchObject({ status: 0 });
    expect(await stored("app.every")).toHaveLength(before.length - sessions);
    expect(await there.runFed(exported.stdout, "import", userId, ...TABLE)).toEqual({
      ...imported(sessions),
      stderr: "",
    });
    // A json column keeps its text but for the line breaks in it, and white space around it.
    expect(await stored("app.every")).toEqual(
      before.map((row) => row.replace(/,\n(?= ""a"" :)/, ", ").replace('" 7 "', "7")),
    );
    const again = await cli.run("export", userId, ...TABLE);
    expect(again.stdout === exported.stdout).toBe(true);

    const other = await there.runFed(
      exported.stdout.replaceAll(/"id":"........-/g, () => `"id":"${randomUUID().slice(0, 8)}-`),
      "import",
      userId,
      ...["--table", "other", "--schema", "app", "--strict"],
    );
    expect(other).toEqual({ ...imported(sessions), stderr: "" });
    const withoutIds = (lines: string) => lines.replaceAll(/"id":"[^"]*",/g, "");
    const { stdout } = await there.run("export", userId, "--table", "other", "--schema", "app");
    expect(withoutIds(stdout).split("\n").toSorted()).toEqual(
      withoutIds(exported.stdout).split("\n").toSorted(),
    );
  });

  test("of a table that lacks them are ignored, and import says for how many lines", async () => {
    const userId = newUser();
    const sessions = await storeEvery(userId);
    const { stdout } = await cli.run("export", userId, ...TABLE);
    expect(await cli.runFed(stdout, "import", userId)).toEqual({
      ...imported(sessions),
      stderr: `journey-db: ${sessions} lines with fields that no column takes: these fields were ignored\n`,
    });
    const plain = JSON.parse(stdout.split("\n")[0] as string);
    const { id, phase, createdAt, updatedAt, metadata, messages } = plain;
    const known = { id: randomUUID(), phase, createdAt, updatedAt, metadata, messages };
    const lines = [
      known,
      { ...known, id: randomUUID(), userId, revision: "x" },
      { ...known, id, [CANARY]: CANARY },
    ];
    expect(await cli.runFed(lines.map((line) => JSON.stringify(line)).join("\n"), "import", userId)).toEqual({
      ...imported(2, 1),
      stderr: "journey-db: 1 line with fields that no column takes: these fields were ignored\n",
    });
  });
});

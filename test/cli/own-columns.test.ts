import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { storedTable } from "../../src/cli/stored-table.js";
import { defineJourney, forUser } from "../../src/index.js";
import { ownColumns } from "../../src/schema.js";
import { all } from "../support/answer.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { chats, createChats } from "../support/own-table.js";

const url = await migratedDatabase();
const sql = rawClient(url);
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
  constructor: ["text", "a name of every object's"] as [string, string],
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
      "own.constructor": "a name of every object's",
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

/** What import prints, without any content of the lines. */
function told(stderr: string): string[] {
  for (const canary of CANARIES) expect(stderr).not.toContain(canary);
  return stderr.split("\n").filter(Boolean);
}

await sql.unsafe("create table app.orgs (id text primary key)");
await createTable(
  "app.rules",
  `run_id text not null constraint one_run unique;
   "some Number" int constraint few check ("some Number" < 10);
   org_id text default 'org_1' constraint of_org references app.orgs;
   later_org text constraint of_later_org references app.orgs deferrable initially deferred;
   upper_id text generated always as (upper(run_id)) stored;
   counted int generated always as identity`,
);
await sql`insert into app.orgs values ('org_1'), ('org_2')`;
const RULES = ["--table", "rules", "--schema", "app"];

const line = (own: object) =>
  JSON.stringify({
    id: randomUUID(),
    phase: "setup",
    createdAt: "2026-01-31T09:30:00Z",
    updatedAt: "2026-01-31T09:30:00Z",
    metadata: { [CANARY]: CANARY },
    messages: [text("m1", CANARY)],
    ...own,
  });
const refusedBy = (sqlState: string, constraint: string) =>
  `The database returned SQLSTATE ${sqlState}: a constraint of the application refused the row (constraint "${constraint}").`;

const REFUSED: [own: object, code: string, told: string][] = [
  [
    { run_id: CANARY, "some Number": CANARY },
    "invalid_input",
    "session.some Number: The database returned SQLSTATE 22P02: the server could not store one of the values.",
  ],
  [
    { run_id: null, org_id: CANARY },
    "invalid_input",
    'The database returned SQLSTATE 23502: column "run_id" needs a value, and none was given.',
  ],
  [
    {},
    "invalid_input",
    'The database returned SQLSTATE 23502: column "run_id" needs a value, and none was given.',
  ],
  [
    { runId: CANARY, updatedAt: "294277-01-01T00:00:00" },
    "invalid_input",
    "The database returned SQLSTATE 22008: the server could not store one of the values.",
  ],
  [{ runId: CANARY, orgId: CANARY }, "conflict", refusedBy("23503", "of_org")],
  [{ runId: CANARY, laterOrg: CANARY }, "conflict", refusedBy("23503", "of_later_org")],
  [{ runId: "taken" }, "conflict", refusedBy("23505", "one_run")],
  [{ runId: CANARY, someNumber: 10 }, "conflict", refusedBy("23514", "few")],
];

describe("an own value that the server refuses", { timeout: 120_000 }, () => {
  test("is named by its line and its constraint, and the other lines are stored", async () => {
    const userId = newUser();
    await sql`insert into app.rules (user_id, run_id) values (${newUser()}, 'taken')`;
    const lines = REFUSED.flatMap(([own], n) => [line({ runId: `${userId}-${n}` }), line(own)]);
    const { status, stdout, stderr } = await cli.runFed(lines.join("\n"), "import", userId, ...RULES);
    const byNumber = (one: string, other: string) => one.localeCompare(other, "en", { numeric: true });
    expect(told(stderr).toSorted(byNumber)).toEqual(
      REFUSED.map(([, , told], n) => `journey-db: line ${2 * n + 2}: ${told}`),
    );
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: "imported 8 sessions; already there, left as they are: 0; refused: 8\n",
    });
  });

  test.each(REFUSED.filter(([own]) => !("laterOrg" in own)))(
    "with --strict stores nothing: %j",
    async (own, code, why) => {
      const userId = newUser();
      const lines = [line({ runId: userId }), line(own)];
      const { status, stdout, stderr } = await cli.runFed(
        lines.join("\n"),
        "import",
        userId,
        "--strict",
        ...RULES,
      );
      expect({ status, stdout, told: told(stderr) }).toEqual({
        status: 1,
        stdout: "",
        told: [`journey-db: ${code}: line 2: ${why} Nothing was imported.`],
      });
      expect(await sql`select from app.rules where user_id = ${userId}`).toHaveLength(0);
    },
  );

  test("with --strict stores nothing if a constraint is checked at the end", async () => {
    const userId = newUser();
    const lines = [line({ runId: userId, laterOrg: CANARY })];
    const { status, stderr } = await cli.runFed(lines.join("\n"), "import", userId, "--strict", ...RULES);
    expect({ status, told: told(stderr) }).toEqual({
      status: 1,
      told: [
        'journey-db: conflict: The database returned SQLSTATE 23503: a constraint of the application refused the row (constraint "of_later_org").',
      ],
    });
    expect(await sql`select from app.rules where user_id = ${userId}`).toHaveLength(0);
  });
});

describe("a line", { timeout: 120_000 }, () => {
  test("may name a column by its key, its name or the name in camel case; absent is the default, null is NULL", async () => {
    const userId = newUser();
    const runs = ["a", "b", "c", "d"].map((run) => `${userId}-${run}`);
    const lines = [
      line({ run_id: runs[0], org_id: "org_2", upper_id: "ignored", counted: 7 }),
      line({ runId: runs[1], orgId: null, "some Number": 3, upperId: "ignored" }),
      line({ runId: runs[2], someNumber: 4 }),
      // The name counts, not the name in camel case.
      line({ run_id: runs[3], runId: CANARY }),
    ];
    expect(await cli.runFed(lines.join("\n"), "import", userId, ...RULES)).toEqual({
      ...imported(4),
      stderr: "journey-db: 1 line with fields that no column takes: these fields were ignored\n",
    });
    expect(
      await sql`select run_id, org_id, "some Number" as n, upper_id from app.rules where user_id = ${userId} order by run_id`,
    ).toEqual([
      { run_id: runs[0], org_id: "org_2", n: null, upper_id: runs[0]?.toUpperCase() },
      { run_id: runs[1], org_id: null, n: 3, upper_id: runs[1]?.toUpperCase() },
      { run_id: runs[2], org_id: "org_1", n: 4, upper_id: runs[2]?.toUpperCase() },
      { run_id: runs[3], org_id: "org_1", n: null, upper_id: runs[3]?.toUpperCase() },
    ]);
  });

  test("that JSON.stringify makes of a session of the API has its own columns", async () => {
    const apiUrl = await migratedDatabase();
    const [api, raw] = [openPostgresJs(apiUrl), rawClient(apiUrl)];
    await createChats(api);
    const there = await commandLine(apiUrl);
    const userId = newUser();
    const sessions = defineJourney({ table: chats }).forUser(api, userId);
    await sessions.create({
      runId: "run_1",
      orgId: "org_1",
      pinned: true,
      stage: "it's live",
      tags: ["a", 'b, "c"'],
      results: { a: [1.5, null] },
      budget: "12345678901234567890.0123456789",
      tokens: null,
      dueAt: new Date("2026-01-31T09:30:00.123Z"),
      startsAt: "2026-01-31 09:30:00.123456",
      day: "2026-01-31",
      digest: Uint8Array.from(Buffer.from("00ff5c", "hex")),
      code: "abcde",
    });
    await sessions.create({ runId: "run_2" });
    const rows = () =>
      raw.unsafe(
        `select run_id, t.org_id, pinned, stage, tags::text, results::text, budget, tokens, due_at::text, starts_at::text, day::text, encode(digest, 'hex') as digest, code, origin, touched, org_id_lower from app.chats t order by run_id`,
      );
    const before = await rows();
    const lines = (await all(sessions.export())).map((session) => JSON.stringify(session)).join("\n");
    expect(await sessions.deleteAll()).toBe(2);
    expect(await there.runFed(lines, "import", userId, "--table", "chats", "--schema", "app")).toEqual({
      ...imported(2),
      stderr: "",
    });
    expect(await rows()).toEqual(before);
  });
});

describe("the default table", { timeout: 120_000 }, () => {
  test("keeps the columns that its schema does not declare, under their names", async () => {
    const defaultUrl = await migratedDatabase();
    const raw = rawClient(defaultUrl);
    await raw`alter table journey_sessions add org_id text, add pinned boolean default false not null`;
    const there = await commandLine(defaultUrl);
    const userId = newUser();
    await raw`insert into journey_sessions (user_id, org_id, pinned) values (${userId}, 'org_1', true)`;
    const { stdout } = await there.run("export", userId);
    expect(JSON.parse(stdout)).toMatchObject({ userId, org_id: "org_1", pinned: true });
    expect(await forUser(openPostgresJs(defaultUrl), userId).deleteAll()).toBe(1);
    expect(await there.runFed(stdout, "import", userId)).toEqual({ ...imported(1), stderr: "" });
    expect(await raw`select user_id, org_id, pinned from journey_sessions`).toEqual([
      { user_id: userId, org_id: "org_1", pinned: true },
    ]);
    expect((await there.run("export", userId)).stdout).toBe(stdout);
  });
});

describe("--table and --schema", { timeout: 120_000 }, () => {
  test("select the table of every command that works on sessions", async () => {
    const userId = newUser();
    await createTable("app.jobs", "note text");
    await sql`insert into app.jobs (user_id, note, created_at, updated_at) values
      (${userId}, 'a', '2020-01-01', '2020-01-01'), (${userId}, 'b', '2020-01-01', '2020-01-01'), (${userId}, 'c', now(), now())`;
    const ofJobs = async (...args: string[]) => {
      const { status, stdout } = await cli.run(...args, "--table", "jobs", "--schema", "app");
      return [status, stdout];
    };
    expect(await ofJobs("stats")).toEqual([0, expect.stringMatching(/^sessions +3\nowners +1\n/)]);
    expect(await ofJobs("convert-messages")).toEqual([0, "converted 0 messages in 0 sessions\n"]);
    expect(await ofJobs("repair-json")).toEqual([0, "repaired 0 sessions\n"]);
    expect(await ofJobs("prune", "--inactive-for", "1y")).toEqual([0, "deleted 2 sessions\n"]);
    expect(await ofJobs("erase", userId, "--yes")).toEqual([0, "erased 1 session; left: 0\n"]);
  });

  test.each([
    [
      ["stats", "--table", ""],
      "journeyTable: name: expected 1 to 33 bytes of well-formed text without U+0000.",
    ],
    [
      ["export", "user_1", "--table", "x".repeat(34)],
      "journeyTable: name: expected 1 to 33 bytes of well-formed text without U+0000.",
    ],
    [
      ["erase", "user_1", "--table", "t", "--schema", ""],
      "journeyTable: schema: expected 1 to 63 bytes of well-formed text without U+0000.",
    ],
    [["stats", "--schema", "app"], "--schema: expected together with --table."],
  ])("are checked before anything is done: %j", async (args, why) => {
    expect(await cli.run(...args)).toEqual({
      status: 2,
      stdout: "",
      stderr: `journey-db: invalid_input: ${why}\n`,
    });
  });

  test("that name no table of sessions fail, and say what is missing", async () => {
    await sql.unsafe('create table app."no sessions" (id uuid, user_id text)');
    const migration = (why: string) => ({ status: 1, stdout: "", stderr: `journey-db: migration: ${why}\n` });
    for (const command of ["export", "import"]) {
      expect(await cli.runFed("", command, "user_1", "--table", 'it\'s "not" there')).toEqual(
        migration(`The table "it's ""not"" there" is missing; apply the application's migrations.`),
      );
      expect(await cli.runFed("", command, "user_1", "--table", "no sessions", "--schema", "app")).toEqual(
        migration(
          `The column "phase" of table "app"."no sessions" is missing; apply the application's migrations.`,
        ),
      );
    }
    expect(await cli.run("stats", "--table", "none")).toEqual(
      migration(
        "The database returned SQLSTATE 42P01: the table is missing; apply the application's migrations.",
      ),
    );
  });
});

test("a number that jsonb cannot hold is no own column's fault", { timeout: 60_000 }, async () => {
  const lines = line({ runId: CANARY, metadata: { n: 0 } }).replace('"n":0', '"n":1e200000');
  const { status, stderr } = await cli.runFed(lines, "import", newUser(), ...RULES);
  expect({ status, told: told(stderr) }).toEqual({
    status: 1,
    told: [
      "journey-db: line 1: The database returned SQLSTATE 22003: the server could not store one of the values.",
    ],
  });
});

test("a column that the schema declares has its key, beside others under their names", async () => {
  const apiUrl = await migratedDatabase();
  const api = openPostgresJs(apiUrl);
  await createChats(api);
  await api.execute('alter table app.chats add "orgId" text, drop column tags');
  const { table, fields } = await storedTable(api, chats);
  expect(ownColumns(table).map(([key, { name }]) => `${key}: ${name}`)).toEqual(
    expect.arrayContaining(["runId: run_id", "orgId: org_id", "own.orgId: orgId"]),
  );
  expect(ownColumns(table).some(([, { name }]) => name === "tags")).toBe(false);
  expect(fields.names.get("orgId")).toEqual(["orgId", "org_id"]);
  expect(fields.names.get("own.orgId")).toEqual(["own.orgId"]);
  expect([...fields.filled]).toEqual(["orgIdLower", "number"]);
});

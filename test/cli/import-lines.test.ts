import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { forUser } from "../../src/index.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);
// The application's own rule.
await sql`alter table journey_sessions add constraint no_drafts check (phase <> 'draft')`;

const line = (change: object = {}) =>
  JSON.stringify({
    id: randomUUID(),
    phase: CANARY,
    createdAt: "2026-01-31T09:30:00.000001Z",
    updatedAt: "2026-01-31T09:30:00Z",
    metadata: { [CANARY]: CANARY },
    messages: [text("m1", CANARY)],
    ...change,
  });
const idOf = (json: string): string => JSON.parse(json).id;
/** A line with this JSON as the value of a field. */
const withJson = (field: string, json: string) => line({ [field]: "HERE" }).replace('"HERE"', () => json);
const nested = (levels: number) => `${"[".repeat(levels)}"${CANARY}"${"]".repeat(levels)}`;

/** What import prints about the lines that it refuses, without their content. */
function refusals(stderr: string): string[] {
  for (const canary of CANARIES) expect(stderr).not.toContain(canary);
  const lines = stderr.split("\n").filter((printed) => !printed.startsWith("importing: "));
  expect(lines.pop()).toBe("");
  return lines.map((printed) => printed.replace(/^journey-db: /, ""));
}
const storedIds = async (userId: string) =>
  (await sql<{ id: string }[]>`select id from journey_sessions where user_id = ${userId}`)
    .map(({ id }) => id)
    .sort();

const TIME = 'expected a time in UTC of at most six decimals, e.g. "2026-01-31T09:30:00.123456Z".';
const NOT_STORED = (state: string) =>
  `The database returned SQLSTATE ${state}: the server could not store one of the values.`;

describe("a line that is refused", { timeout: 60_000 }, () => {
  test("is named by its number, its field and what was expected, and all others are stored", async () => {
    const [userId, other] = [newUser(), newUser()];
    const { id: taken } = await forUser(db, other).create();
    const bad: [line: string | Buffer, told: string][] = [
      [CANARY, "session: expected JSON."],
      [line().slice(0, -1), "session: expected JSON."],
      [Buffer.from(line().replace(CANARY, "\xff"), "latin1"), "session: expected text in UTF-8."],
      [`["${CANARY}"]`, "session: expected object."],
      [line({ id: undefined }), "session.id: expected string."],
      [line({ id: CANARY }), "session.id: expected 8-4-4-4-12 hexadecimal digits."],
      [line({ id: taken.toUpperCase() }), "session.id: already used by another user's session."],
      [
        line({ phase: "" }),
        "session.phase: expected 1 to 100 characters of well-formed text without U+0000.",
      ],
      [line({ createdAt: "2026-02-30T00:00:00Z" }), `session.createdAt: ${TIME}`],
      [line({ updatedAt: CANARY }), `session.updatedAt: ${TIME}`],
      [line({ metadata: [CANARY] }), "session.metadata: expected record."],
      [line({ messages: { [CANARY]: 1 } }), "session.messages: expected array."],
      [
        line({ messages: [text("m1"), { ...text("m2"), role: CANARY }] }),
        'session.messages[1].role: expected "system" or "user" or "assistant".',
      ],
      [line({ messages: [text("m1"), text("m1")] }), "session.messages[1].id: expected each id once."],
      [
        line({ messages: [text("m1", `${CANARY}\0`)] }),
        "session.messages[0].parts[0].text: expected well-formed text without U+0000.",
      ],
      [
        withJson("metadata", `{"${CANARY}": "\\ud800"}`),
        "session.metadata.<key 1>: expected well-formed text without U+0000.",
      ],
      [line({ [CANARY]: "\0" }), "session.<key 7>: expected well-formed text without U+0000."],
      [
        withJson("metadata", `{"${CANARY}": ${nested(500)}}`),
        `session.metadata.<key 1>${"[0]".repeat(11)}…: expected JSON of at most 500 levels without cycles.`,
      ],
      // Only the server can refuse these.
      [line({ createdAt: "294277-01-01T00:00:00" }), NOT_STORED("22008")],
      [line({ createdAt: "4714-11-23T00:00:00 BC" }), NOT_STORED("22008")],
      [line({ createdAt: "10000-02-30T00:00:00" }), NOT_STORED("22008")],
      [withJson("metadata", '{"n": 1e200000}'), NOT_STORED("22003")],
      [
        line({ phase: "draft" }),
        'The database returned SQLSTATE 23514: a constraint of the application refused the row (constraint "no_drafts").',
      ],
    ];
    const good = [line(), ...bad.map(() => line())];
    const between = bad.map(([one], n) =>
      Buffer.concat([Buffer.from(one), Buffer.from(`\n${n % 3 === 0 ? "\n" : ""}${good[n + 1]}\n`)]),
    );
    const numbers = bad.map((_, n) => 2 + 2 * n + Math.ceil(n / 3));
    const file = join(cli.folder, "bad.ndjson");
    await writeFile(file, Buffer.concat([Buffer.from(`${good[0]}\n`), ...between]));

    const { status, stdout, stderr } = await cli.run("import", userId, file);
    expect(refusals(stderr).sort(byNumber)).toEqual(bad.map(([, told], n) => `line ${numbers[n]}: ${told}`));
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: `imported ${good.length} sessions; already there, left as they are: 0; refused: ${bad.length}\n`,
    });
    expect(await storedIds(userId)).toEqual(good.map(idOf).sort());
    expect(await storedIds(other)).toEqual([taken]);
  });

  test("by the server in the midst of a batch is found, and the others of the batch are stored", async () => {
    const userId = newUser();
    const lines = Array.from({ length: 1_100 }, (_, n) =>
      [0, 250, 251, 499, 700, 1_099].includes(n) ? line({ updatedAt: "294277-01-01T00:00:00" }) : line(),
    );
    const { status, stderr } = await cli.runFed(lines.join("\n"), "import", userId);
    expect(status).toBe(1);
    expect(refusals(stderr)).toEqual(
      [1, 251, 252, 500, 701, 1_100].map((n) => `line ${n}: ${NOT_STORED("22008")}`),
    );
    expect(await storedIds(userId)).toHaveLength(1_094);
  });
});

/** Lines that the server refuses come after those that are refused before. */
const byNumber = (one: string, other: string) => numberOf(one) - numberOf(other);
const numberOf = (told: string) => Number(/^line (\d+):/.exec(told)?.[1]);

describe("--strict", { timeout: 60_000 }, () => {
  const lines = Array.from({ length: 1_201 }, () => line());
  const REFUSED: [why: string, last: string, told: string][] = [
    [
      "that this program refuses",
      line({ metadata: CANARY }),
      "invalid_input: line 1202: session.metadata: expected record.",
    ],
    [
      "that the server refuses",
      line({ createdAt: "294277-01-01T00:00:00" }),
      `invalid_input: line 1202: ${NOT_STORED("22008")}`,
    ],
  ];

  test.each(REFUSED)(
    "stores nothing because of one line %s, after more than two batches",
    async (_, last, told) => {
      const userId = newUser();
      await forUser(db, userId).create();
      const { status, stdout, stderr } = await cli.runFed(
        [...lines, last].join("\n"),
        "import",
        userId,
        "--strict",
      );
      expect({ status, stdout, stderr: refusals(stderr) }).toEqual({
        status: 1,
        stdout: "",
        stderr: [`${told} Nothing was imported.`],
      });
      expect(await storedIds(userId)).toHaveLength(1);
    },
  );

  test("stores nothing because of another user's id, and everything if all lines are valid", async () => {
    const [userId, other] = [newUser(), newUser()];
    const { id } = await forUser(db, other).create();
    const { status, stderr } = await cli.runFed(
      [...lines, line({ id })].join("\n"),
      "import",
      userId,
      "--strict",
    );
    expect({ status, stderr: refusals(stderr) }).toEqual({
      status: 1,
      stderr: [
        "conflict: line 1202: session.id: already used by another user's session. Nothing was imported.",
      ],
    });
    expect(await storedIds(userId)).toEqual([]);
    expect(await cli.runFed(lines.join("\n"), "import", userId, "--strict")).toMatchObject(imported(1_201));
    expect(await storedIds(userId)).toEqual(lines.map(idOf).sort());
  });
});

describe("a file", { timeout: 60_000 }, () => {
  test("may have empty lines, ends of lines as on Windows, a byte order mark and no end of its last line", async () => {
    const userId = newUser();
    const lines = [line(), line(), line()];
    const file = join(cli.folder, "windows.ndjson");
    await writeFile(file, `\ufeff\r\n${lines[0]}\r\n\r\n \r\n${lines[1]}\r\n\n${lines[2]}`);
    expect(await cli.run("import", userId, file)).toMatchObject(imported(3));
    await writeFile(file, `\r\n{}\r\n{}`);
    expect((await cli.run("import", userId, file)).stderr).toMatch(/ line 2: .*\n.* line 3: /);
    expect(await storedIds(userId)).toEqual(lines.map(idOf).sort());
  });

  test("that has a session twice stores its first line, and finds it there at the second; `-` is stdin", async () => {
    const userId = newUser();
    const first = line({ phase: "first" });
    const again = line({ id: idOf(first).toUpperCase(), phase: "again" });
    const lines = [first, line(), again].join("\n");
    expect(await cli.runFed(lines, "import", userId, "-", "--strict")).toMatchObject(imported(2, 1));
    expect(await sql`select phase from journey_sessions where id = ${idOf(first)}`).toEqual([
      { phase: "first" },
    ]);
  });

  test.each([
    ["is not there", "no.ndjson", "ENOENT"],
    ["is a folder", ".", "EISDIR"],
  ])("that %s fails in one line", async (_, file, code) => {
    const { status, stdout, stderr } = await cli.run("import", newUser(), file);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(refusals(stderr)).toEqual([`invalid_input: file: expected a file that can be read (${code}).`]);
  });
});

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertLayout } from "../../src/admin.js";
import { defineJourney, forUser } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { older } from "../support/ai-sdk-4.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported, journeyDb, temporaryFolder } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { ORDERED_TIMES, storeDifficultRows } from "../support/difficult-rows.js";
import { embeddedIn } from "../support/embedded.js";
import { createMessages } from "../support/message-rows.js";
import { idsOf, text, uiMessages } from "../support/messages.js";
import { rowsOf } from "../support/old-table.js";
import { chats, createChats } from "../support/own-table.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
await createMessages(db, journeySessions);
const cli = await commandLine(url);
const journey = defineJourney({ messages: messagesTable(journeySessions) });

/** All rows of both tables, to the last digit. */
const stored = async () => ({
  sessions: await rowsOf(sql),
  messages: [
    ...(await sql`select user_id, session_id, id, appended_at::text, n, message::text from journey_messages order by session_id, appended_at, n`),
  ],
});
const kinds = async (userId: string) =>
  (
    await sql`select distinct jsonb_typeof(messages) as kind from journey_sessions where user_id = ${userId}`
  ).map(({ kind }) => kind);
/** Without the lines of the progress. */
const said = (stderr: string) => stderr.replaceAll(/^looking at: \d+ of \d+ sessions\n/gm, "");
const exported = async (...args: string[]) => (await cli.run("export", ...args)).stdout;

describe("export, erase and import", { timeout: 120_000 }, () => {
  test("of sessions of both kinds give the same file, to the last byte, and put messages into rows", async () => {
    const userId = newUser();
    const sessions = await storeDifficultRows(sql, userId, ORDERED_TIMES);
    const file = await exported(userId);
    expect(file.split("\n")).toHaveLength(sessions + 1);
    expect(await cli.run("erase", userId, "--yes")).toMatchObject({ status: 0 });
    expect(await cli.runFed(file, "import", "--to", "rows", userId)).toMatchObject(imported(sessions));
    expect(await kinds(userId)).toEqual(["object"]);
    const before = await stored();
    expect((await exported(userId)) === file).toBe(true);

    expect(await cli.run("erase", userId, "--yes")).toMatchObject({
      stdout: `erased ${sessions} sessions; left: 0\n`,
    });
    expect((await stored()).messages).toEqual([]);
    expect(await cli.runFed(file, "import", "--to", "rows", userId)).toMatchObject(imported(sessions));
    expect(await stored()).toEqual(before);
    expect(await cli.runFed(file, "import", "--to", "rows", userId)).toMatchObject(imported(0, sessions));
    expect(await stored()).toEqual(before);
    await forUser(db, userId).deleteAll();
  });

  test("keep a message's own text in rows, and its place", async () => {
    const userId = newUser();
    const messages = [3, 1, 2].map(
      (n) =>
        `{ "role":"user","id":"m${n}", "parts":[{"type":"data-x","data":[1.10, 1e2,12345678901234567890.0]}],"a":{"b":1,"a":2}}`,
    );
    const fields = {
      id: "00000000-0000-4000-8000-000000000001",
      phase: "x",
      createdAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-02T00:00:00.000001Z",
    };
    const line = `${JSON.stringify(fields).slice(0, -1)},"metadata":{"n":1.10},"messages":[${messages.join(",")}]}`;
    expect(await cli.runFed(line, "import", "--to", "rows", userId)).toMatchObject(imported(1));
    const sessions = journey.forUser(db, userId);
    expect((await sessions.append(fields.id, text("m4"))).messageCount).toBe(4);
    expect(idsOf((await sessions.get(fields.id))?.messages ?? [])).toEqual(["m3", "m1", "m2", "m4"]);
    expect(await exported(userId)).toContain(`"metadata":{"n": 1.10},"messages":[${messages.join(", ")}, {`);
    await sessions.deleteAll();
  });

  test("export a message with line breaks in one line", async () => {
    const userId = newUser();
    const { id } = await journey.forUser(db, userId).create({ messages: [text("m1")] });
    await sql`update journey_messages set message = ${JSON.stringify(text("m1"), null, 2)}::text::json where session_id = ${id}`;
    const file = await exported(userId);
    expect(file.split("\n")).toHaveLength(2);
    expect(JSON.parse(file).messages).toEqual([text("m1")]);
    await journey.forUser(db, userId).deleteAll();
  });

  test.each(["infinity", "294276-01-01T00:00:00", "294276-12-31T23:59:59.999999"])(
    "import refuses %s as the last update of messages in rows, and names the field",
    async (updatedAt) => {
      const userId = newUser();
      const fields = {
        id: "00000000-0000-4000-8000-000000000002",
        phase: CANARY,
        createdAt: "infinity",
        updatedAt,
      };
      const line = JSON.stringify({ ...fields, metadata: {}, messages: [text("m1", CANARY)] });
      const sentence =
        "line 1: session.updatedAt: expected a time before the year 294276, since the messages go into rows.";
      const { stderr, ...rest } = await cli.runFed(line, "import", "--to", "rows", userId);
      expect(rest).toEqual({
        status: 1,
        stdout: "imported 0 sessions; already there, left as they are: 0; refused: 1\n",
      });
      expect(stderr).toBe(`journey-db: ${sentence}\n`);
      expect(await cli.runFed(line, "import", "--to", "rows", userId, "--strict")).toMatchObject({
        status: 1,
        stderr: `journey-db: invalid_input: ${sentence} Nothing was imported.\n`,
      });
      for (const canary of CANARIES) expect(stderr).not.toContain(canary);
      for (const allowed of ["-infinity", "4714-11-24T00:00:00 BC", "294275-12-31T23:59:59"]) {
        const other = JSON.stringify({ ...JSON.parse(line), updatedAt: allowed });
        expect(await cli.runFed(other, "import", "--to", "rows", userId)).toMatchObject(imported(1));
        await journey.forUser(db, userId).deleteAll();
      }
    },
  );

  test("put messages into the column by default, where programs of both layouts read them", async () => {
    const userId = newUser();
    const column = forUser(db, userId);
    const [{ id }] = [await journey.forUser(db, userId).create({ messages: [text("m1"), text("m2")] })];
    await sql`insert into journey_sessions (user_id, updated_at) values (${userId}, 'infinity')`;
    const file = await exported(userId);
    for (const args of [[], ["--to", "column"]]) {
      await column.deleteAll();
      expect(await cli.runFed(file, "import", userId, ...args)).toMatchObject(imported(2));
      expect(await kinds(userId)).toEqual(["array"]);
      expect((await column.get(id))?.messages).toEqual([text("m1"), text("m2")]);
      expect((await journey.forUser(db, userId).get(id))?.messages).toEqual([text("m1"), text("m2")]);
    }
    await column.deleteAll();
  });

  test("import refuses another layout, and rows without their table", async () => {
    const plain = await commandLine(await migratedDatabase());
    expect(await cli.runFed("", "import", newUser(), "--to", "row")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--to: expected "rows" or "column"'),
    });
    expect(await plain.runFed("", "import", newUser(), "--to", "rows")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining(
        'migration: The table "journey_messages" is missing; run journey-db migrate --with message-rows',
      ),
    });
  });

  test("never take what is another user's, nor change the user's own", async () => {
    const [owner, other] = [newUser(), newUser()];
    const sessions = journey.forUser(db, owner);
    const { id } = await sessions.create({ messages: [text("m1"), text("m2")] });
    const file = await exported(owner);
    await sessions.truncate(id, { from: "m2" });
    const before = await stored();
    expect(await cli.runFed(file, "import", "--to", "rows", owner)).toMatchObject(imported(0, 1));
    expect(await cli.runFed(file, "import", "--to", "rows", other)).toMatchObject({
      status: 1,
      stderr: "journey-db: line 1: session.id: already used by another user's session.\n",
    });
    expect(await stored()).toEqual(before);
    await sessions.deleteAll();
  });

  test("a line that a constraint refuses leaves no message, and the others are stored", async () => {
    const userId = newUser();
    await sql`alter table journey_sessions add constraint of_test check (phase <> 'refused')`;
    const lines = ["setup", "refused", "review"].map((phase, n) =>
      JSON.stringify({
        id: `00000000-0000-4000-8000-00000000001${n}`,
        phase,
        createdAt: "2026-01-01",
        updatedAt: "2026-01-01T00:00:00Z",
        metadata: {},
        messages: [text("m1")],
      }).replace('"2026-01-01"', '"2026-01-01T00:00:00Z"'),
    );
    const { status, stdout } = await cli.runFed(lines.join("\n"), "import", "--to", "rows", userId);
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: "imported 2 sessions; already there, left as they are: 0; refused: 1\n",
    });
    expect(await sql`select from journey_messages`).toHaveLength(2);
    expect(await cli.runFed(lines.join("\n"), "import", "--to", "rows", newUser(), "--strict")).toMatchObject(
      { status: 1 },
    );
    expect(await sql`select from journey_messages`).toHaveLength(2);
    await sql`alter table journey_sessions drop constraint of_test`;
    await journey.forUser(db, userId).deleteAll();
  });

  test("on a table with own columns", async () => {
    await createChats(db);
    await createMessages(db, chats);
    const userId = newUser();
    const own = defineJourney({ table: chats, messages: messagesTable(chats) }).forUser(db, userId);
    for (const n of [1, 2])
      await own.create({
        runId: `${userId} ${n}`,
        budget: "1.1000000000",
        tags: ["a"],
        messages: uiMessages.slice(0, 3),
      });
    const named = ["--table", "chats", "--schema", "app"];
    const file = await exported(userId, ...named);
    expect(await cli.run("erase", userId, "--yes", ...named)).toMatchObject({
      stdout: "erased 2 sessions; left: 0\n",
    });
    expect(await sql`select from app.chats_messages`).toHaveLength(0);
    expect(await cli.runFed(file, "import", "--to", "rows", userId, ...named)).toMatchObject(imported(2));
    expect(await sql`select from app.chats_messages`).toHaveLength(6);
    // What the database fills is filled anew.
    const withoutNumbers = (text: string) => text.replaceAll(/"number":\d+/g, "");
    expect(withoutNumbers(await exported(userId, ...named))).toBe(withoutNumbers(file));
  });

  test("do not take a table of the application's that has the name for the table of messages", async () => {
    const other = await migratedDatabase();
    await rawClient(
      other,
    )`create table journey_messages (id text, user_id text, message text, created_at timestamptz)`;
    const { run, runFed } = await commandLine(other);
    const userId = newUser();
    await forUser(openPostgresJs(other), userId).create({ messages: [text("m1")] });
    const { status, stdout } = await run("export", userId);
    expect(status).toBe(0);
    expect(await run("erase", userId, "--yes")).toMatchObject({ status: 0 });
    expect(await runFed(stdout, "import", userId)).toMatchObject(imported(1));
  });

  test("the embedded database does it too", async () => {
    const folder = await temporaryFolder();
    await embeddedIn(folder);
    const run = async (...args: string[]) => {
      const { status, stdout } = await journeyDb(folder, {}, ...args, "--embedded");
      return [status, stdout];
    };
    const line = {
      id: "00000000-0000-4000-8000-000000000001",
      userId: "user_1",
      phase: "x",
      createdAt: "2020-01-01T00:00:00Z",
      updatedAt: "2020-01-01T00:00:00.000001Z",
      metadata: {},
      messages: [text("m1")],
    };
    await writeFile(join(folder, "in.ndjson"), JSON.stringify(line));
    expect((await run("migrate", "--with", "message-rows"))[0]).toBe(0);
    expect(await run("import", "user_1", "in.ndjson", "--to", "rows")).toEqual([0, imported(1).stdout]);
    const [, before] = await run("export", "user_1");
    expect(JSON.parse(before as string)).toEqual(line);
    expect(await run("convert", "--to", "column")).toEqual([0, "converted 1 session\n"]);
    expect(await run("convert", "--to", "rows")).toEqual([0, "converted 1 session\n"]);
    expect(await run("prune", "--inactive-for", "1y")).toEqual([0, "deleted 0 sessions\n"]);
    expect(await run("erase", "user_1", "--yes")).toEqual([0, "erased 1 session; left: 0\n"]);
  });
});

describe("convert", { timeout: 60_000 }, () => {
  test("moves all sessions and back, with --dry-run none, and lists what stays with its reason", async () => {
    const userId = newUser();
    await forUser(db, userId).create({ messages: [text("m1")] });
    const [row] =
      await sql`insert into journey_sessions (user_id, messages) values (${userId}, ${sql.json([CANARY])}) returning id`;
    const run = async (...args: string[]) => {
      const { stderr, ...rest } = await cli.run("convert", ...args);
      return { ...rest, stderr: said(stderr) };
    };
    const listed = `journey-db: session ${row?.id}: a message has no id of its own\njourney-db: left unchanged: 1 session; each of them, up to the first 1000, is listed with the reason\n`;
    expect(await run("--to", "rows", "--dry-run")).toEqual({
      status: 1,
      stdout: "1 session would be converted\n",
      stderr: listed,
    });
    expect(await kinds(userId)).toEqual(["array"]);
    expect(await run("--to", "rows", "--batch-size", "1")).toEqual({
      status: 1,
      stdout: "converted 1 session\n",
      stderr: listed,
    });
    expect((await kinds(userId)).sort()).toEqual(["array", "object"]);
    expect(await run("--to", "column")).toEqual({ status: 0, stdout: "converted 1 session\n", stderr: "" });
    await forUser(db, userId).deleteAll();
  });

  test("takes a table, and refuses another layout or none", async () => {
    const [none, other, batch, table] = await Promise.all([
      cli.run("convert"),
      cli.run("convert", "--to", "row"),
      cli.run("convert", "--to", "rows", "--batch-size", "0"),
      cli.run("convert", "--to", "rows", "--table", "journey_sessions"),
    ]);
    expect(none).toMatchObject({ status: 2, stderr: expect.stringContaining("--to <layout>") });
    expect(other).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--to: expected "rows" or "column"'),
    });
    expect(batch).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("--batch-size: expected at least 1"),
    });
    expect(table).toMatchObject({ status: 0, stdout: "converted 0 sessions\n" });
  });

  test("without the table of messages it fails, with the remedy", async () => {
    const plain = await commandLine(await migratedDatabase());
    expect(await plain.run("convert", "--to", "rows")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining(
        'migration: The table "journey_messages" is missing; run journey-db migrate --with message-rows, or for the embedded database pass with: ["message-rows"] to connect.\n',
      ),
    });
  });

  test("convert-messages converts messages of AI SDK 4 in rows", async () => {
    const userId = newUser();
    await sql`insert into journey_sessions (user_id, messages) values (${userId}, ${sql.json(older.filter(({ id }) => id).map((message, n) => ({ ...message, id: `m${n}` })))})`;
    await convertLayout(db, { to: "rows" });
    expect(await cli.run("convert-messages")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^converted \d+ messages in 1 session\n$/),
    });
    expect(await cli.run("convert-messages")).toMatchObject({
      stdout: "converted 0 messages in 0 sessions\n",
    });
    await forUser(db, userId).deleteAll();
  });
});

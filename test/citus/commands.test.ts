import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { defineJourney } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema-zod.js";
import { older } from "../support/ai-sdk-4.js";
import { citusDatabase } from "../support/citus.js";
import { commandLine, imported } from "../support/cli.js";
import { newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";

const url = await citusDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);

const messages = messagesTable(journeySessions);
const column = defineJourney({ distributed: true });
const rows = defineJourney({ messages, distributed: true });

// Some of these commands change all sessions.
beforeEach(async () => {
  await db.delete(journeySessions);
});

/** Without the lines of the progress. */
const said = (stderr: string) => stderr.replaceAll(/^\w+( at)?: \d+ of \d+ \w+\n/gm, "");

/** The column has its own order of keys. */
const sessionsOf = (ndjson: string) =>
  ndjson
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("export, erase and import", { timeout: 120_000 }, () => {
  test.each(["column", "rows"])("give back what there was, with --to %s", async (to) => {
    const [userId, other] = [newUser(), newUser()];
    await column.forUser(db, userId).create({ messages: [text("m1")], metadata: { a: 1 } });
    const { id } = await rows.forUser(db, userId).create({ messages: [text("m1"), text("m2")] });
    const kept = await rows.forUser(db, other).create({ id, messages: [text("m3")] });
    const { stdout } = await cli.run("export", userId);
    expect(sessionsOf(stdout)).toHaveLength(2);
    expect(await cli.run("erase", userId, "--yes")).toEqual({
      status: 0,
      stdout: "erased 2 sessions; left: 0\n",
      stderr: "",
    });
    expect(await db.$count(messages)).toBe(1);
    const file = join(cli.folder, "sessions.ndjson");
    await writeFile(file, stdout);
    expect(await cli.run("import", userId, file, "--to", to)).toMatchObject(imported(2));
    expect(sessionsOf((await cli.run("export", userId)).stdout)).toEqual(sessionsOf(stdout));
    expect(await cli.run("import", userId, file, "--to", to)).toMatchObject(imported(0, 2));
    // Nobody's sessions are in another user's way.
    expect(await cli.run("import", newUser(), file, "--to", to, "--strict")).toMatchObject(imported(2));
    expect(await rows.forUser(db, other).get(id)).toEqual(kept);
    const marked = sql`select from journey_sessions where user_id = ${userId} and jsonb_typeof(messages) = 'object'`;
    expect(await marked).toHaveLength(to === "rows" ? 2 : 0);
  });

  test("own columns have their exact text, whatever the settings of the servers", async () => {
    const columns = {
      at: ["timestamptz", "2026-02-03 03:45:00.123456+00"],
      part: ["double precision", "0.30000000000000004"],
      bytes: ["bytea", "\\x00ff"],
      during: ["tstzrange", '["2026-02-03 03:45:00.123456+00",)'],
      length: ["interval", "1 day -02:00:00"],
    };
    for (const [name, [type]] of Object.entries(columns))
      await sql.unsafe(`alter table journey_sessions add column ${name} ${type}`);
    const userId = newUser();
    await sql.unsafe(
      `insert into journey_sessions (user_id, ${Object.keys(columns)}) values ($1, ${Object.values(columns).map(([type], n) => `$${n + 2}::text::${type}`)})`,
      [userId, ...Object.values(columns).map(([, value]) => value as string)],
    );
    const { pathname } = new URL(url);
    for (const setting of [
      "timezone = 'Asia/Kathmandu'",
      "datestyle = 'SQL, DMY'",
      "intervalstyle = 'sql_standard'",
      "extra_float_digits = -15",
      "bytea_output = 'escape'",
    ])
      await sql.unsafe(`alter database ${pathname.slice(1)} set ${setting}`);
    const { stdout } = await cli.run("export", userId);
    expect(JSON.parse(stdout)).toMatchObject({
      at: "2026-02-03T03:45:00.123456+00:00",
      part: 0.30000000000000004,
      bytes: "\\x00ff",
      during: '["2026-02-03 03:45:00.123456+00",)',
      length: "1 day -02:00:00",
    });
    const again = newUser();
    expect(await cli.runFed(stdout, "import", again)).toMatchObject(imported(1));
    const copied = (await cli.run("export", again)).stdout;
    expect(copied).toBe(stdout.replaceAll(userId, again));
  });
});

describe("commands on all sessions", { timeout: 120_000 }, () => {
  test("prune deletes what is due, and shows how many sessions there are", async () => {
    await sql`insert into journey_sessions (user_id, updated_at) select 'user_' || n, now() - interval '1 day' * n * 10 from generate_series(1, 20) n`;
    expect(await cli.run("prune", "--inactive-for", "95d", "--dry-run")).toMatchObject({
      status: 0,
      stdout: "11 sessions and 0 abandoned replies would be deleted\n",
    });
    const { status, stdout, stderr } = await cli.run("prune", "--inactive-for", "95d");
    expect({ status, stdout, stderr: said(stderr) }).toEqual({
      status: 0,
      stdout: "deleted 11 sessions and 0 abandoned replies\n",
      stderr: "",
    });
    expect(stderr).toContain("looking at: 0 of 20 sessions\n");
    expect(await db.$count(journeySessions)).toBe(9);
  });

  test("convert-messages and convert change every user's session of one id, and stats counts them", async () => {
    const id = "99999999-9999-4999-8999-999999999999";
    const users = [newUser(), newUser(), newUser()];
    for (const user of users)
      await sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${user}, ${sql.json(older)})`;
    const converted = await cli.run("convert-messages", "--batch-size", "1");
    expect(converted).toMatchObject({
      status: 0,
      stdout: `converted ${3 * older.length} messages in 3 sessions\n`,
    });
    for (const to of ["rows", "column"])
      expect(await cli.run("convert", "--to", to, "--batch-size", "1")).toMatchObject({
        status: 0,
        stdout: "converted 3 sessions\n",
      });
    const found = JSON.parse((await cli.run("stats", "--json")).stdout);
    expect(found).toMatchObject({ sessions: 3, owners: 3, messageRows: { sessions: 0, messages: 0 } });
    expect(await cli.run("repair-json")).toMatchObject({ status: 0, stdout: "repaired 0 sessions\n" });
  });
});

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { convertMessages, stats } from "../../src/admin.js";
import { forUser } from "../../src/index.js";
import { journeySessions } from "../../src/schema-zod.js";
import { agedSessions, storedIds } from "../support/aged-sessions.js";
import { contentAlone, older } from "../support/ai-sdk-4.js";
import { commandLine } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { hold, holdDeletes } from "../support/held.js";
import { text } from "../support/messages.js";
import { rowsOf } from "../support/old-table.js";
import { newRole } from "../support/roles.js";

const { role, as } = await newRole();
const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);

// Vacuum would change the size between two reads of it.
await sql`alter table journey_sessions set (autovacuum_enabled = off, toast.autovacuum_enabled = off)`;

// Some of these commands change all sessions.
beforeEach(async () => {
  await db.delete(journeySessions);
});

/** Without the lines of the progress. */
const said = (stderr: string) => stderr.replaceAll(/^looking at: \d+ of \d+ sessions\n/gm, "");

describe("erase", { timeout: 60_000 }, () => {
  test("tells the number without --yes and erases nothing, and with it the user's sessions and no other", async () => {
    const [userId, other] = [newUser(), newUser()];
    for (const owner of [userId, userId, other]) await forUser(db, owner).create({ messages: [text("m1")] });
    const before = await rowsOf(sql);
    expect(await cli.run("erase", userId)).toEqual({
      status: 2,
      stdout: "",
      stderr: "journey-db: the user has 2 sessions; nothing was erased, since --yes is missing\n",
    });
    expect(await rowsOf(sql)).toEqual(before);
    const erased = (count: string) => ({ status: 0, stdout: `erased ${count}; left: 0\n`, stderr: "" });
    expect(await cli.run("erase", userId, "--yes")).toEqual(erased("2 sessions"));
    const kept = before.filter(({ user_id }) => user_id === other);
    expect(await rowsOf(sql)).toEqual(kept);
    const [again, asked] = await Promise.all([cli.run("erase", userId, "--yes"), cli.run("erase", other)]);
    expect(again).toEqual(erased("0 sessions"));
    expect(asked).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("the user has 1 session;"),
    });
    expect(await rowsOf(sql)).toEqual(kept);
  });
});

describe("prune", { timeout: 60_000 }, () => {
  beforeAll(() => holdDeletes(sql));

  test("deletes exactly what is due, of all users, and with --dry-run only counts it", async () => {
    const [, young, , future] = await agedSessions(
      db,
      { age: "90 days 1 minute" },
      { age: "89 days 23 hours" },
      { age: "-infinity" },
      { age: "-1 day" },
    );
    const before = await rowsOf(sql);
    const run = async (...args: string[]) => {
      const { stderr, ...rest } = await cli.run("prune", "--inactive-for", ...args);
      return { ...rest, stderr: said(stderr) };
    };
    const answer = (stdout: string) => ({ status: 0, stdout: `${stdout}\n`, stderr: "" });
    expect(await run("90d", "--dry-run")).toEqual(answer("2 sessions would be deleted"));
    expect(await rowsOf(sql)).toEqual(before);
    expect(await run("90 days")).toEqual(answer("deleted 2 sessions"));
    expect(await storedIds(db)).toEqual([young, future].sort());
    expect(await run("90d")).toEqual(answer("deleted 0 sessions"));
  });

  test("accepts only an unambiguous time, and anything else is wrong usage", async () => {
    await agedSessions(db, { age: "20 years" });
    const [untold, ...unclear] = await Promise.all([
      cli.run("prune"),
      ...["90", "1m", "-90d"].map((time) => cli.run("prune", `--inactive-for=${time}`)),
    ]);
    for (const { status, stdout, stderr } of unclear) {
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).toMatch(/--inactive-for: expected text such as "90d"/);
    }
    expect(untold).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^error: .*--inactive-for <time>/),
    });
    expect(await storedIds(db)).toHaveLength(1);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "ends at %s, and the statement under way with it, and says how many it deleted",
    async (signal) => {
      const all = 5_000;
      await sql`insert into journey_sessions (user_id, updated_at) select 'user_1', '2020-01-01' from generate_series(1, ${all})`;
      const held = await hold(sql);
      const { child, stdout, stderr, ended } = cli.start("prune", "--inactive-for", "90d");
      await held.reached();
      child.kill(signal);
      expect({ status: await ended, stdout: stdout() }).toEqual({ status: 1, stdout: "" });
      await held.reached(0);
      const left = (await storedIds(db)).length;
      expect(said(stderr())).toBe(
        `journey-db: The signal was aborted after at least ${all - left} sessions were deleted; the call may be repeated.\n`,
      );
      expect(left).toBe(all);
    },
  );
});

describe("convert-messages", { timeout: 60_000 }, () => {
  const store = (messages: unknown, metadata = "{}") =>
    sql`insert into journey_sessions (user_id, messages, metadata) values ('user_1', ${sql.json(messages as never)}, ${metadata}::text::jsonb)`;
  const run = async (...args: string[]) => {
    const { stderr, ...rest } = await cli.run("convert-messages", ...args);
    return { ...rest, stderr: said(stderr) };
  };
  const answer = (stdout: string) => ({ status: 0, stdout: `${stdout}\n`, stderr: "" });

  test("converts the messages of AI SDK 4, of all users, once, and with --dry-run only counts them", async () => {
    await store(older);
    await store([contentAlone[0]]);
    await store([text("m1")]);
    const before = await rowsOf(sql);
    const count = `${older.length + 1} messages in 2 sessions`;
    expect(await run("--dry-run")).toEqual(answer(`${count} would be converted`));
    expect(await rowsOf(sql)).toEqual(before);
    expect(await run("--batch-size", "1")).toEqual(answer(`converted ${count}`));
    const after = await rowsOf(sql);
    expect(after.filter((row, n) => row.messages !== before[n]?.messages)).toHaveLength(2);
    expect(await run()).toEqual(answer("converted 0 messages in 0 sessions"));
    expect(await rowsOf(sql)).toEqual(after);
  });

  test("tells the progress in lines, and how many sessions it had to leave", async () => {
    await sql`alter table journey_sessions drop constraint journey_sessions_metadata_is_object`;
    await store(older, "[]");
    await store([contentAlone[0]]);
    await sql`alter table journey_sessions add constraint journey_sessions_metadata_is_object
      check (jsonb_typeof(metadata) = 'object') not valid`;
    for (const [args, stdout] of [
      [["--dry-run"], "1 message in 1 session would be converted\n"],
      [[], "converted 1 message in 1 session\n"],
    ] as const) {
      const { stderr, ...rest } = await cli.run("convert-messages", ...args);
      expect(rest).toEqual({ status: 1, stdout });
      expect(stderr).toMatch(/^looking at: 0 of \d+ sessions\nlooking at: 2 of \d+ sessions\n/);
      expect(said(stderr)).toMatch(
        /^journey-db: left unchanged: 1 session; journey-db verify reports the row, .*\n$/,
      );
    }
    await sql`delete from journey_sessions`;
    await sql`alter table journey_sessions validate constraint journey_sessions_metadata_is_object`;
  });

  test("a batch size that is not a number from 1 to 10000 is wrong usage", async () => {
    await store(older);
    const before = await rowsOf(sql);
    const refusedOf = async (size: string) => ({
      size,
      ...(await cli.run("convert-messages", `--batch-size=${size}`)),
    });
    for (const refused of await Promise.all(["0", "10001", "1.5", "-1", "x", ""].map(refusedOf))) {
      expect(refused).toMatchObject({
        status: 2,
        stdout: "",
        stderr: expect.stringMatching(/^journey-db: invalid_input: --batch-size: expected /),
      });
    }
    expect(await rowsOf(sql)).toEqual(before);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "ends at %s, and the statement under way with it, and says how many it converted",
    async (signal) => {
      const all = 1_000;
      await sql`insert into journey_sessions (user_id, messages) select 'user_1', ${sql.json(older)} from generate_series(1, ${all})`;
      await sql.unsafe(`
        create or replace function held_update() returns trigger language plpgsql as
          'begin perform pg_advisory_xact_lock_shared(7035); return new; end';
        create or replace trigger held_update before update on journey_sessions for each row execute function held_update()`);
      const held = await hold(sql);
      const { child, stdout, stderr, ended } = cli.start("convert-messages");
      await held.reached();
      child.kill(signal);
      expect({ status: await ended, stdout: stdout() }).toEqual({ status: 1, stdout: "" });
      await held.reached(0);
      await sql`drop trigger held_update on journey_sessions`;
      const { sessions: left } = await convertMessages(db, { dryRun: true });
      expect(said(stderr())).toBe(
        `journey-db: The signal was aborted after at least ${all - left} sessions were converted; the call may be repeated.\n`,
      );
      expect(left).toBe(all);
    },
  );
});

describe("stats", { timeout: 60_000 }, () => {
  test("has a line for each figure, and those of the table", async () => {
    for (const userId of [newUser(), newUser()])
      await forUser(db, userId).create({ messages: [text("m1", "x".repeat(10_000))] });
    const [aged] = await agedSessions(db, { age: "1 year" });
    await sql`update journey_sessions set user_id = user_id where id <> ${aged as string}`;
    const found = await stats(db);
    const { status, stdout, stderr } = await cli.run("stats");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["sessions", "3"],
      ["owners", "3"],
      ["phases", `"setup" 3`],
      ["bytes", String(found.bytes)],
      ["largest session", `${found.largest?.bytes} bytes, ${found.largest?.id}`],
      ["dead rows", expect.stringMatching(/^\d+$/)],
      ["oldest created", found.oldestCreatedAt?.toISOString()],
      ["longest inactive", found.oldestUpdatedAt?.toISOString()],
      ["last update", found.newestUpdatedAt?.toISOString()],
      ["over 1 MB", "0"],
      [
        "append rewrites",
        `${found.appendBytes?.mean} bytes on average, ${found.appendBytes?.largest} at most`,
      ],
      ["in rows", "0 sessions, 0 messages, 0 bytes"],
      ["replies", "0 running, 0 abandoned, 0 bytes"],
      [""],
    ]);
  });

  test("of an empty table have no session to name, on the database of --url", async () => {
    const empty = await migratedDatabase();
    const [json, { status, stdout }] = await Promise.all([
      cli.run("stats", "--json", "--url", empty),
      cli.run("stats", "--url", empty),
    ]);
    expect(json).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(/^\{"sessions":0,.*"oldestCreatedAt":null,.*\}\n$/),
    });
    expect(status).toBe(0);
    expect(stdout.replaceAll(/(bytes|dead rows) +\d+/g, "$1")).toBe(
      [
        "sessions          0",
        "owners            0",
        "phases            none",
        "bytes",
        "largest session   none",
        "dead rows",
        "oldest created    none",
        "longest inactive  none",
        "last update       none",
        "over 1 MB         0",
        "append rewrites   nothing",
        "in rows           0 sessions, 0 messages, 0 bytes",
        "replies           0 running, 0 abandoned, 0 bytes",
        "",
      ].join("\n"),
    );
  });
});

test("a role that row level security shows nothing is told so, and not that there is nothing", {
  timeout: 60_000,
}, async () => {
  const userId = newUser();
  await forUser(db, userId).create();
  await sql.unsafe(`grant select, insert, update, delete on journey_sessions to ${role}`);
  const { run } = await commandLine(as(url));
  const commands = [
    ...[`export ${userId}`, `import ${userId} /dev/null`, `erase ${userId} --yes`],
    ...["prune --inactive-for 90d", "convert-messages", "stats"],
  ];
  const endedOf = async (command: string) => ({ command, ended: await run(...command.split(" ")) });
  for (const { command, ended } of await Promise.all(commands.map(endedOf))) {
    expect(ended, command).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/^journey-db: configuration: Row level security hides .*\n$/),
    });
  }
  expect(await forUser(db, userId).count()).toBe(1);
});

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { forUser } from "../../src/index.js";
import { all } from "../support/answer.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported, journeyDb, temporaryFolder } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { storeDifficultRows } from "../support/difficult-rows.js";
import { embeddedIn } from "../support/embedded.js";
import { idsOf, text, uiMessages } from "../support/messages.js";
import { rowsOf } from "../support/old-table.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);

/** All rows, and those of one user. */
const stored = async (userId?: string) =>
  (await rowsOf(sql)).filter(({ user_id }) => userId === undefined || user_id === userId);

describe("export, erase and import", { timeout: 120_000 }, () => {
  test("give the same rows to the last digit, and the same file again", async () => {
    const userId = newUser();
    const sessions = await storeDifficultRows(sql, userId);
    await forUser(db, newUser()).create({ messages: [text("m1")] });
    const before = await stored();
    const file = join(cli.folder, "all.ndjson");
    expect(await cli.run("export", userId, "--out", file)).toMatchObject({ status: 0, stdout: "" });
    expect(await cli.run("erase", userId, "--yes")).toMatchObject({ status: 0 });
    expect(await stored()).toHaveLength(before.length - sessions);
    expect(await cli.run("import", userId, file)).toMatchObject(imported(sessions));
    expect(await stored()).toEqual(before);

    const again = await cli.run("export", userId);
    expect(again.status).toBe(0);
    expect(again.stdout === (await readFile(file, "utf8"))).toBe(true);
    expect(await cli.runFed(again.stdout, "import", userId)).toMatchObject(imported(0, sessions));
    expect(await stored()).toEqual(before);
  });

  test("go on from what others have written meanwhile, and leave it as it is", async () => {
    const userId = newUser();
    const sessions = forUser(db, userId);
    const made = [];
    for (const id of ["m1", "m2", "m3"]) made.push(await sessions.create({ messages: [text(id)] }));
    const [deleted, appended, renamed] = idsOf(made as never);
    const { stdout: file } = await cli.run("export", userId);
    const [before] = (await stored(userId)).filter(({ id }) => id === deleted);
    await sessions.delete(deleted as string);
    await sessions.append(appended as string, text("later"));
    await sessions.mergeMetadata(renamed as string, { title: "later" });
    await sessions.create({ messages: [text("new")] });
    const meanwhile = await stored(userId);
    expect(await cli.runFed(file, "import", userId)).toMatchObject(imported(1, 2));
    const after = await stored(userId);
    expect(after).toHaveLength(4);
    expect(after).toEqual(expect.arrayContaining([before, ...meanwhile]));
  });

  test("take the lines that JSON.stringify makes of the handle's export(), for any user, times cut to the millisecond", async () => {
    const [guest, owner] = [newUser(), newUser()];
    await sql`
      insert into journey_sessions (user_id, phase, messages, metadata, created_at, updated_at)
      select ${guest}, 'review', ${JSON.stringify(uiMessages.slice(0, 20))}::text::jsonb, '{"a": [1.5]}',
        '2026-01-31 09:30:00.123987Z', '2026-02-28 10:00:00.000999Z' from generate_series(1, 3)`;
    const sessions = await all(forUser(db, guest).export());
    const before = await stored(guest);
    await forUser(db, guest).deleteAll();
    const lines = sessions.map((session) => JSON.stringify(session)).join("\n");
    expect(await cli.runFed(lines, "import", owner)).toMatchObject(imported(3));
    expect(await stored(owner)).toEqual(
      before.map((row) => ({
        ...row,
        user_id: owner,
        created_at: row.created_at.replace(".123987", ".123"),
        updated_at: row.updated_at.replace(".000999", ""),
      })),
    );
  });

  test("never take what is another user's, nor change it", async () => {
    const [owner, other] = [newUser(), newUser()];
    await forUser(db, owner).create({ messages: [text("m1", CANARY)] });
    await forUser(db, owner).create({ messages: [text("m1", CANARY)] });
    const { stdout: file } = await cli.run("export", owner);
    const before = await stored();
    const { status, stdout, stderr } = await cli.runFed(file, "import", other);
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: "imported 0 sessions; already there, left as they are: 0; refused: 2\n",
      stderr: [1, 2]
        .map((n) => `journey-db: line ${n}: session.id: already used by another user's session.\n`)
        .join(""),
    });
    expect(await stored()).toEqual(before);
  });
});

describe("rows of an older program's shape", { timeout: 60_000 }, () => {
  test("are exported as they are and counted, and are the lines that import refuses", async () => {
    const oldUrl = await migratedDatabase();
    const old = rawClient(oldUrl);
    for (const check of ["messages_is_array", "metadata_is_object"])
      await old.unsafe(`alter table journey_sessions drop constraint journey_sessions_${check}`);
    const userId = newUser();
    await old`
      insert into journey_sessions (user_id, messages, metadata, created_at) values
        (${userId}, '[]', '{}', '2026-01-01'),
        (${userId}, ${JSON.stringify({ [CANARY]: 1.1 })}::text::jsonb, '{}', '2026-01-02'),
        (${userId}, '[]', '{"a": 1}', '2026-01-03'),
        (${userId}, '[]', ${JSON.stringify([CANARY])}::text::jsonb, '2026-01-04'),
        (${userId}, 'null', '"text"', '2026-01-05'),
        (${userId}, '[{"id": "m1", "content": "of an older form"}]', '{}', '2026-01-06')`;
    const before = await rowsOf(old);
    const there = await commandLine(oldUrl);
    const exported = await there.run("export", userId);
    expect(exported.status).toBe(1);
    expect(exported.stderr).toMatch(
      /\njourney-db: exported 6 sessions\njourney-db: import will refuse 4 of these: .*\n$/,
    );
    const lines = exported.stdout.split("\n").filter(Boolean);
    expect(
      lines.map((line) => JSON.parse(line)).map(({ messages, metadata }) => [messages, metadata]),
    ).toEqual([
      [[], {}],
      [{ [CANARY]: 1.1 }, {}],
      [[], { a: 1 }],
      [[], [CANARY]],
      [null, "text"],
      [[{ id: "m1", content: "of an older form" }], {}],
    ]);
    await old`delete from journey_sessions`;
    const { status, stdout, stderr } = await there.runFed(exported.stdout, "import", userId);
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: "imported 2 sessions; already there, left as they are: 0; refused: 4\n",
    });
    expect(stderr).toMatch(
      /^journey-db: line 2: session\.messages: .*\n.*line 4: session\.metadata: .*\n.*line 5: session\.messages: .*\n.*line 6: session\.messages\[0\]\.role: .*\n$/,
    );
    for (const canary of CANARIES) expect(stderr).not.toContain(canary);
    const allowed = before.filter((row) => row.messages === "[]" && row.metadata.startsWith("{"));
    expect(await rowsOf(old)).toEqual(allowed);
  });
});

describe("where there is little", { timeout: 120_000 }, () => {
  test("an empty table exports an empty file, and an empty file imports nothing", async () => {
    const userId = newUser();
    const file = join(cli.folder, "empty.ndjson");
    expect(await cli.run("export", userId, "--out", file)).toMatchObject({
      status: 0,
      stdout: "",
      stderr: expect.stringMatching(/journey-db: exported 0 sessions\n$/),
    });
    expect(await readFile(file, "utf8")).toBe("");
    expect(await cli.run("import", userId, file)).toMatchObject(imported(0));
    expect(await cli.runFed("", "import", userId, "--strict")).toMatchObject(imported(0));
  });

  test("the embedded database does it all", async () => {
    const folder = await temporaryFolder();
    await embeddedIn(folder);
    const run = (...args: string[]) => journeyDb(folder, {}, ...args, "--embedded");
    const times = { createdAt: "2020-01-31T09:30:00.000001Z", updatedAt: "2020-01-31T09:30:00.000002Z" };
    const session = { phase: "setup", ...times, metadata: {}, messages: [text("m1")] };
    const [good, beyond] = [session, { ...session, updatedAt: "294277-01-01T00:00:00" }].map((one, n) =>
      JSON.stringify({ id: `00000000-0000-4000-8000-00000000000${n}`, ...one }),
    );
    await writeFile(join(folder, "in.ndjson"), `${good}\n${beyond}\n`);
    const line =
      "line 2: The database returned SQLSTATE 22008: the server could not store one of the values.";
    expect(await run("import", "user_1", "in.ndjson", "--strict")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining(`journey-db: invalid_input: ${line} Nothing was imported.\n`),
    });
    expect(await run("import", "user_1", "in.ndjson")).toMatchObject({
      status: 1,
      stdout: "imported 1 session; already there, left as they are: 0; refused: 1\n",
      stderr: expect.stringContaining(`journey-db: ${line}\n`),
    });
    const { stdout } = await run("export", "user_1");
    expect(JSON.parse(stdout)).toEqual({ userId: "user_1", ...JSON.parse(good as string) });
    const done = async (...args: string[]) => {
      const { status, stdout } = await run(...args);
      return [status, stdout];
    };
    expect(await done("stats")).toEqual([0, expect.stringMatching(/^sessions +1\n/)]);
    expect(await done("prune", "--inactive-for", "1y")).toEqual([0, "deleted 1 session\n"]);
    expect(await done("erase", "user_1", "--yes")).toEqual([0, "erased 0 sessions; left: 0\n"]);
  });
});

import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, temporaryFolder } from "../support/cli.js";
import { migratedDatabase, newUser, rawClient } from "../support/database.js";
import { hold, holdReads } from "../support/held.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const cli = await commandLine(url);

/** Stores a session that fills a batch, one to be held at, and one more. */
async function storeSessions(): Promise<string> {
  const userId = newUser();
  const long = JSON.stringify([text("m1", CANARY.repeat(100_000))]);
  for (const [n, phase] of ["first", "held", "last"].entries())
    await sql`insert into journey_sessions (user_id, phase, messages, created_at)
      values (${userId}, ${phase}, ${long}::text::jsonb, ${`2026-01-0${n + 1}`}::text::timestamptz)`;
  return userId;
}
const phasesIn = (ndjson: string) =>
  ndjson
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line).phase);
const ALL = ["first", "held", "last"];

/** A folder for the test with a file in it. */
async function oldFile() {
  const folder = await temporaryFolder();
  const file = join(folder, "sessions.ndjson");
  await writeFile(file, "old");
  return { folder, file, content: () => readFile(file, "utf8") };
}

const LOST = /^(exporting: .*\n)*journey-db: unavailable: .*Check that the server runs .*\n$/;

describe("export", { timeout: 60_000 }, () => {
  let userId: string;
  beforeAll(async () => {
    userId = await storeSessions();
    // For new connections.
    await holdReads(sql);
  });

  test("--out has the file under its name once it is whole, for its owner alone", async () => {
    const { folder, file, content } = await oldFile();
    await chmod(file, 0o644);
    const held = await hold(sql);
    const { ended, stdout } = cli.start("export", userId, "--out", file);
    await held.reached();
    expect(await content()).toBe("old");
    const [partial = ""] = (await readdir(folder)).filter((name) => name.endsWith(".partial"));
    expect((await stat(join(folder, partial))).mode & 0o777).toBe(0o600);
    await held.release();
    expect(await ended).toBe(0);
    expect(stdout()).toBe("");
    expect(phasesIn(await content())).toEqual(ALL);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["sessions.ndjson"]);
  });

  test("--out follows a link to a file, and writes into what is no file", async () => {
    const { folder, file, content } = await oldFile();
    const link = join(folder, "link.ndjson");
    await symlink(file, link);
    expect(await cli.run("export", userId, "--out", link)).toMatchObject({ status: 0 });
    expect(phasesIn(await content())).toEqual(ALL);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const [read] = await Promise.all([readFile(pipe, "utf8"), cli.run("export", userId, "--out", pipe)]);
    expect(phasesIn(read)).toEqual(ALL);
    expect((await lstat(pipe)).isFIFO()).toBe(true);
  });

  test("of two at once to one file, each is whole when it ends", async () => {
    const { folder, file, content } = await oldFile();
    const held = await hold(sql);
    const first = cli.start("export", userId, "--out", file);
    await held.reached();
    const other = newUser();
    await sql`insert into public.journey_sessions (user_id, phase) values (${other}, 'other')`;
    expect(await cli.run("export", other, "--out", file)).toMatchObject({ status: 0 });
    expect(phasesIn(await content())).toEqual(["other"]);
    await held.release();
    expect(await first.ended).toBe(0);
    expect(phasesIn(await content())).toEqual(ALL);
    expect(await readdir(folder)).toEqual(["sessions.ndjson"]);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "that is ended by %s leaves nothing beside the file",
    async (signal) => {
      const { folder, file, content } = await oldFile();
      const held = await hold(sql);
      const { child, ended } = cli.start("export", userId, "--out", file);
      await held.reached();
      expect(await readdir(folder)).toHaveLength(2);
      child.kill(signal);
      expect(await ended).toBe(signal);
      await held.release();
      expect(await content()).toBe("old");
      expect(await readdir(folder)).toEqual(["sessions.ndjson"]);
    },
  );

  test("that is killed leaves the file as it was", async () => {
    const { folder, file, content } = await oldFile();
    const held = await hold(sql);
    const programs = [file, join(folder, "new.ndjson")].map((out) =>
      cli.start("export", userId, "--out", out),
    );
    await held.reached(programs.length);
    for (const { child } of programs) child.kill("SIGKILL");
    expect(await Promise.all(programs.map(({ ended }) => ended))).toEqual(["SIGKILL", "SIGKILL"]);
    await held.release();
    expect(await content()).toBe("old");
    expect(await readdir(folder)).not.toContain("new.ndjson");
    expect(await cli.run("export", userId, "--out", file)).toMatchObject({ status: 0 });
    expect(phasesIn(await content())).toEqual(ALL);
  });

  test("that loses its connection says so and leaves the file as it was, and nothing beside it", async () => {
    const { folder, file, content } = await oldFile();
    const held = await hold(sql);
    const toFile = cli.start("export", userId, "--out", file);
    const toStdout = cli.start("export", userId);
    await held.reached(2);
    await held.cut();
    expect(await Promise.all([toFile.ended, toStdout.ended])).toEqual([1, 1]);
    await held.release();
    for (const { stderr } of [toFile, toStdout]) {
      expect(stderr()).toMatch(LOST);
      for (const secret of [...CANARIES, "postgres://", new URL(url).pathname])
        expect(stderr()).not.toContain(secret);
    }
    expect(await content()).toBe("old");
    expect(await readdir(folder)).toEqual(["sessions.ndjson"]);
    expect(phasesIn(toStdout.stdout())).toEqual(["first"]);
  });

  test.each([
    ["in a folder that is not there", "no/file", "ENOENT"],
    ["that is a folder", "a-folder", "EISDIR"],
  ])("--out %s fails in one line", async (_, name, code) => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "a-folder"));
    const file = join(folder, name);
    const before = await readdir(folder);
    const { status, stdout, stderr } = await cli.run("export", userId, "--out", file);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(
      new RegExp(
        `^(exporting: .*\n)*journey-db: invalid_input: --out: expected a file that can be written \\(${code}\\)\\.\n$`,
      ),
    );
    expect(await readdir(folder)).toEqual(before);
  });

  test("ends well where its reader has had enough", async () => {
    const { child, ended, stderr } = cli.start("export", userId);
    child.stdout?.once("data", () => child.stdout?.destroy());
    expect(await ended).toBe(0);
    expect(stderr()).toMatch(/^(exporting: .*\n)*journey-db: exported \d sessions?\n$/);
  });

  // Needs /dev/full: elsewhere a disk cannot be full on demand.
  test("says in one line that stdout's disk is full, and so does stats", async () => {
    const both = ["export", "stats"].map((command) => {
      const args = command === "export" ? [command, userId] : [command];
      return cli.runTo("/dev/full", ...args);
    });
    for (const { status, stderr } of await Promise.all(both)) {
      expect(status).toBe(1);
      expect(stderr.replaceAll(/^exporting: .*\n/gm, "")).toBe(
        "journey-db: invalid_input: stdout: expected a file that can be written (ENOSPC).\n",
      );
    }
  });

  test("of what is no user id is refused before the database is asked", async () => {
    for (const command of ["export", "import", "erase"]) {
      const { status, stderr } = await cli.run(command, ` ${CANARY}`, "--url", "postgres://127.0.0.1:1/none");
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringMatching(
          /^journey-db: invalid_input: userId: expected 1 to 255 characters .*\n$/,
        ),
      });
      expect(stderr).not.toContain(CANARY);
    }
  });
});

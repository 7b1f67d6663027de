import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { forUser } from "../../src/index.js";
import { commandLine } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { screenOf } from "../support/terminal.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);
const cli = await commandLine(url);

const userId = newUser();
for (const id of ["m1", "m2", "m3"]) await forUser(db, userId).create({ messages: [text(id)] });
const file = join(cli.folder, "sessions.ndjson");
const { stdout: exported, stderr: told } = await cli.run("export", userId);
await writeFile(file, exported);
const bytes = Buffer.byteLength(exported);
const BAR = `${"█".repeat(24)} 100 %`;

describe("if stderr is not a terminal, progress is printed there as plain lines", { timeout: 60_000 }, () => {
  test("by export", () => {
    expect(told).toBe(
      "exporting: 0 of 3 sessions\nexporting: 3 of 3 sessions\njourney-db: exported 3 sessions\n",
    );
    expect(exported.match(/^\{.*\}$/gm)).toHaveLength(3);
    expect(exported.split("\n")).toHaveLength(4);
  });

  test("by import of a file, which has a size, and not of stdin", async () => {
    expect((await cli.run("import", userId, file)).stderr).toBe(
      `importing: 0 of ${bytes} bytes\nimporting: ${bytes} of ${bytes} bytes\n`,
    );
    expect((await cli.runFed(exported, "import", userId)).stderr).toBe("");
  });

  test("by prune, of as many as the server estimates, or of those that it has looked at", async () => {
    expect((await cli.run("prune", "--inactive-for", "1y", "--dry-run")).stderr).toBe(
      "looking at: 0 of 0 sessions\nlooking at: 3 of 3 sessions\n",
    );
    await rawClient(url, { max: 1 })`analyze journey_sessions`;
    expect((await cli.run("prune", "--inactive-for", "1y", "--dry-run")).stderr).toBe(
      "looking at: 0 of 3 sessions\nlooking at: 3 of 3 sessions\n",
    );
  });
});

describe("on a terminal it is a bar", { timeout: 60_000 }, () => {
  test("that export draws where it writes to a file", async () => {
    const { stdout, stderr } = await cli.runOnTerminal(["stderr"], "export", userId, "--out", file);
    expect(stdout).toBe("");
    expect(screenOf(stderr)).toEqual([
      expect.stringMatching(new RegExp(`^exporting ${BAR} 3 of 3 sessions, .* left$`)),
      "journey-db: exported 3 sessions",
    ]);
  });

  test("that is not in the way of the sessions that export shows on the same terminal", async () => {
    const { stdout, stderr } = await cli.runOnTerminal(["stdout", "stderr"], "export", userId);
    expect(stdout).toBe(exported);
    expect(screenOf(stderr)).toEqual(["journey-db: exported 3 sessions"]);
  });

  test("below the lines that import refuses, all of which stay there to be read", async () => {
    const bad = join(cli.folder, "bad.ndjson");
    await writeFile(bad, `{}\n${exported}{}\n{}\n`);
    const { stdout, stderr } = await cli.runOnTerminal(["stderr"], "import", userId, bad);
    expect(stdout).toBe("imported 0 sessions; already there, left as they are: 3; refused: 3\n");
    expect(screenOf(stderr)).toEqual([
      ...[1, 5, 6].map((line) => `journey-db: line ${line}: session.id: expected string.`),
      expect.stringMatching(new RegExp(`^importing ${BAR} ${bytes + 9} of ${bytes + 9} bytes, .* left$`)),
    ]);
  });
});

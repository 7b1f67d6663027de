import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { commandLine, imported } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { LOSSES, type Loss, lossyProxy } from "../support/lossy-proxy.js";
import { text } from "../support/messages.js";
import { startOwnServer } from "../support/own-server.js";

/** The lines of one batch and some of the next, and the rest, which is sent when stdin ends. */
const [BATCH, REST] = [500, 20];
function newLines() {
  const lines = Array.from(
    { length: BATCH + REST },
    () =>
      `${JSON.stringify({
        id: randomUUID(),
        phase: "setup",
        createdAt: "2026-01-31T09:30:00Z",
        updatedAt: "2026-01-31T09:30:00Z",
        metadata: {},
        messages: [text("m1", CANARY)],
      })}\n`,
  );
  return {
    all: lines.join(""),
    first: lines.slice(0, BATCH + 1).join(""),
    second: lines.slice(BATCH + 1).join(""),
  };
}

type Lines = ReturnType<typeof newLines>;

const UNAVAILABLE =
  /^journey-db: unavailable: .*Check that the server runs and that the URL names its host and port\.\n$/;

describe("the connection is lost half-way", { timeout: 60_000 }, () => {
  let url: string;
  beforeAll(async () => {
    url = await migratedDatabase();
  });
  const stored = (userId: string) =>
    rawClient(url, { max: 1 })`select from journey_sessions where user_id = ${userId}`.then(
      ({ length }) => length,
    );

  /** Loses the connection in the second batch, and checks the output of import. */
  async function importLosing(loss: Loss, { first, second }: Lines, ...args: string[]) {
    const proxy = await lossyProxy(url);
    const { child, stdout, stderr, ended } = (await commandLine(proxy.url)).start("import", ...args);
    child.stdin?.write(first);
    await expect.poll(() => proxy.committed, { interval: 5, timeout: 25_000 }).toBeGreaterThan(0);
    proxy.lose(loss);
    child.stdin?.end(second);
    expect({ status: await ended, stdout: stdout() }).toEqual({ status: 1, stdout: "" });
    const told = stderr().split("\n").filter(Boolean);
    if (!args.includes("--strict")) {
      expect(told.shift()).toMatch(
        /^journey-db: imported 500 sessions; .* Run the same command again to continue/,
      );
    }
    expect(`${told.join("\n")}\n`).toMatch(UNAVAILABLE);
    for (const secret of [...CANARIES, "postgres://", new URL(url).pathname])
      expect(stderr()).not.toContain(secret);
  }

  test.each([
    ["the answer", BATCH + REST],
    ["the request", BATCH],
  ] as const)("with %s: import says so, and goes on when it is run again", async (loss, there) => {
    const [userId, lines] = [newUser(), newLines()];
    await importLosing(loss, lines, userId);
    expect(await stored(userId)).toBe(there);
    const again = await (await commandLine(url)).runFed(lines.all, "import", userId);
    expect(again).toMatchObject(imported(BATCH + REST - there, there));
    expect(await stored(userId)).toBe(BATCH + REST);
  });

  test("import --strict leaves nothing behind", async () => {
    const users = LOSSES.map((loss) => ({ loss, userId: newUser() }));
    await Promise.all(users.map(({ loss, userId }) => importLosing(loss, newLines(), userId, "--strict")));
    for (const { userId } of users) await expect.poll(() => stored(userId)).toBe(0);
  });
});

test("the server is killed half-way: import says so, and goes on when it is run again", {
  timeout: 90_000,
}, async () => {
  const lines = newLines();
  const server = await startOwnServer();
  await migrate(openPostgresJs(server.url));
  const cli = await commandLine(server.url);
  const sql = rawClient(server.url);
  const count = () => sql`select from journey_sessions`.then(({ length }) => length);
  const { child, stdout, stderr, ended } = cli.start("import", "user_1");
  child.stdin?.write(lines.first);
  await expect.poll(count, { interval: 20, timeout: 25_000 }).toBe(BATCH);
  await server.crash();
  child.stdin?.end(lines.second);
  expect({ status: await ended, stdout: stdout() }).toEqual({ status: 1, stdout: "" });
  expect(stderr().replace(/^.* again to continue\n/, "")).toMatch(UNAVAILABLE);
  await server.start();
  expect(await rawClient(server.url)`select from journey_sessions`).toHaveLength(BATCH);
  expect(await cli.runFed(lines.all, "import", "user_1")).toMatchObject(imported(REST, BATCH));
});

test("no command shows more of a server that it cannot reach than what to do", {
  timeout: 60_000,
}, async () => {
  const { run, runFed } = await commandLine("postgres://some_user:some_password@127.0.0.1:1/some_database");
  const line = newLines().second;
  const ended = [
    ...["export user_1", "erase user_1", "erase user_1 --yes", "prune --inactive-for 90d", "stats"].map(
      (command) => run(...command.split(" ")),
    ),
    ...["import user_1", "import user_1 --strict"].map((command) => runFed(line, ...command.split(" "))),
  ];
  for (const { status, stdout, stderr } of await Promise.all(ended)) {
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(UNAVAILABLE);
    expect(stderr).not.toMatch(/some_|127\.0\.0\.1/);
  }
});

import { expect, test } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { journeySessions } from "../../src/schema.js";
import { commandLine } from "../support/cli.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const sql = rawClient(url);
const db = openPostgresJs(url);
const cli = await commandLine(url);
await migrate(db, { with: ["durable-replies"] });

/** A session with a message, and a running reply of one batch. */
async function replying(userId: string): Promise<string> {
  const { replies } = replyTables(journeySessions);
  const sessions = defineJourney({ replies }).forUser(db, userId);
  const { id } = await sessions.create({ messages: [text("m1")] });
  await sessions.replies?.start(id, "r1");
  await sessions.replies?.write(id, "r1", { n: 1, chunks: "of the reply" });
  return id;
}

const left = async () => [
  (await sql`select from journey_replies`).length,
  (await sql`select from journey_reply_chunks`).length,
];

test("stats counts replies, prune removes what a crash has left, and export and erase work while one runs", {
  timeout: 60_000,
}, async () => {
  const userId = newUser();
  await replying(userId);
  const [gone, kept] = [await replying(newUser()), await replying(newUser())];
  await sql`update journey_replies set state = 'ended', written_at = now() - interval '2 hours' where session_id = ${gone}`;
  await sql`update journey_replies set state = 'ended', written_at = now() - interval '2 minutes' where session_id = ${kept}`;
  expect((await cli.run("stats")).stdout).toMatch(/^replies {11}1 running, 2 abandoned, \d+ bytes$/m);
  expect(JSON.parse((await cli.run("stats", "--json")).stdout).replies).toMatchObject({
    running: 1,
    abandoned: 2,
  });
  expect((await cli.run("verify")).stdout).toContain("replies_abandoned: 1 reply has had no sign of life");

  const prune = async (...args: string[]) =>
    (await cli.run("prune", "--inactive-for", "90d", ...args)).stdout;
  expect(await prune("--dry-run")).toBe("0 sessions and 1 abandoned reply would be deleted\n");
  expect(await left()).toEqual([3, 3]);
  expect(await prune()).toBe("deleted 0 sessions and 1 abandoned reply\n");
  expect(await prune()).toBe("deleted 0 sessions and 0 abandoned replies\n");
  expect(await left()).toEqual([2, 2]);

  const { stdout } = await cli.run("export", userId);
  expect(JSON.parse(stdout)).toMatchObject({ messages: [text("m1")] });
  expect(stdout).not.toContain("of the reply");
  expect((await cli.run("erase", userId, "--yes")).stdout).toBe("erased 1 session; left: 0\n");
  expect(await left()).toEqual([1, 1]);
});

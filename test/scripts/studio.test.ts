import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { lockFolder } from "../../src/connection/folder-lock.js";
import { replyTables } from "../../src/durable-replies.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { defineJourney, forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { embeddedIn } from "../support/embedded.js";
import { text } from "../support/messages.js";
import { runScript, temporaryFolder } from "../support/program.js";
import { startTlsServer, tlsFile } from "../support/tls-server.js";
import { repository } from "../support/tools.js";

const url = await migratedDatabase();

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** Studio in a folder that looks like the repository, once it answers. */
async function startStudio(env?: Record<string, string>, cwd = temporaryFolder()) {
  for (const name of ["src", "drizzle.config.ts"]) {
    symlinkSync(join(repository, name), join(cwd, name));
  }
  const port = await freePort();
  const program = runScript("scripts/studio.ts", ["--port", String(port)], cwd, env);
  const post = async (body: object): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.json();
  };
  const ask = (sql: string, params: string[] = []) =>
    post({ type: "proxy", data: { sql, params, method: "all" } });
  await program.printed("Drizzle Studio is up");
  await vi.waitFor(() => ask("select 1"), 10_000);
  return { ...program, post, ask };
}

test("Studio shows the embedded database, migrated, has it alone, warns, and lets go of it at the end", async () => {
  const cwd = temporaryFolder();
  const folder = await embeddedIn(cwd, "empty");
  const studio = await startStudio({}, cwd);
  expect(await studio.ask("select count(*)::int as n from journey_sessions")).toEqual([{ n: 0 }]);
  expect(studio.stderr()).toContain("any web page in a browser on this machine can run SQL");
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: "unavailable" });
  studio.child.kill("SIGTERM");
  expect(await studio.ended).toBe(143);
  (await lockFolder(folder)).release();
});

test("Studio shows the database of DATABASE_URL, and DIRECT_URL counts for more", async () => {
  const user = newUser();
  await forUser(openPostgresJs(url), user).create();
  const studio = await startStudio({ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", DIRECT_URL: url });
  expect(await studio.ask(`select user_id from journey_sessions where user_id = '${user}'`)).toEqual([
    { user_id: user },
  ]);
  studio.child.kill("SIGINT");
  expect(await studio.ended).toBe(130);
});

test("Studio's connection has the encryption and the settings that connect's would have", async () => {
  const urlAt = await startTlsServer();
  const studio = await startStudio({
    DATABASE_URL: urlAt("localhost", { options: "-c lock_timeout=3s" }),
    PGSSLROOTCERT: tlsFile("root.pem"),
  });
  expect(
    await studio.ask(
      "select ssl, current_setting('lock_timeout') as wait from pg_stat_ssl where pid = pg_backend_pid()",
    ),
  ).toEqual([{ ssl: true, wait: "3s" }]);
  studio.child.kill("SIGINT");
  expect(await studio.ended).toBe(130);
});

test("Studio reads .env files as the command line does", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, ".env.local"), 'DATABASE_URL="postgres://me@127.0.0.1:1/of_a_file"\n');
  const { ended, stderr } = runScript("scripts/studio.ts", [], folder, { NODE_ENV: "development" });
  expect(await ended).toBe(1);
  expect(stderr()).toMatch(/^journey-db: postgres at 127\.0\.0\.1:1\/of_a_file\n/);
});

test("Studio's page gets the schema's files, the list of tables, and the rows with their messages", async () => {
  const user = newUser();
  const messages = [text("m1", "Hello")];
  const db = openPostgresJs(url);
  const session = await forUser(db, user).create({ messages });
  await migrate(db, { with: ["message-rows", "durable-replies"] });
  const inRows = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, newUser());
  const { id } = await inRows.create({ messages });
  const { replies } = defineJourney({ replies: replyTables(journeySessions).replies }).forUser(db, user);
  await replies?.start(session.id, "r1");
  await replies?.write(session.id, "r1", { n: 1, chunks: "Hel" });
  const studio = await startStudio({ DATABASE_URL: url });
  expect(await studio.post({ type: "init" })).toMatchObject({
    dialect: "postgresql",
    schemaFiles: [{ name: "schema.ts", content: expect.stringContaining("journeySessions") }],
  });
  const tables =
    "select table_schema, table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by table_name";
  expect(await studio.ask(tables)).toEqual([
    { table_schema: "public", table_name: "journey_messages" },
    { table_schema: "public", table_name: "journey_replies" },
    { table_schema: "public", table_name: "journey_reply_chunks" },
    { table_schema: "public", table_name: "journey_sessions" },
  ]);
  const rows = `select * from "public"."journey_sessions" where "user_id" = $1 order by "created_at" desc limit 50 offset 0`;
  expect(await studio.ask(rows, [user])).toMatchObject([{ id: session.id, phase: "setup", messages }]);
  const messageRows = `select * from "public"."journey_messages" where "session_id" = $1 limit 50 offset 0`;
  expect(await studio.ask(messageRows, [id])).toMatchObject([{ id: "m1", message: messages[0] }]);
  const chunks = `select * from "public"."journey_reply_chunks" where "session_id" = $1 limit 50 offset 0`;
  expect(await studio.ask(chunks, [session.id])).toMatchObject([{ reply_id: "r1", n: 1, chunks: "Hel" }]);
  studio.child.kill("SIGINT");
  expect(await studio.ended).toBe(130);
});

test.each([
  ["that is none", "DATABASE_URL", "bad", /^DATABASE_URL: expected a postgres:\/\/ .*\n$/],
  ["that is none", "DIRECT_URL", "bad", /^DIRECT_URL: expected a postgres:\/\/ .*\n$/],
  [
    "that asks for what cannot be had",
    "DATABASE_URL",
    `${url}?channel_binding=require`,
    /^DATABASE_URL: channel_binding: expected .*\n$/,
  ],
  [
    "of no server",
    "DATABASE_URL",
    "postgres://me@127.0.0.1:1/none",
    /^journey-db: postgres at 127\.0\.0\.1:1\/none\nThe database cannot be reached .*\n$/,
  ],
  [
    "of no database",
    "DATABASE_URL",
    `${url}_none`,
    /^journey-db: postgres at .*_none\nThe database returned SQLSTATE 3D000: .*\n$/,
  ],
])("Studio does not start with a URL %s in %s", async (_, name, value, said) => {
  const { ended, stdout, stderr } = runScript("scripts/studio.ts", [], temporaryFolder(), { [name]: value });
  expect(await ended).toBe(1);
  expect(stderr()).toMatch(said);
  expect(stdout()).toBe("");
});

test("Studio stays up when nobody reads what it prints", async () => {
  const studio = await startStudio({ DATABASE_URL: url });
  studio.child.stdout?.destroy();
  studio.child.stderr?.destroy();
  // It prints a failed statement.
  await studio.ask("this is no SQL");
  expect(await studio.ask("select 1 as n")).toEqual([{ n: 1 }]);
  studio.child.kill("SIGINT");
  expect(await studio.ended).toBe(130);
});

test("Studio is refused a database that is open elsewhere", async () => {
  const cwd = temporaryFolder();
  const lock = await lockFolder(await embeddedIn(cwd));
  const { ended, stderr } = runScript("scripts/studio.ts", [], cwd);
  expect(await ended).toBe(1);
  expect(stderr()).toMatch(
    /^journey-db: embedded database in .*\nThe embedded database in .* is open in process \d+; close it there, or set DATABASE_URL\.\n$/,
  );
  lock.release();
});

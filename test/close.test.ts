import { createConnection, type Socket } from "node:net";
import { sql } from "drizzle-orm";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../src/connect.js";
import type { Database } from "../src/database.js";
import { forUser } from "../src/sessions.js";
import { migratedDatabase, newUser, rawClient } from "./support/database.js";
import { serverThat } from "./support/network.js";
import { runCode, temporaryFolder } from "./support/program.js";

const url = await migratedDatabase();
const admin = rawClient(url);

async function open() {
  // No time limit of the server that would end a statement first.
  const connection = await connect({ url, statementTimeoutMs: 3_600_000 });
  onTestFinished(() => connection.close());
  return connection;
}

const count = (db: Database) => forUser(db, newUser()).count();

/** Drizzle alone sends nothing before it is awaited. */
const execute = async (db: Database, query: string) => await db.execute(sql.raw(query));

/** Until the server runs a statement with that text. */
const running = (text: string) =>
  vi.waitFor(async () => {
    const found = await admin`select from pg_stat_activity where state = 'active' and query = ${text}`;
    expect(found).toHaveLength(1);
  });

/** Between a client and the server, until it is frozen: then both hear nothing more, and no goodbye. */
async function freezableProxy() {
  const target = new URL(url);
  const ends: Socket[] = [];
  const port = await serverThat((client) => {
    const server = createConnection(Number(target.port), target.hostname);
    server.on("error", () => {});
    client.pipe(server).pipe(client);
    ends.push(client, server);
  });
  onTestFinished(() => {
    for (const end of ends) end.destroy();
  });
  const proxied = new URL(url);
  proxied.port = String(port);
  const freeze = () => {
    for (const end of ends) end.unpipe().pause();
  };
  return { url: proxied.href, freeze };
}

test("close ends a statement that hangs, and every later call fails", async () => {
  const { db, close } = await open();
  const hanging = expect(execute(db, "select pg_sleep(3600)")).rejects.toThrow();
  await running("select pg_sleep(3600)");
  await Promise.all([close(), close()]);
  await hanging;
  await expect(count(db)).rejects.toMatchObject({ code: "unavailable" });
  await close();
});

test("close waits for a statement that is about to end", async () => {
  const { db, close } = await open();
  const call = execute(db, "select 'done' as word from pg_sleep(2)");
  await running("select 'done' as word from pg_sleep(2)");
  await close();
  expect(await call).toEqual([{ word: "done" }]);
});

test("close waits for the calls that were made just before", async () => {
  const { db, close } = await open();
  const calls = Promise.all([count(db), count(db)]);
  await close();
  expect(await calls).toEqual([0, 0]);
});

test("close leaves nothing that keeps the process alive when the server has frozen", async () => {
  const proxy = await freezableProxy();
  const code = `
    import { connect } from "#/src/connect.ts";
    import { forUser } from "#/src/sessions.ts";
    const { db, close } = await connect();
    const count = () => forUser(db, "user", { timeoutMs: 500 }).count();
    await count();
    console.log("connected");
    await new Promise((go) => process.stdin.once("data", go));
    process.stdin.destroy();
    await count().catch((error) => console.log(error.code));
    await close();
    console.log("closed");
  `;
  const { child, printed, ended, stdout } = runCode(code, temporaryFolder(), { DATABASE_URL: proxy.url });
  await printed("connected");
  proxy.freeze();
  child.stdin?.write("\n");
  expect(await ended).toBe(0);
  expect(stdout()).toBe("connected\ntimeout\nclosed\n");
});

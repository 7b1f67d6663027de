import { createConnection, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../../src/connection/connect.js";
import type { Database } from "../../src/model/database.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, rawClient } from "../support/database.js";
import { serverThat } from "../support/network.js";
import { runCode, temporaryFolder } from "../support/program.js";

const url = await migratedDatabase();
const admin = rawClient(url);

async function open(options: ConnectOptions = {}) {
  // No time limit of the server that would end a statement first.
  const connection = await connect({ url, statementTimeoutMs: 3_600_000, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

const notSent = { code: "unavailable", message: expect.stringContaining("nothing was sent") };
const lost = { code: "unavailable", message: expect.stringContaining("unknown") };
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

describe("of more calls than connections", () => {
  test.each([
    ["cold", 0],
    ["warm", 5],
  ])("close waits for all, over %s connections", async (_, before) => {
    const { db, close } = await open();
    await Promise.all(Array.from({ length: before }, () => execute(db, "select pg_sleep(0.01)")));
    const sessions = forUser(db, newUser());
    const created = Array.from({ length: 30 }, () => sessions.create());
    const raw = Array.from({ length: 30 }, (_, call) => execute(db, `select ${call}::int as call`));
    await close();
    expect(new Set((await Promise.all(created)).map(({ id }) => id)).size).toBe(30);
    expect(await Promise.all(raw)).toEqual(raw.map((_, call) => [{ call }]));
  });

  test("close waits for transactions, those that have not begun too", async () => {
    const { db, close } = await open({ max: 2 });
    const transactions = Array.from({ length: 8 }, () =>
      db.transaction(async (transaction) => {
        await transaction.execute(sql`select pg_sleep(0.02)`);
        return count(transaction);
      }),
    );
    await close();
    expect(await Promise.all(transactions)).toEqual(transactions.map(() => 0));
  });

  test("close waits for none that is made after it", async () => {
    const { db, close } = await open();
    const call = execute(db, "select 'awaited' as word from pg_sleep(1)");
    await running("select 'awaited' as word from pg_sleep(1)");
    const closed = close();
    await turn();
    await expect(count(db)).rejects.toMatchObject(notSent);
    expect(await call).toEqual([{ word: "awaited" }]);
    await closed;
  });

  test("close gives up those that still wait at the end of its time, and says that they were not sent", async () => {
    const { db, close } = await open({ max: 1 });
    await admin.begin(async (transaction) => {
      await transaction`lock table journey_sessions`;
      const call = () => forUser(db, newUser()).create();
      const calls = Promise.allSettled([call(), call(), call()]);
      const raw = Promise.allSettled([execute(db, "select 1")]);
      await vi.waitFor(async () => {
        const blocked = admin`
          select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        expect(await blocked).toHaveLength(1);
      });
      await close();
      expect(await calls).toMatchObject([{ reason: lost }, { reason: notSent }, { reason: notSent }]);
      expect(await raw).toMatchObject([{ reason: { cause: { code: "CONNECTION_ENDED" } } }]);
    });
  });
});

test("close leaves nothing that keeps the process alive when the server has frozen", async () => {
  const proxy = await freezableProxy();
  const code = `
    import { connect } from "#/src/connection/connect.ts";
    import { forUser } from "#/src/sessions/define-journey.ts";
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

import { createConnection, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Connection, type ConnectOptions, connect } from "../../src/connection/connect.js";
import type { Database } from "../../src/model/database.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, rawClient } from "../support/database.js";
import { serverThat } from "../support/network.js";
import { runCode, temporaryFolder } from "../support/program.js";

const url = await migratedDatabase();
/** A database whose table a test locks. */
const lockedUrl = await migratedDatabase();
const admin = rawClient(url);
const locking = rawClient(lockedUrl);

/** Tests that wait for a time limit of close() run at the same time. */
const it = test.extend<{ open: (options?: ConnectOptions) => Promise<Connection> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the names of the fixtures that it uses
  open: async ({}, use) => {
    const opened: Connection[] = [];
    await use(async (options) => {
      // The server must not cancel a statement first.
      const connection = await connect({ url, statementTimeoutMs: 3_600_000, ...options });
      opened.push(connection);
      return connection;
    });
    await Promise.all(opened.map(({ close }) => close()));
  },
});

const notSent = { code: "unavailable", message: expect.stringContaining("nothing was sent") };
const lost = { code: "unavailable", message: expect.stringContaining("unknown") };
const count = (db: Database) => forUser(db, newUser()).count();

/** Awaited, since Drizzle sends nothing before. */
const execute = async (db: Database, query: string) => await db.execute(sql.raw(query));

/** Waits until the server runs a statement with that text. */
const running = (text: string) =>
  vi.waitFor(async () => {
    const found = await admin`select from pg_stat_activity where state = 'active' and query = ${text}`;
    expect(found).toHaveLength(1);
  }, 30_000);

/** Forwards between a client and the server until it is frozen. Then neither receives anything, not even a disconnect. */
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

it.concurrent("close ends a statement that hangs, and every later call fails", async ({ open }) => {
  const { db, close } = await open();
  const hanging = expect(execute(db, "select pg_sleep(3600)")).rejects.toThrow();
  await running("select pg_sleep(3600)");
  await Promise.all([close(), close()]);
  await hanging;
  await expect(count(db)).rejects.toMatchObject({ code: "unavailable" });
  await close();
});

it.concurrent("close waits for a statement that is about to end", async ({ open }) => {
  const { db, close } = await open();
  const call = execute(db, "select 'done' as word from pg_sleep(2)");
  await running("select 'done' as word from pg_sleep(2)");
  await close();
  expect(await call).toEqual([{ word: "done" }]);
});

it.concurrent("close waits for the calls that were made just before", async ({ open }) => {
  const { db, close } = await open();
  const calls = Promise.all([count(db), count(db)]);
  await close();
  expect(await calls).toEqual([0, 0]);
});

describe.concurrent("of more calls than connections", () => {
  it.concurrent.for([
    ["cold", 0],
    ["warm", 5],
  ] as const)("close waits for all, over %s connections", async ([, before], { open }) => {
    const { db, close } = await open();
    await Promise.all(Array.from({ length: before }, () => execute(db, "select pg_sleep(0.01)")));
    const sessions = forUser(db, newUser());
    const created = Array.from({ length: 30 }, () => sessions.create());
    const raw = Array.from({ length: 30 }, (_, call) => execute(db, `select ${call}::int as call`));
    await close();
    expect(new Set((await Promise.all(created)).map(({ id }) => id)).size).toBe(30);
    expect(await Promise.all(raw)).toEqual(raw.map((_, call) => [{ call }]));
  });

  it.concurrent("close waits for transactions, those that have not begun too", async ({ open }) => {
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

  it.concurrent("close waits for none that is made after it", async ({ open }) => {
    const { db, close } = await open();
    const call = execute(db, "select 'awaited' as word from pg_sleep(1)");
    await running("select 'awaited' as word from pg_sleep(1)");
    const closed = close();
    await turn();
    await expect(count(db)).rejects.toMatchObject(notSent);
    expect(await call).toEqual([{ word: "awaited" }]);
    await closed;
  });

  it.concurrent("close gives up those that still wait at the end of its time, and says that they were not sent", async ({
    open,
  }) => {
    const { db, close } = await open({ url: lockedUrl, max: 1 });
    await locking.begin(async (transaction) => {
      await transaction`lock table journey_sessions`;
      const call = () => forUser(db, newUser()).create();
      const calls = Promise.allSettled([call(), call(), call()]);
      const raw = Promise.allSettled([execute(db, "select 1")]);
      await vi.waitFor(async () => {
        const blocked = locking`
          select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
        expect(await blocked).toHaveLength(1);
      }, 30_000);
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

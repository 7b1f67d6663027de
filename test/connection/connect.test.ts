import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../../src/connection/connect.js";
import type { Database } from "../../src/model/database.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, rawClient } from "../support/database.js";
import { serverThat } from "../support/network.js";
import { temporaryFolder } from "../support/program.js";

const url = await migratedDatabase();
const admin = rawClient(url);

/** Opens a connection, and closes it after the test. */
async function open(options: ConnectOptions = {}) {
  const connection = await connect({ url, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

async function single(db: Database, query: string): Promise<unknown> {
  const rows = (await db.execute(sql.raw(query))) as unknown as Record<string, unknown>[];
  return Object.values(rows[0] ?? {})[0];
}

const onPort = (port: number) => `postgres://user:secret@127.0.0.1:${port}/any`;
const count = (db: Database) => forUser(db, newUser()).count();
const preparedStatements = (db: Database) => single(db, "select count(*)::int from pg_prepared_statements");

describe("a direct connection", () => {
  test("prepares statements, has a time limit for them and says whose it is", async () => {
    const { db } = await open({ max: 1 });
    await count(db);
    expect(await preparedStatements(db)).toBe(1);
    expect(await single(db, "show statement_timeout")).toBe("15s");
    expect(await single(db, "show application_name")).toBe("journey-db");
  });

  test("takes another time limit", async () => {
    const { db } = await open({ statementTimeoutMs: 1234 });
    expect(await single(db, "show statement_timeout")).toBe("1234ms");
  });

  test("hands the settings in the URL to the server, and none that it would refuse", async () => {
    const settings = "application_name=mine&options=-c%20lock_timeout%3D3s&search_path=chat";
    const { db } = await open({
      url: `${url}?${settings}&schema=public&supa=base-pooler.x&connect_timeout=5`,
    });
    expect(await single(db, "show application_name")).toBe("mine");
    expect(await single(db, "show lock_timeout")).toBe("3s");
    expect(await single(db, "show search_path")).toBe("chat");
  });

  test("goes on unencrypted where that is allowed and the server knows no TLS", async () => {
    const { db } = await open({ url: `${url}?sslmode=prefer` });
    expect(await count(db)).toBe(0);
  });

  test.each(["sslmode=require", "ssl=true", "sslmode=verify-full"])(
    "with %s says that the server knows no TLS, at every call",
    async (demand) => {
      const { db } = await open({ url: `${url}?${demand}`, max: 1 });
      const reason = {
        code: "configuration",
        message: "The server offers no TLS, which the URL or the environment requires. Nothing was sent.",
      };
      const calls = Promise.allSettled([count(db), count(db), count(db)]);
      expect(await calls).toMatchObject([{ reason }, { reason }, { reason }]);
    },
  );

  test("opens at most max connections, five by default", async () => {
    const pids = async (db: Database) => {
      const calls = Array.from({ length: 20 }, () =>
        single(db, "select pg_backend_pid() from pg_sleep(0.02)"),
      );
      return new Set(await Promise.all(calls)).size;
    };
    expect(await pids((await open()).db)).toBe(5);
    expect(await pids((await open({ max: 2 })).db)).toBe(2);
    expect(await pids((await open({ url: `${url}?connection_limit=3` })).db)).toBe(3);
    expect(await pids((await open({ url: `${url}?connection_limit=3`, max: 2 })).db)).toBe(2);
  });

  test("logs in under a name with special characters", async () => {
    const role = "a@b:c/d?e#f%g é";
    await admin`create role ${admin(role)} login`;
    onTestFinished(async () => {
      await admin`drop role ${admin(role)}`;
    });
    const own = new URL(url);
    own.username = encodeURIComponent(role);
    const { db, close } = await open({ url: own.href });
    expect(await single(db, "select current_user")).toBe(role);
    await close();
  });

  test("that is lost is not waited for by close", { timeout: 4_000 }, async () => {
    const { db, close } = await open({ max: 2 });
    const lost = Promise.all([1, 2].map(() => single(db, "select pg_sleep(3600)")));
    const running = () => admin`
      select pid from pg_stat_activity where datname = current_database() and query = 'select pg_sleep(3600)'`;
    await vi.waitFor(async () => expect(await running()).toHaveLength(2), 30_000);
    const ended = expect(lost).rejects.toThrow();
    for (const { pid } of await running()) await admin`select pg_terminate_backend(${pid}, 10000)`;
    await ended;
    await close();
  });

  test("that is lost is replaced", async () => {
    const { db } = await open({ max: 1 });
    const pid = await single(db, "select pg_backend_pid()");
    await admin`select pg_terminate_backend(${Number(pid)}, 10000)`;
    await vi.waitFor(async () => expect(await count(db)).toBe(0), 30_000);
    expect(await single(db, "select pg_backend_pid()")).not.toBe(pid);
  });
});

describe("behind a transaction pooler", () => {
  test.each([
    ["the option", "", true],
    ["the URL", "?pgbouncer=true", undefined],
  ])("as %s says, nothing is prepared and no time limit is sent", async (_, query, pooled) => {
    const { db } = await open({ url: url + query, max: 1, pooled });
    await count(db);
    expect(await preparedStatements(db)).toBe(0);
    expect(await single(db, "show statement_timeout")).toBe("0");
  });

  test("the option counts for more than the URL", async () => {
    const { db } = await open({ url: `${url}?pgbouncer=true`, max: 1, pooled: false });
    await count(db);
    expect(await preparedStatements(db)).toBe(1);
  });
});

describe("a server that is not there", () => {
  const unreachable = {
    code: "unavailable",
    retryable: true,
    message: expect.stringContaining("nothing was sent"),
  };

  test("shows at the first call", async () => {
    const { db } = await open({ url: onPort(1) });
    await expect(count(db)).rejects.toMatchObject(unreachable);
  });

  /** The message AuthenticationCleartextPassword. */
  const askForPassword = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 3]);

  // Well before the 5 seconds that close() waits for calls.
  test.each<[string, string, (socket: Socket) => void]>([
    ["at once", "disable", (socket) => socket.end()],
    ["once it was spoken to", "disable", (socket) => socket.once("data", () => socket.end())],
    [
      "when it has asked for the password",
      "disable",
      (socket) => socket.once("data", () => socket.end(askForPassword)),
    ],
    ["at once, of TLS", "require", (socket) => socket.end()],
    ["once it was asked for TLS", "require", (socket) => socket.once("data", () => socket.end())],
    ["when it has said yes to TLS", "require", (socket) => socket.once("data", () => socket.end("S"))],
    [
      "without a goodbye, when it has said yes to TLS",
      "prefer",
      (socket) => socket.once("data", () => socket.write("S", () => socket.resetAndDestroy())),
    ],
  ])(
    "but something that hangs up, %s (%s), is not called over and over",
    { timeout: 4_000 },
    async (_, sslmode, treat) => {
      let connections = 0;
      const port = await serverThat((socket) => {
        connections++;
        treat(socket);
      });
      const { db, close } = await open({ url: `${onPort(port)}?sslmode=${sslmode}` });
      await expect(count(db)).rejects.toMatchObject({ code: "unavailable", retryable: true });
      expect(connections).toBe(1);
      await expect(count(db)).rejects.toMatchObject({ code: "unavailable", retryable: true });
      expect(connections).toBe(2);
      await close();
    },
  );

  test("but somebody who says yes to TLS and more in the same breath, is not listened to", async () => {
    const port = await serverThat((socket) => socket.once("data", () => socket.write("SR")));
    for (const sslmode of ["prefer", "require"]) {
      const { db } = await open({ url: `${onPort(port)}?sslmode=${sslmode}` });
      await expect(count(db)).rejects.toMatchObject({ code: "configuration" });
    }
  });

  test("is looked for behind a Unix socket", async () => {
    const folder = temporaryFolder();
    const server = createServer((socket) => socket.end()).listen(join(folder, ".s.PGSQL.5433"));
    onTestFinished(() => {
      server.close();
    });
    const connected = once(server, "connection");
    const { db } = await open({ url: `postgres://user@${encodeURIComponent(folder)}:5433/any` });
    await expect(count(db)).rejects.toMatchObject(unreachable);
    await connected;
  });

  test("is not found where there is no Unix socket", async () => {
    const { db } = await open({ url: `postgres://user:secret@/any?host=${temporaryFolder()}` });
    await expect(count(db)).rejects.toMatchObject(unreachable);
  });

  test("for long is used again as soon as it is back", async () => {
    const { port, hostname } = new URL(url);
    let back = false;
    const proxy = await serverThat((client) => {
      if (!back) return void client.end();
      const server = createConnection(Number(port), hostname);
      client
        .once("close", () => server.destroy())
        .pipe(server.on("error", () => {}))
        .pipe(client);
    });
    const proxied = new URL(url);
    proxied.port = String(proxy);
    const { db } = await open({ url: proxied.href });
    for (let round = 0; round < 4; round++) {
      await Promise.allSettled(Array.from({ length: 5 }, () => count(db)));
    }
    back = true;
    expect(await forUser(db, newUser(), { timeoutMs: 5_000 }).count()).toBe(0);
  });

  test("but accepts and is silent, shows after the connect timeout", async () => {
    const { db } = await open({ url: onPort(await serverThat(() => {})) });
    await expect(count(db)).rejects.toMatchObject(unreachable);
  });
});

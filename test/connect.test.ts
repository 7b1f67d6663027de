import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../src/connect.js";
import type { Database } from "../src/database.js";
import { forUser } from "../src/sessions.js";
import { migratedDatabase, newUser, rawClient } from "./support/database.js";
import { serverThat } from "./support/network.js";
import { runCode, temporaryFolder } from "./support/program.js";

const url = await migratedDatabase();
const admin = rawClient(url);

/** A connection of one test's own, closed after it. */
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

  test("takes at most max connections, five unless told otherwise", async () => {
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

  test("that is lost is replaced", async () => {
    const { db } = await open({ max: 1 });
    const pid = await single(db, "select pg_backend_pid()");
    await admin`select pg_terminate_backend(${Number(pid)}, 10000)`;
    await vi.waitFor(async () => expect(await count(db)).toBe(0));
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

  test("but something that hangs up is not called over and over", async () => {
    let connections = 0;
    const port = await serverThat((socket) => {
      connections++;
      socket.end();
    });
    const { db } = await open({ url: onPort(port) });
    await expect(count(db)).rejects.toMatchObject(unreachable);
    expect(connections).toBe(1);
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

  test("but accepts and is silent, shows after the connect timeout", async () => {
    const { db } = await open({ url: onPort(await serverThat(() => {})) });
    await expect(count(db)).rejects.toMatchObject(unreachable);
  });
});

describe("configuration", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test("comes from DATABASE_URL", async () => {
    vi.stubEnv("DATABASE_URL", url);
    const { db, close } = await connect();
    expect(await count(db)).toBe(0);
    await close();
  });

  test("in the option counts for more than DATABASE_URL", async () => {
    vi.stubEnv("DATABASE_URL", "nonsense");
    expect(await count((await open()).db)).toBe(0);
  });

  test.each([undefined, "", "  "])("in production may not be missing: DATABASE_URL %j", async (value) => {
    vi.stubEnv("NODE_ENV", "production");
    vi.stubEnv("DATABASE_URL", value);
    await expect(connect()).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/^DATABASE_URL: expected .* in production/),
    });
  });

  test.each([["DATABASE_URL"], ["options.url"]])(
    "that is no URL is refused by its name: %s",
    async (name) => {
      vi.stubEnv("DATABASE_URL", "mysql://me:hunter2@host/db");
      const refused = connect(name === "options.url" ? { url: "" } : {});
      await expect(refused).rejects.toMatchObject({
        code: "configuration",
        message: `${name}: expected a postgres:// or postgresql:// URL, without quotes`,
      });
    },
  );

  test("that names a file of certificates which is not there is refused", async () => {
    const refused = connect({ url: "postgres://me@host/db?sslmode=verify-full&sslrootcert=/not/there" });
    await expect(refused).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringContaining("sslrootcert"),
    });
  });

  test.each<[string, unknown]>([
    ["max", { max: 0 }],
    ["max", { max: 1001 }],
    ["max", { max: 1.5 }],
    ["max", { max: "5" }],
    ["max", { max: null }],
    ["url", { url: 5 }],
    ["url", { url: null }],
    ["pooled", { pooled: "yes" }],
    ["statementTimeoutMs", { statementTimeoutMs: 0 }],
    ["statementTimeoutMs", { statementTimeoutMs: 2 ** 31 }],
    ["statementTimeoutMs", { statementTimeoutMs: Number.NaN }],
    ["options", { prepare: false }],
    ["options", null],
    ["options", "postgres://me@host/db"],
  ])("refuses an option that is not usable: %s %j", async (name, options) => {
    await expect(connect(options as ConnectOptions)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ["postgres", "postgres://me@127.0.0.1:1/db"],
    ["@electric-sql/pglite", ""],
    ["fs-native-extensions", ""],
  ])("without the package %s says what to install, and importing needs none of it", async (name, given) => {
    const hook = `export const resolve = (specifier, context, next) => {
      if (specifier === "${name}") throw Object.assign(new Error("gone"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(specifier, context);
    };`;
    const code = `
      import { register } from "node:module";
      register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(hook))});
      const { connect } = await import("#/src/index.ts");
      await connect().catch((error) => console.log(error.code, error.message));
    `;
    const folder = temporaryFolder();
    const { ended, stdout } = runCode(code, folder, { DATABASE_URL: given });
    expect(await ended).toBe(0);
    expect(stdout()).toBe(`configuration The package ${name} is missing here: npm install ${name}\n`);
    expect(existsSync(join(folder, ".journey-db", "data"))).toBe(false);
  });
});

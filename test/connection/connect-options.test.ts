import { readdirSync } from "node:fs";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ConnectOptions, connect } from "../../src/connection/connect.js";
import type { Database } from "../../src/model/database.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser } from "../support/database.js";
import { runCode, temporaryFolder } from "../support/program.js";

const url = await migratedDatabase();

const count = (db: Database) => forUser(db, newUser()).count();

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
    const { db, close } = await connect({ url });
    onTestFinished(close);
    expect(await count(db)).toBe(0);
  });

  test.each([undefined, "", "  "])("in production may not be missing: DATABASE_URL %j", async (value) => {
    vi.stubEnv("NODE_ENV", "production");
    vi.stubEnv("DATABASE_URL", value);
    await expect(connect()).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/^DATABASE_URL: expected .* in production/),
    });
  });

  test("may not be missing anywhere where the embedded database is not wanted", async () => {
    vi.stubEnv("DATABASE_URL", "");
    await expect(connect({ embedded: false })).rejects.toMatchObject({
      code: "configuration",
      message: "DATABASE_URL: expected a postgres:// or postgresql:// URL, and it is not set",
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
    ["schema", { schema: null }],
    ["schema", { schema: "public" }],
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

  const needed = [
    ["postgres", "postgres://me@127.0.0.1:1/db", ""],
    ["@electric-sql/pglite", "", "; set DATABASE_URL instead"],
    ["fs-native-extensions", "", "; set DATABASE_URL instead"],
  ] as const;

  /** What connect prints if importing the package fails with that code. */
  async function connectWithout(name: string, url: string, code: string): Promise<string> {
    const hook = `export const resolve = (specifier, context, next) => {
      if (specifier === "${name}") throw Object.assign(new Error("gone"), { code: "${code}" });
      return next(specifier, context);
    };`;
    const program = `
      import { register } from "node:module";
      register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(hook))});
      const { connect } = await import("#/src/index.ts");
      await connect().catch((error) => console.log(error.code, error.message));
    `;
    const folder = temporaryFolder();
    const { ended, stdout } = runCode(program, folder, { DATABASE_URL: url });
    expect(await ended).toBe(0);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => /data|unfinished/.test(file))).toEqual([]);
    return stdout();
  }

  test.each(needed)(
    "without the package %s says what to install, and importing needs none of it",
    async (name, given) => {
      expect(await connectWithout(name, given, "ERR_MODULE_NOT_FOUND")).toBe(
        `configuration The package ${name} is not installed: npm install ${name}\n`,
      );
    },
  );

  test.each(needed)(
    "where the package %s does not load says so, and what to do instead",
    async (name, given, instead) => {
      expect(await connectWithout(name, given, "ERR_DLOPEN_FAILED")).toBe(
        `configuration The package ${name} is installed but does not load on this platform${instead}\n`,
      );
    },
  );
});

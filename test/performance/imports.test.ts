import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { build, type Loaded, loadedBy } from "../support/loaded-modules.js";
import { newFolder, repository, write } from "../support/packages.js";

// A serverless function loads what it imports at each cold start. Not what the code says it imports,
// but what Node then loads, with all that the dependencies import themselves.

const folder = newFolder();

beforeAll(async () => {
  await write(folder, { "package.json": { type: "module" } });
  await symlink(join(repository, "node_modules"), join(folder, "node_modules"), "junction");
  await build(folder);
});

/** The parts of drizzle-orm that are no driver, no migrator and no other database's. */
const DRIZZLE_PARTS = ["cache", "pg-core", "query-builders", "sql"];
const partsOfDrizzle = ({ files }: Loaded) =>
  new Set(files.flatMap((file) => /^drizzle-orm\/([^/]+)\//.exec(file)?.[1] ?? []));
const ownFiles = ({ files }: Loaded) =>
  files.filter((file) => !/^(drizzle-orm|zod|drizzle-zod|ms|postgres)\//.test(file));

describe("importing", () => {
  it("the package loads Drizzle for PostgreSQL and zod: no driver, no migrations, nothing of Node's own", async () => {
    const loaded = await loadedBy(folder, `await load("index");`);
    expect(loaded.packages).toEqual(["drizzle-orm", "zod"]);
    expect(loaded.builtins).toEqual([]);
    expect([...partsOfDrizzle(loaded)].sort()).toEqual(DRIZZLE_PARTS);
    const own = ownFiles(loaded);
    expect(own).toEqual(
      expect.arrayContaining(["index.js", "connection/connect.js", "sessions/define-journey.js"]),
    );
    expect(
      own.filter((file) =>
        /^(connection\/(server|embedded)|migrate|maintenance|schema-zod|admin|cli)\b/.test(file),
      ),
    ).toEqual([]);
  });

  it("./messages loads zod alone, so that a browser may", async () => {
    const loaded = await loadedBy(folder, `await load("messages");`);
    expect(loaded.packages).toEqual(["zod"]);
    expect(loaded.builtins).toEqual([]);
    expect(ownFiles(loaded)).toEqual(["messages.js", "model/text.js"]);
  });

  it("./schema loads the table and no call", async () => {
    const loaded = await loadedBy(folder, `await load("schema-zod");`);
    expect(loaded.packages).toEqual(["drizzle-orm", "drizzle-zod", "zod"]);
    expect(ownFiles(loaded).sort()).toEqual([
      "messages.js",
      "model/errors.js",
      "model/text.js",
      "schema-zod.js",
      "schema.js",
    ]);
  });

  it("./admin loads no driver, no migrations and nothing of a user's sessions", async () => {
    const loaded = await loadedBy(folder, `await load("admin");`);
    expect(loaded.packages).toEqual(["drizzle-orm", "ms", "zod"]);
    expect(loaded.builtins).toEqual([]);
    expect([...partsOfDrizzle(loaded)].sort()).toEqual(DRIZZLE_PARTS);
    const own = ownFiles(loaded);
    expect(own).toEqual(expect.arrayContaining(["admin.js", "admin/prune.js"]));
    expect(
      own.filter((file) =>
        /^(sessions\/(define-journey|verbs)|index|connection|migrate|maintenance)\b/.test(file),
      ),
    ).toEqual([]);
  });

  it("./ai-sdk loads zod alone, so that a browser may: its calls take what the AI SDK and a handle give", async () => {
    const loaded = await loadedBy(folder, `await load("ai-sdk");`);
    expect(loaded.packages).toEqual(["zod"]);
    expect(loaded.builtins).toEqual([]);
    const own = ownFiles(loaded);
    expect(own).toEqual(expect.arrayContaining(["ai-sdk.js", "ai-sdk/start-turn.js", "ai-sdk/turns.js"]));
    expect(
      own.filter((file) => /^(sessions\/(define-journey|verbs)|index|schema|queries)\b/.test(file)),
    ).toEqual([]);
  });

  it("./migrate loads no driver", async () => {
    const loaded = await loadedBy(folder, `await load("migrate");`);
    expect(loaded.packages).toEqual(["drizzle-orm", "zod"]);
    expect([...partsOfDrizzle(loaded)].sort()).toEqual(DRIZZLE_PARTS);
  });
});

it("connecting to a server then loads postgres.js, and nothing of the embedded database", async () => {
  const loaded = await loadedBy(
    folder,
    `const { connect } = await load("index"); await (await connect({ url: "postgres://127.0.0.1:1/none" })).close();`,
  );
  expect(loaded.packages).toEqual(["drizzle-orm", "postgres", "zod"]);
  expect(partsOfDrizzle(loaded)).toContain("postgres-js");
  expect(ownFiles(loaded)).toContain("connection/server.js");
  expect(ownFiles(loaded)).not.toContain("connection/embedded.js");
});

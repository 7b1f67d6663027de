import { createRequire } from "node:module";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { migratedDatabase } from "../support/database.js";
import {
  addPackages,
  installed,
  newFolder,
  npmInstall,
  packedOnce,
  run,
  write,
} from "../support/packages.js";
import { resolveTool } from "../support/tools.js";

// The compiler of tsx.
const { build }: { build(options: object): Promise<unknown> } = createRequire(
  resolveTool("tsx/package.json"),
)("esbuild");

/** Says what connect() makes of a server and of the embedded database: what was stored, or the error. */
const PROGRAM = `
import { connect, forUser } from "@aigos/journey-db";
import { sql } from "drizzle-orm";
const warned = [];
console.warn = (text) => warned.push(text);
const message = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
async function store(options) {
  const { db, close } = await connect(options);
  try {
    // A bundle has no migration files with it.
    if (options.embedded) return { created: (await db.execute(sql\`select 1\`)).rows.length === 1 };
    return await forUser(db, "user_1").append(crypto.randomUUID(), message, { create: true });
  } finally {
    await close();
  }
}
async function main() {
  const says = (options) =>
    store(options).then(
      ({ created }) => ({ created }),
      ({ name, code, message }) => ({ name, code, message }),
    );
  console.log(JSON.stringify({ server: await says({ url: process.argv[2] }), embedded: await says({ embedded: true }), warned }));
}
main();
`;

const missing = (name: string) => ({
  name: "JourneyDbError",
  code: "configuration",
  message: `The package ${name} is not installed: npm install ${name}`,
});
const stored = { created: true };

describe("the tarball in a bundle of esbuild", () => {
  const folder = newFolder();
  const project = join(folder, "project");
  let url: string;

  beforeAll(async () => {
    url = await migratedDatabase();
    const tarball = await packedOnce(folder);
    const peers = await installed("drizzle-orm", "zod");
    await write(project, {
      "package.json": {
        private: true,
        type: "module",
        dependencies: { "@aigos/journey-db": `file:${tarball}`, ...peers },
      },
      "program.js": PROGRAM,
    });
    await npmInstall(project);
  }, 120_000);

  /** Nothing is named as external, as who bundles a server would do at first. */
  async function runBundle(format: "esm" | "cjs", minify: boolean) {
    const outfile = join(project, `out/program.${format === "esm" ? "mjs" : "cjs"}`);
    const entryPoints = [join(project, "program.js")];
    const options = { bundle: true, platform: "node", format, minify, logLevel: "silent" };
    await build({ entryPoints, outfile, ...options });
    return JSON.parse(await run(project, process.execPath, outfile, url));
  }

  // In this order: each has more.
  describe.each([
    {
      with: "no optional peer",
      more: [],
      server: missing("postgres"),
      embedded: missing("@electric-sql/pglite"),
    },
    { with: "postgres", more: ["postgres"], server: stored, embedded: missing("@electric-sql/pglite") },
    { with: "both", more: ["@electric-sql/pglite"], server: stored, embedded: stored },
  ] as const)("with $with", ({ more, server, embedded }) => {
    beforeAll(() => addPackages(project, ...more));

    test.each([
      ["esm", false],
      ["cjs", false],
      ["esm", true],
      ["cjs", true],
    ] as const)("as %s, minified: %s", async (format, minify) => {
      const said = await runBundle(format, minify);
      expect(said.server).toEqual(server);
      expect(said.embedded).toEqual(embedded);
    });
  });

  test("says how to migrate the embedded database, until it is migrated", async () => {
    const notMigrated = expect.stringContaining("npx journey-db migrate --embedded");
    expect((await runBundle("esm", false)).warned).toContainEqual(notMigrated);
    await run(project, "npx", "--no", "--", "journey-db", "migrate", "--embedded");
    expect((await runBundle("esm", false)).warned).not.toContainEqual(notMigrated);
  }, 60_000);
});

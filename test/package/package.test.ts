import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  addPackages,
  installed,
  installOutputOf,
  newFolder,
  pack,
  repository,
  run,
  write,
} from "../support/packages.js";

const ENTRY_POINTS = [
  "",
  "/schema",
  "/messages",
  "/message-rows",
  "/durable-replies",
  "/migrate",
  "/admin",
  "/ai-sdk",
].map((path) => `@aigos/journey-db${path}`);

/** The packages that a module and what it imports load at once; `import()` waits for a call. */
async function loadedPackages(module: string): Promise<string[]> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const walk = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = await readFile(file, "utf8");
    for (const [, specifier = ""] of code.matchAll(
      /^(?:import|export)\s(?:[\w*{][^;"]*?\sfrom\s)?"([^"]+)";$/gm,
    )) {
      if (specifier.startsWith(".")) await walk(join(dirname(file), specifier));
      // Of a package with drivers in it, the path says which.
      else packages.add(specifier.replace(/^drizzle-orm\/pg-core$/, "drizzle-orm"));
    }
  };
  await walk(module);
  return [...packages].sort();
}

describe("the tarball in an empty project", () => {
  let files: string[];
  let installOutput: string;
  const folder = newFolder();
  const project = join(folder, "project");
  const node = (script: string) => run(project, process.execPath, "--input-type=module", "--eval", script);

  beforeAll(async () => {
    const packed = await pack(folder);
    files = packed.files;
    const peers = await installed("drizzle-orm", "zod");
    await write(project, {
      "package.json": {
        private: true,
        type: "module",
        dependencies: { "@aigos/journey-db": `file:${packed.tarball}`, ...peers },
      },
    });
    installOutput = await installOutputOf(project);
  }, 120_000);

  test("installs without a word of npm's", () => {
    expect(installOutput).not.toMatch(/warn/i);
  });

  test("has no script that npm warns of, and the repository keeps its own", async () => {
    const packed = JSON.parse(
      await readFile(join(project, "node_modules/@aigos/journey-db/package.json"), "utf8"),
    );
    const own = JSON.parse(await readFile(join(folder, "clone/package.json"), "utf8"));
    const { scripts, devDependencies, ...rest } = own;
    const { prepare, ...others } = scripts;
    expect(packed).toEqual({ ...rest, scripts: others });
    expect(prepare).toBeDefined();
  });

  test("leaves the repository its manifest when packing was broken off, and what was edited since", async () => {
    const clone = join(folder, "clone");
    const manifest = () => readFile(join(clone, "package.json"), "utf8");
    const strip = () => run(clone, process.execPath, "scripts/packed-manifest.js", "strip");
    const own = await manifest();
    await strip();
    expect(await manifest()).not.toBe(own);
    await run(clone, "npm", "run", "build");
    expect(await manifest()).toBe(own);
    await strip();
    const edited = own.replace("0.1.0", "0.2.0");
    await write(clone, { "package.json": edited });
    await run(clone, "npm", "run", "build");
    await strip();
    await run(clone, process.execPath, "scripts/packed-manifest.js", "restore");
    expect(await manifest()).toBe(edited);
    await write(clone, { "package.json": own });
  }, 120_000);

  test("holds the build, the migrations and what a reader needs, and nothing else", async () => {
    const sources = await readdir(join(repository, "src"), { recursive: true });
    const built = sources
      .filter((name) => /(?<!\.d)\.ts$/.test(name))
      .flatMap((name) => [name.replace(/ts$/, "js"), name.replace(/ts$/, "d.ts")])
      .map((name) => `dist/${name}`);
    const migrations = await readdir(join(repository, "drizzle"), { recursive: true });
    const shipped = migrations.filter((name) => /\.(sql|json)$/.test(name)).map((name) => `drizzle/${name}`);
    const bin = ["bin/journey-db.js"];
    const docs = (await readdir(join(repository, "docs"))).map((name) => `docs/${name}`);
    const texts = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
    expect(files.toSorted()).toEqual([...bin, ...built, ...shipped, ...docs, ...texts].toSorted());
    expect(files).toContain("drizzle/meta/_journal.json");
  });

  test("names no source map, since it has none", async () => {
    const dist = join(project, "node_modules/@aigos/journey-db/dist");
    for (const name of await readdir(dist, { recursive: true })) {
      if (!/\.(js|ts)$/.test(name)) continue;
      expect(await readFile(join(dist, name), "utf8"), name).not.toContain("sourceMappingURL");
    }
  });

  test("needs no compiler and none of the optional peers", async () => {
    const modules = await readdir(join(project, "node_modules"));
    for (const absent of ["typescript", "postgres", "@electric-sql", "drizzle-kit"])
      expect(modules).not.toContain(absent);
  });

  test("has every entry point that README imports", async () => {
    const readme = await readFile(join(repository, "README.md"), "utf8");
    const imported = [...readme.matchAll(/from "(@aigos\/journey-db[^"]*)"/g)].map(([, name]) => name);
    expect(ENTRY_POINTS).toEqual(expect.arrayContaining(imported));
    expect(imported).toContain(ENTRY_POINTS[0]);
  });

  test.each(ENTRY_POINTS)("%s imports under plain node, which then ends by itself", async (entryPoint) => {
    const names = await node(
      `import * as entry from ${JSON.stringify(entryPoint)}; console.log(JSON.stringify(Object.keys(entry)));`,
    );
    expect(JSON.parse(names)).not.toEqual([]);
  });

  test("can be required from CommonJS", async () => {
    const script = `console.log(${JSON.stringify(ENTRY_POINTS)}.every((name) => Object.keys(require(name)).length > 0))`;
    expect(await run(project, process.execPath, "--input-type=commonjs", "--eval", script)).toBe("true\n");
  });

  const compile = (name: string, text: string, ...options: string[]) =>
    write(project, { [name]: text }).then(() =>
      run(
        project,
        process.execPath,
        join(repository, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--skipLibCheck", "--target", "es2023", "--types", "", ...options, name],
      ),
    );
  const program = 'import { forUser } from "@aigos/journey-db";\nconsole.log(forUser);\n';

  test.each([
    ["esnext", "bundler", "program.ts"],
    ["node16", "node16", "program.mts"],
    ["nodenext", "nodenext", "program.mts"],
    ["nodenext", "nodenext", "program.cts"],
  ])("type-checks with module %s and moduleResolution %s in %s", async (module, resolution, name) => {
    await compile(name, program, "--module", module, "--moduleResolution", resolution);
  });

  test("CommonJS with module node16 gets the error that docs/install.md names", async () => {
    await expect(compile("old.cts", program, "--module", "node16")).rejects.toThrow("error TS1479");
  });

  test("keeps its inner modules to itself", async () => {
    await expect(node(`import "@aigos/journey-db/dist/sessions.js";`)).rejects.toThrow(
      "ERR_PACKAGE_PATH_NOT_EXPORTED",
    );
  });

  test("answers to its name on the command line", async () => {
    const help = await run(project, "npx", "--no", "--", "journey-db", "--help");
    expect(help).toContain("migrate");
    expect(help).toContain("verify");
  });

  test("says where native code is missing, as on Alpine, that the embedded database cannot be had", async () => {
    await addPackages(project, "@electric-sql/pglite");
    // What the loader of native code looks at.
    const output = await node(`
      import fs from "node:fs";
      const { existsSync } = fs;
      fs.existsSync = (path) => path === "/etc/alpine-release" || existsSync(path);
      const { connect } = await import("@aigos/journey-db");
      await connect().catch(({ code, message }) => console.log(JSON.stringify({ code, message })));
    `);
    expect(JSON.parse(output)).toEqual({
      code: "configuration",
      message:
        "The package fs-native-extensions is installed but does not load on this platform; set DATABASE_URL instead",
    });
  });

  test.each([
    ["messages", ["zod"]],
    ["schema-zod", ["drizzle-orm", "drizzle-zod", "zod"]],
    ["index", ["drizzle-orm", "zod", "zod/v4/core"]],
  ])("%s loads at once %j, so no driver and nothing that a browser lacks", async (entry, packages) => {
    const dist = join(project, "node_modules/@aigos/journey-db/dist");
    expect(await loadedPackages(join(dist, `${entry}.js`))).toEqual(packages);
  });

  test("appends on the embedded database", async () => {
    await addPackages(project, "@electric-sql/pglite");
    const output = await node(`
      import { connect, forUser } from "@aigos/journey-db";
      import { migrate, verify } from "@aigos/journey-db/migrate";
      const { db, close } = await connect();
      const { applied } = await migrate(db);
      const message = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
      const { created } = await forUser(db, "user_1").append(crypto.randomUUID(), message, { create: true });
      console.log(JSON.stringify({ created, applied, findings: await verify(db) }));
      await close();
    `);
    // Opening it has applied them.
    expect(JSON.parse(output)).toEqual({ created: true, applied: [], findings: [] });
  }, 60_000);
});

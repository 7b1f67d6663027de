import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runIn } from "./cli.js";
import { blocksOf, readDocument } from "./markdown.js";
import { newFolder, repository } from "./packages.js";
import { nodeArguments, TSX } from "./tools.js";

export const schemaBlocks = blocksOf(readDocument("docs/schema.md"));

/** An application that has this package installed, with each file of docs/schema.md. Removed after the test file. */
export function schemaApplication(): string {
  const folder = newFolder();
  const link = (target: string, name: string) => {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    symlinkSync(target, join(folder, "node_modules", name), "junction");
  };
  for (const name of ["drizzle-orm", "drizzle-zod", "postgres", "zod", "@electric-sql"])
    link(join(repository, "node_modules", name), name);
  link(join(repository, "scripts/node_modules/drizzle-kit"), "drizzle-kit");
  const build = process.env.TEST_BUILD as string;
  for (const [name, target] of [
    ["package.json", join(repository, "package.json")],
    ["dist", join(build, "src")],
  ] as const)
    link(target, join("@aigos/journey-db", name));
  mkdirSync(join(folder, "node_modules/.bin"));
  for (const [name, file] of [
    ["journey-db", "src/cli.ts"],
    ["drizzle-kit", "scripts/node_modules/drizzle-kit/bin.cjs"],
  ] as const) {
    const start = [process.execPath, ...nodeArguments(file)].map((one) => `"${one}"`).join(" ");
    writeFileSync(join(folder, "node_modules/.bin", name), `#!/bin/sh\nexec ${start} "$@"\n`);
    chmodSync(join(folder, "node_modules/.bin", name), 0o755);
  }
  writeFileSync(join(folder, "package.json"), '{ "name": "app", "private": true }');
  for (const { lang, value } of schemaBlocks) {
    const name = lang === "ts" && /^\/\/ (\S+)/.exec(value)?.[1];
    if (!name) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), value);
  }
  return folder;
}

/** Runs programs in the application. */
export const programIn = (folder: string) => async (program: string, env: Record<string, string>) => {
  writeFileSync(join(folder, "program.mts"), `${program}\nprocess.exit();`);
  return runIn(folder, env, process.execPath, "--import", TSX, "program.mts");
};

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { repository, resolveTool } from "./tools.js";

/**
 * Makes plain JavaScript of this repository's programs, in a folder of the run's own, since Node starts that in a third of the time
 * that tsx takes. test/support/tools.ts finds it by TEST_BUILD.
 *
 * @returns its removal
 */
export async function build(): Promise<() => void> {
  // Here their packages are found, and tools that look through the repository do not find the folder.
  const cache = join(repository, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "journey-db-test-"));
  const files = ["src", "scripts", "test/support"].flatMap((source) =>
    readdirSync(join(repository, source), { recursive: true, encoding: "utf8" })
      .filter((file) => /(?<!\.d)\.ts$|^[\w-]+\.js(on)?$/.test(file) && !file.includes("node_modules"))
      .map((file) => join(source, file)),
  );
  // The compiler of tsx.
  const { build } = createRequire(resolveTool("tsx/package.json"))("esbuild");
  await build({
    absWorkingDir: repository,
    entryPoints: files,
    outbase: ".",
    outdir: folder,
    platform: "node",
    format: "esm",
    target: "node20",
    loader: { ".json": "copy" },
    logLevel: "warning",
  });
  for (const path of [
    "package.json",
    "dist",
    "examples",
    "drizzle",
    "scripts/node_modules",
    "test/node_modules",
    "test/fixtures",
  ]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(repository, path), join(folder, path), path.includes(".") ? "file" : "junction");
  }
  process.env.TEST_BUILD = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

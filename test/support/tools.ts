import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const repository = fileURLToPath(new URL("../..", import.meta.url));

/** Resolves what scripts/package.json brings. */
export const { resolve: resolveTool } = createRequire(join(repository, "scripts/run.js"));

/** For `node --import`: loads TypeScript. */
export const TSX = pathToFileURL(resolveTool("tsx")).href;

/**
 * What Node is given to run a program of this repository, such as `src/cli.ts`: within a run of vitest its JavaScript,
 * which test/support/build.ts made; elsewhere, as in the benchmarks, its source.
 */
export function nodeArguments(file: string): string[] {
  const { TEST_BUILD } = process.env;
  if (!file.endsWith(".ts")) return [join(repository, file)];
  return TEST_BUILD
    ? [join(TEST_BUILD, file.replace(/ts$/, "js"))]
    : ["--import", TSX, join(repository, file)];
}

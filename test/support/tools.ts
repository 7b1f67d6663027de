import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Resolves what scripts/package.json brings. */
export const { resolve: resolveTool } = createRequire(new URL("../../scripts/run.js", import.meta.url));

/** For `node --import`: loads TypeScript. */
export const TSX = pathToFileURL(resolveTool("tsx")).href;

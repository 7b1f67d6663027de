import { resolve } from "node:path";
import type { Plugin } from "vitest/config";

/** Whether this run is of messages in rows. Its tests are those of the column, with another handle. */
export const IN_ROWS = process.env.LAYOUT === "rows";

const folder = import.meta.dirname;
const replaced = resolve(folder, "../../src/index.ts");
const replacement = resolve(folder, "in-rows.ts");

/** Gives test files the handle of `in-rows.ts` for that of the package. */
export const inRows: Plugin = {
  name: "messages-in-rows",
  enforce: "pre",
  resolveId(source, importer) {
    if (!importer?.startsWith(resolve(folder, "..")) || importer === replacement) return null;
    return resolve(importer, "..", source.replace(/\.js$/, ".ts")) === replaced ? replacement : null;
  },
};

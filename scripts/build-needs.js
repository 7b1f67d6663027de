import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const { resolve } = createRequire(import.meta.url);
const needed = ["typescript/package.json", "@types/node/package.json", "postgres", "@electric-sql/pglite"];

/** Whether the dev dependencies are there that the build needs. */
export const canBuild = () =>
  needed.every((name) => {
    try {
      return resolve(name) !== "";
    } catch {
      return false;
    }
  });

/** The compiler. */
export const tsc = () => join(dirname(resolve("typescript/package.json")), "bin/tsc");

import { statSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/** Answers, when it is asked, how many files of JavaScript were loaded since, by import or require, and their bytes. */
export function watchModules() {
  const files = new Set();
  registerHooks({
    load(url, context, nextLoad) {
      if (/^file:.*\.[cm]?js$/.test(url)) files.add(fileURLToPath(url));
      return nextLoad(url, context);
    },
  });
  return () => {
    let bytes = 0;
    for (const file of files) bytes += statSync(file).size;
    return { files: files.size, bytes };
  };
}

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repository, run } from "./packages.js";

/** Tells of each module as it is loaded. In text, since it runs where nothing is compiled. */
const HOOK = `
import { writeSync } from "node:fs";
export async function load(url, context, nextLoad) {
  writeSync(1, url + "\\n");
  return nextLoad(url, context);
}`;
const asUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
const REGISTER = asUrl(`import { register } from "node:module"; register(${JSON.stringify(asUrl(HOOK))});`);

export interface Loaded {
  /** Names of packages, in order. */
  packages: string[];
  /** Names of Node's own modules, in order. */
  builtins: string[];
  /** Paths of files, from the folder of this package's build or of node_modules on. */
  files: string[];
}

/** Compiles src into a folder in which its dependencies are found. */
export async function build(folder: string): Promise<void> {
  const options = ["--outDir", join(folder, "dist"), "--declaration", "false", "--declarationMap", "false"];
  await run(repository, "npx", "--no", "--", "tsc", "-p", "tsconfig.build.json", ...options);
}

/** What plain Node loads for the code, in which `load("index")` imports a module of the build. */
export async function loadedBy(folder: string, code: string): Promise<Loaded> {
  const dist = pathToFileURL(join(folder, "dist/")).href;
  const script = `
    const load = (name) => import(${JSON.stringify(dist)} + name + ".js");
    const { createRequire } = process.getBuiltinModule("node:module");
    // What is loaded by require() passes the hook by.
    process.on("exit", () => {
      for (const file of Object.keys(createRequire(${JSON.stringify(dist)}).cache)) console.log("file://" + file);
    });
    ${code}`;
  const args = ["--import", REGISTER, "--input-type=module", "--eval", script];
  const output = await run(folder, process.execPath, ...args);
  const urls = [...new Set(output.trim().split("\n"))].filter((url) => !url.startsWith("data:"));
  const files = urls
    .filter((url) => url.startsWith("file:"))
    .map((url) => url.replace(dist, "").replace(/^.*\/node_modules\//, ""));
  const packages = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  const builtins = urls.filter((url) => url.startsWith("node:"));
  return { files, packages: [...new Set(packages)].sort(), builtins: builtins.sort() };
}

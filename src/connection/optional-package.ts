import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { JourneyDbError } from "../model/errors.js";

/** What import() says of a package that is not there, in Node.js and in a bundle. */
const NOT_FOUND = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);
const isNotFound = (error: unknown) =>
  NOT_FOUND.has((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/**
 * The error for a package that an application may have left out.
 *
 * @param error what import() threw
 * @param instead what to do where the package is there and does not load
 */
export function packageError(name: string, error: unknown, instead?: string): JourneyDbError {
  const what = isNotFound(error)
    ? `is missing here: npm install ${name}`
    : `is there, but does not load on this platform${instead ? `; ${instead}` : ""}`;
  return new JourneyDbError("configuration", `The package ${name} ${what}`);
}

/** import() that bundlers do not look into, resolved when it runs. */
async function importUnbundled<Module>(name: string): Promise<Module> {
  const load = (from: string): Promise<Module> =>
    import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ from);
  try {
    return await load(name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // A bundle does not see what the package manager puts beside this package alone, as pnpm does.
    // By globalThis, since a build of Next.js warns of process.cwd in what an edge route may load.
    const application = createRequire(join(globalThis.process.cwd(), "package.json"));
    const { resolve } = createRequire(application.resolve("@aigos/journey-db"));
    return load(pathToFileURL(resolve(name)).href);
  }
}

/**
 * Loads a package that an application may have left out and that no bundler can take in: native code, WebAssembly with
 * files beside it, and what imports these itself, where a bundler would stop if they are missing.
 *
 * @param instead what to do where it is there and does not load
 * @throws JourneyDbError configuration, saying what to install
 */
export async function needUnbundled<Module>(name: string, instead?: string): Promise<Module> {
  try {
    return await importUnbundled<Module>(name);
  } catch (error) {
    throw packageError(name, error, instead);
  }
}

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { JourneyDbError } from "../model/errors.js";

/** Whether import() failed because the package is not there, in Node.js or in a bundle. */
const isNotFound = (error: unknown) =>
  ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(
    (error as NodeJS.ErrnoException | undefined)?.code ?? "",
  );

/**
 * The error for an optional package that could not be imported.
 *
 * @param error what import() threw
 * @param instead what to do if the package is installed and does not load
 */
export function packageError(name: string, error: unknown, instead?: string): JourneyDbError {
  const what = isNotFound(error)
    ? `is not installed: npm install ${name}`
    : `is installed but does not load on this platform${instead ? `; ${instead}` : ""}`;
  return new JourneyDbError("configuration", `The package ${name} ${what}`);
}

/**
 * Imports an optional package that bundlers must leave alone: native code, WebAssembly with separate files, and
 * packages that import these themselves, which would stop a bundler if they are missing.
 *
 * @param instead what to do if the package is installed and does not load
 * @throws JourneyDbError configuration, saying what to install
 */
export async function importOptional<Module>(name: string, instead?: string): Promise<Module> {
  const load = (from: string): Promise<Module> =>
    import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ from);
  try {
    return await load(name).catch((error) => {
      if (!isNotFound(error)) throw error;
      // A bundle cannot resolve what pnpm installs for this package alone.
      // globalThis, since Next.js warns about process.cwd in code that an edge route may load.
      const application = createRequire(join(globalThis.process.cwd(), "package.json"));
      const { resolve } = createRequire(application.resolve("@aigos/journey-db"));
      return load(pathToFileURL(resolve(name)).href);
    });
  } catch (error) {
    throw packageError(name, error, instead);
  }
}

import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const EXAMPLE = fileURLToPath(new URL("../..", import.meta.url));
const isSource = (name: string) => !/^(\..*|e2e|node_modules|screenshots)$/.test(name);

/** As deep in the repository as the example is, which next.config.ts counts on. */
export const COPIES = fileURLToPath(new URL("../../../../.cache", import.meta.url));

/** The copy of the example that is built for the whole run. */
export const BUILT = join(COPIES, "journey-chat");

/** Copies the example, so that a build and .env files that somebody uses are not touched. A build in the folder stays. */
export function copyExample(folder: string): void {
  mkdirSync(folder, { recursive: true });
  // What the example has no longer must not stay.
  for (const name of readdirSync(folder).filter(isSource)) rmSync(join(folder, name), { recursive: true });
  for (const name of readdirSync(EXAMPLE).filter(isSource))
    cpSync(join(EXAMPLE, name), join(folder, name), { recursive: true });
  const installed = join(folder, "node_modules");
  // Never install there: npm would empty the folder that the link leads to.
  if (!existsSync(installed)) symlinkSync(join(EXAMPLE, "node_modules"), installed);
}

/** The command line of Next.js. */
export const NEXT = createRequire(import.meta.url).resolve("next/dist/bin/next");

/** This process's environment for Next.js: as in production, and with the scripted model. */
export function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, DIRECT_URL: __, AI_GATEWAY_API_KEY: ___, ...inherited } = process.env;
  return { ...inherited, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1", ...more };
}

/** Migrates a database as a deployment does: `npm run migrate`. */
export const migrate = (databaseUrl: string) =>
  promisify(execFile)(process.execPath, ["db/migrate.js"], {
    cwd: BUILT,
    env: environment({ DATABASE_URL: databaseUrl }),
  });

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, cpus, release, totalmem, type } from "node:os";
import { dirname, join } from "node:path";
import { pgbouncerVersion } from "../test/support/pgbouncer-process.js";
import type { Results } from "./results.js";

/** The drivers and libraries that calls go through; the rest is in bench/package.json. */
const DRIVERS = ["drizzle-orm", "postgres", "pg"];

function machine(): Results["machine"] {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryBytes: totalmem(),
    os: `${type()} ${release().split("-")[0]} ${arch()}`,
  };
}

/** The versions of the packages that are measured. */
function versions(): Record<string, string> {
  const own = new URL("../package.json", import.meta.url);
  const bench = new URL("package.json", import.meta.url);
  const { name, version } = manifest(own);
  const others = Object.entries(manifest(bench).dependencies ?? {}).filter(([dependency]) =>
    /^@(mastra|voltagent|langchain)\//.test(dependency),
  );
  const pgbouncer = pgbouncerVersion();
  return {
    [name]: version,
    ...Object.fromEntries(DRIVERS.map((driver) => [driver, versionOf(driver)])),
    ...Object.fromEntries(others),
    ...(pgbouncer && { pgbouncer }),
  };
}

function manifest(from: URL | string): {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
} {
  return JSON.parse(readFileSync(from, "utf8"));
}

/** By the folder that its entry point is in: not every package exports its package.json. */
function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    try {
      const found = manifest(join(folder, "package.json"));
      if (found.name === name) return found.version;
    } catch {
      // There is none in this folder.
    }
    if (dirname(folder) === folder) throw new Error(`${name} is not installed`);
    folder = dirname(folder);
  }
}

/** The description of the run in the results. */
export const about = ({ quick, server }: { quick: boolean; server?: string | undefined }) => ({
  made: new Date().toISOString(),
  // Not the URL, which may contain a password.
  command: `npm run bench${quick || server ? " --" : ""}${quick ? " --quick" : ""}${server ? " --server …" : ""}`,
  quick,
  machine: machine(),
  node: process.versions.node,
  versions: versions(),
});

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const repository = fileURLToPath(new URL("..", import.meta.url));

/**
 * Folders with a package.json of their own. What is needed to work on this package, and not to use it, is there: the
 * devDependencies of the root are installed by each application that has this package in its workspace, too.
 */
export const SCRIPTS = "scripts";
export const CHECKS = "scripts/checks";
export const TEST = "test";

/**
 * Installs the packages of such a folder, where that has not been done since its lock file changed.
 *
 * @param {string} path
 * @returns {Promise<void>}
 */
export async function installFolder(path) {
  const folder = join(repository, path);
  /** @param {string} file */
  const versionsIn = async (file) => {
    const { packages } = JSON.parse(await readFile(join(folder, file), "utf8"));
    /** @type {[string, { version?: string, optional?: boolean }][]} */
    const named = Object.entries(packages);
    // The root, and packages for another machine, are in one of the two files alone.
    return Object.fromEntries(
      named.flatMap(([name, { version, optional }]) => (name && !optional ? [[name, version]] : [])),
    );
  };
  const wanted = await versionsIn("package-lock.json");
  const installed = await versionsIn("node_modules/.package-lock.json").catch(() => undefined);
  if (installed && Object.entries(wanted).every(([name, version]) => installed[name] === version)) return;
  console.error(`Installing what is needed in ${path}/ …`);
  await promisify(execFile)("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund"], {
    cwd: folder,
    shell: process.platform === "win32",
  });
}

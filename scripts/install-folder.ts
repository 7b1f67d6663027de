import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const repository = fileURLToPath(new URL("..", import.meta.url));

/** Folders of packages that only some tests need, and that an install of the root would complain of or be bound by. */
export const AI_SDK_PACKAGES = "test/ai-sdk";
export const PG_DUMP_PACKAGES = "test/support/pg-dump";

/** Installs the packages of a folder that has a package.json of its own, where that has not been done since its lock file changed. */
export async function installFolder(path: string): Promise<void> {
  const folder = join(repository, path);
  const versionsIn = async (file: string): Promise<Record<string, string | undefined>> => {
    const { packages } = JSON.parse(await readFile(join(folder, file), "utf8"));
    const named = Object.entries<{ version?: string; optional?: boolean }>(packages);
    // The root, and packages for another machine, are in one of the two files alone.
    return Object.fromEntries(
      named.flatMap(([name, { version, optional }]) => (name && !optional ? [[name, version]] : [])),
    );
  };
  const wanted = await versionsIn("package-lock.json");
  const installed = await versionsIn("node_modules/.package-lock.json").catch(() => undefined);
  if (installed && Object.entries(wanted).every(([name, version]) => installed[name] === version)) return;
  await promisify(execFile)("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund"], { cwd: folder });
}

/** Installs the example application where that was not done yet, and builds the package that it is linked with. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const EXAMPLE = fileURLToPath(new URL("../examples/journey-chat/", import.meta.url));

function npm(...args: string[]): void {
  const { status } = spawnSync("npm", args, {
    cwd: EXAMPLE,
    // tsc says on stdout what it does not like.
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** npm writes its own lock file last: an install that was interrupted has none, and one that is out of date an older one. */
function isInstalled(): boolean {
  const installed = statSync(`${EXAMPLE}node_modules/.package-lock.json`, { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(`${EXAMPLE}package-lock.json`).mtimeMs;
}

if (!isInstalled()) {
  console.log("Installing the example's own dependencies …");
  npm("ci");
}
// A copy was made after a build, and others may be reading it.
if (!process.env.EXAMPLE_FOLDER) npm("run", "build", "--silent", "--prefix", "../..");

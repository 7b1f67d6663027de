/** Installs the example application where that was not done yet, and builds the package that it is linked with. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const EXAMPLE = fileURLToPath(new URL("../examples/journey-chat/", import.meta.url));

function npm(...args: string[]): void {
  const { status } = spawnSync("npm", args, {
    cwd: EXAMPLE,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}

// The last that npm writes: an install that was interrupted has none.
if (!existsSync(`${EXAMPLE}node_modules/.package-lock.json`)) {
  console.log("Installing the example's own dependencies …");
  npm("ci");
}
npm("run", "build", "--prefix", "../..");

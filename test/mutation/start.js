/** Changes the source in every small way, one at a time, and looks whether a test notices. Arguments are Stryker's. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

if (!existsSync(here("node_modules"))) {
  const install = ["ci", "--prefix", here(".")];
  const { status } = spawnSync("npm", install, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) process.exit(1);
}
const stryker = here("node_modules/@stryker-mutator/core/bin/stryker.js");
const { status } = spawnSync(
  process.execPath,
  [stryker, "run", here("stryker.config.json"), ...process.argv.slice(2)],
  { cwd: here("../.."), stdio: "inherit" },
);
process.exitCode = status ?? 1;

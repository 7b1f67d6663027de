/** Builds the package and measures the build, on a Node.js that all contestants support. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { installFolder, SCRIPTS, TEST } from "../scripts/install-folder.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const bench = fileURLToPath(new URL(".", import.meta.url));

const isNewEnough = () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 15);
};

for (const folder of [SCRIPTS, TEST, "bench"]) await installFolder(folder);
const build = spawnSync("npm", ["run", "build"], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
  shell: process.platform === "win32",
});
if (build.status !== 0) process.exit(1);

const installed = `${bench}node_modules/node-${process.platform}-${process.arch}/bin/node`;
const node = isNewEnough() ? process.execPath : existsSync(installed) ? installed : undefined;
if (!node) {
  console.error(`The benchmark needs Node.js 22.15 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

const tsx = pathToFileURL(createRequire(`${root}scripts/`).resolve("tsx")).href;
const flags = ["--import", tsx, "--expose-gc"];
const child = spawn(node, [...flags, `${bench}run.ts`, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
  // Otherwise a contestant checks for updates on the network.
  env: { ...process.env, NODE_ENV: "production" },
});
// The child tidies up. Ctrl-C reaches it without this.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (status) => {
  process.exitCode = status ?? 1;
});

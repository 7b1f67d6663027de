/**
 * Runs a TypeScript file, or a program of scripts/ or scripts/checks/, with its arguments: `node scripts/run.js
 * scripts/demo.ts`, `node scripts/run.js biome check`. What it needs is installed at the first time.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CHECKS, installFolder, SCRIPTS } from "./install-folder.js";

const [name = "", ...args] = process.argv.slice(2);

async function runTypeScript() {
  await installFolder(SCRIPTS);
  const { register } = await import("tsx/esm/api");
  register();
  process.argv.splice(1, 2, resolve(name));
  await import(pathToFileURL(resolve(name)).href);
}

async function runProgram() {
  await installFolder(SCRIPTS);
  const programOf = (folder) =>
    fileURLToPath(new URL(join("..", folder, "node_modules/.bin", name), import.meta.url));
  let program = programOf(SCRIPTS);
  if (!existsSync(program)) {
    await installFolder(CHECKS);
    program = programOf(CHECKS);
  }
  const child = spawn(program, args, {
    stdio: "inherit",
    shell: process.platform === "win32",
    // Some pack this package to look at it, which must not change package.json while others read it.
    env: { ...process.env, npm_config_ignore_scripts: "true" },
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  const [status, signal] = await new Promise((ended, failed) => {
    child.once("error", failed);
    child.once("exit", (...how) => ended(how));
  });
  process.exitCode = status ?? 128 + constants.signals[signal];
}

await (name.endsWith(".ts") ? runTypeScript() : runProgram());

/** Runs every `check:…` script of package.json side by side; prints what the failing ones say, and exits with 1 if any fails. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { CHECKS, installFolder, SCRIPTS, TEST } from "./install-folder.js";

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync("package.json", "utf8"));
const names = Object.keys(scripts).filter((name) => name.startsWith("check:"));

async function passes(name: string): Promise<boolean> {
  const start = performance.now();
  const child = spawn(`npm run --silent ${name} 2>&1`, { shell: true, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const output = await text(child.stdout);
  const passed = (await ended) === 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${passed ? "ok    " : "FAILED"} ${name.padEnd(18)} ${scripts[name]} (${seconds} s)`);
  if (!passed) console.log(`\n${output}`);
  return passed;
}

// First, and not by two scripts at once; the tests have types of theirs.
for (const folder of [SCRIPTS, CHECKS, TEST]) await installFolder(folder);
const results = await Promise.all(names.map(passes));
const failed = names.filter((_, n) => !results[n]);
if (failed.length > 0) {
  console.log(`${failed.length} of ${names.length} failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}

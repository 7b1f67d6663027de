import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { nodeArguments } from "./tools.js";

/** A folder of one test's own, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "journey-db-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Program {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Its exit status, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
  /** Until it has printed the text. Fails where it ends first. */
  printed(text: string): Promise<void>;
}

/** Runs Node with no database configured; it and what it started are killed after the test. */
function run(args: string[], cwd: string, env: Record<string, string> = {}): Program {
  const { DATABASE_URL: _, DIRECT_URL: __, ...inherited } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...inherited, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const output = { stdout: "", stderr: "" };
  const waiting: { text: string; done: () => void }[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
      for (const { text, done } of waiting) if (output[name].includes(text)) done();
    });
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once("close", (status, signal) => resolve(status ?? signal ?? "SIGKILL")),
  );
  onTestFinished(() => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // All have ended.
    }
  });
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      if (output.stdout.includes(text) || output.stderr.includes(text)) resolve();
      waiting.push({ text, done: resolve });
      ended.then((status) => reject(new Error(`ended with ${status} before "${text}": ${output.stderr}`)));
    });
  return { child, stdout: () => output.stdout, stderr: () => output.stderr, ended, printed };
}

/** Runs a script of this repository, e.g. `scripts/studio.ts`. */
export const runScript = (file: string, args: string[], cwd: string, env?: Record<string, string>) =>
  run([...nodeArguments(file), ...args], cwd, env);

/** Runs code whose imports start with `#/`, the root of this repository. */
export function runCode(code: string, cwd: string, env?: Record<string, string>): Program {
  const own = code.replaceAll(/"#\/([^"]*)"/g, (_, file: string) =>
    JSON.stringify(nodeArguments(file).at(-1)),
  );
  return run(["--input-type=module", "--eval", own], cwd, env);
}

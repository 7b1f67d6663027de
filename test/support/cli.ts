import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath, pathToFileURL } from "node:url";
import { atEnd } from "./database.js";
import { runScript } from "./program.js";

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A folder of the test file's own, removed after it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "journey-db-cli-"));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What a run is given beside its arguments. */
export interface Given {
  env?: Record<string, string>;
  stdin?: string | Uint8Array;
}

async function run(folder: string, program: string, args: string[], given: Given): Promise<Ended> {
  const { DATABASE_URL, DIRECT_URL, NODE_ENV, ...rest } = process.env;
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...rest, ...given.env },
    stdio: [given.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  // One that ends before it has read all of it is judged by its status.
  child.stdin?.on("error", () => {}).end(given.stdin);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stderr as Readable),
  ]);
  return { status: await ended, stdout, stderr };
}

/** Runs a program in the folder, with the environment's variables except those that name a database. */
export const runIn = (folder: string, env: Record<string, string>, program: string, ...args: string[]) =>
  run(folder, program, args, { env });

/** Runs `journey-db` from its source, as `npm run migrate` does. */
export const journeyDb = (folder: string, env: Record<string, string>, ...args: string[]) =>
  run(folder, process.execPath, ["--import", TSX, CLI, ...args], { env });

/** The command line on a database, in a folder of the test file's own. */
export async function commandLine(url: string) {
  const folder = await temporaryFolder();
  const env = { DATABASE_URL: url };
  return {
    folder,
    run: (...args: string[]) => journeyDb(folder, env, ...args),
    /** With this on stdin. */
    runFed: (stdin: string | Uint8Array, ...args: string[]) =>
      run(folder, process.execPath, ["--import", TSX, CLI, ...args], { env, stdin }),
    /** To talk to while it runs; ended with the test at the latest. */
    start: (...args: string[]) => runScript("src/cli.ts", args, folder, env),
  };
}

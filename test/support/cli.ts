import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath, pathToFileURL } from "node:url";
import { atEnd } from "./database.js";

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

/** Runs a program in the folder, with the environment's variables except those that name a database. */
export async function runIn(
  folder: string,
  env: Record<string, string>,
  program: string,
  ...args: string[]
): Promise<Ended> {
  const { DATABASE_URL, DIRECT_URL, NODE_ENV, ...rest } = process.env;
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...rest, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, stdout, stderr };
}

/** Runs `journey-db` from its source, as `npm run migrate` does. */
export const journeyDb = (folder: string, env: Record<string, string>, ...args: string[]) =>
  runIn(folder, env, process.execPath, "--import", TSX, CLI, ...args);

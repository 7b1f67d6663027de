import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { atEnd } from "./database.js";
import { runScript } from "./program.js";
import { nodeArguments } from "./tools.js";

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
  /** A file that is its stdout. */
  stdout?: string;
}

/** Runs a program in the folder, with the environment's variables except those that name a database. */
export async function run(folder: string, program: string, args: string[], given: Given): Promise<Ended> {
  const { DATABASE_URL, DIRECT_URL, NODE_ENV, ...rest } = process.env;
  const file = given.stdout === undefined ? undefined : openSync(given.stdout, "w");
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...rest, ...given.env },
    stdio: [given.stdin === undefined ? "ignore" : "pipe", file ?? "pipe", "pipe"],
  });
  if (file !== undefined) closeSync(file);
  // One that ends before it has read all of it is judged by its status.
  child.stdin?.on("error", () => {}).end(given.stdin);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((stream) => (stream ? text(stream) : "")),
  );
  return { status: await ended, stdout: stdout ?? "", stderr: stderr ?? "" };
}

export const runIn = (folder: string, env: Record<string, string>, program: string, ...args: string[]) =>
  run(folder, program, args, { env });

/** Runs `journey-db`. */
export const journeyDbAsIs = (folder: string, env: Record<string, string>, ...args: string[]) =>
  run(folder, process.execPath, [...nodeArguments("src/cli.ts"), ...args], { env });

/** What stands behind each such line on a terminal. */
const SAVED_PLACE = "\u001b7";

/** What is on stderr but for the line that names the database, which every command prints first. */
function afterTarget(stderr: string): string {
  const rest = stderr.replace(/^[^\n]*journey-db: (postgres at|embedded database in) [^\n]*\n/, "");
  const moved = rest !== stderr && rest.startsWith(SAVED_PLACE);
  return moved ? rest.slice(SAVED_PLACE.length) : rest;
}

/** The same without the line that names the database. */
export async function journeyDb(...given: Parameters<typeof journeyDbAsIs>): Promise<Ended> {
  const ended = await journeyDbAsIs(...given);
  return { ...ended, stderr: afterTarget(ended.stderr) };
}

/** The command line on a database, in a folder of the test file's own. */
export async function commandLine(url: string) {
  const folder = await temporaryFolder();
  const env = { DATABASE_URL: url };
  const runWith = async (args: string[], { preload = "", ...given }: Given & { preload?: string } = {}) => {
    const preloaded = ["--import", `data:text/javascript,${encodeURIComponent(preload)}`];
    const ended = await run(
      folder,
      process.execPath,
      [...preloaded, ...nodeArguments("src/cli.ts"), ...args],
      {
        ...given,
        env: { ...env, ...given.env },
      },
    );
    return { ...ended, stderr: afterTarget(ended.stderr) };
  };
  return {
    folder,
    run: (...args: string[]) => runWith(args),
    /** With this on stdin. */
    runFed: (stdin: string | Uint8Array, ...args: string[]) => runWith(args, { stdin }),
    /** With this file as its stdout. */
    runTo: (stdout: string, ...args: string[]) => runWith(args, { stdout }),
    /** Where these streams are a terminal, as far as the program can tell. */
    runOnTerminal: (streams: ("stdout" | "stderr")[], ...args: string[]) =>
      runWith(args, { preload: streams.map((name) => `process.${name}.isTTY = true;`).join("") }),
    /** To talk to while it runs; ended with the test at the latest. */
    start: (...args: string[]) => {
      const program = runScript("src/cli.ts", args, folder, env);
      return { ...program, stderr: () => afterTarget(program.stderr()) };
    },
  };
}

/** What import answers where it refused nothing. */
export const imported = (sessions: number, present = 0) => ({
  status: 0,
  stdout: `imported ${sessions} session${sessions === 1 ? "" : "s"}; already there, left as they are: ${present}; refused: 0\n`,
});

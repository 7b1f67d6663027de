/**
 * Serves the example application on this machine: `npm run demo:app`. PORT names another port than 3000;
 * EXAMPLE_FOLDER a copy of the example, with a build and .env files of its own.
 */
import "./closed-output.js";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { EXAMPLE } from "./prepare-example.js";

const folder = process.env.EXAMPLE_FOLDER || EXAMPLE;
const next = join(folder, "node_modules/next/dist/bin/next");
const given: NodeJS.ProcessEnv = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

let child: ChildProcess | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child?.kill(signal));

/** Runs Node in the example's folder until it ends. Where it fails or a signal ended it, this process ends likewise. */
async function run(env: NodeJS.ProcessEnv, args: string[], onLine?: (line: string) => void): Promise<void> {
  child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ["inherit", onLine ? "pipe" : "inherit", "inherit"],
    env,
  });
  if (child.stdout && onLine) createInterface({ input: child.stdout }).on("line", onLine);
  const [status, signal] = await once(child, "close");
  if (status !== 0) process.exit(status ?? 128 + constants.signals[signal as NodeJS.Signals]);
}

/** The environment in which `migrate` finds the database that the application opens. */
function migrating(): NodeJS.ProcessEnv {
  const { loadEnvConfig }: { loadEnvConfig(folder: string): { combinedEnv: NodeJS.ProcessEnv } } =
    createRequire(next)("@next/env");
  // Next.js' own loader, since it decides which .env file takes precedence.
  const { DIRECT_URL, ...env } = loadEnvConfig(folder).combinedEnv;
  // The application knows no DIRECT_URL: one from elsewhere than DATABASE_URL may lead to another database.
  const isPair = env.DATABASE_URL?.trim() && "DATABASE_URL" in given === "DIRECT_URL" in given;
  // Empty if it does not apply, since `migrate` reads .env files too.
  return { ...env, DIRECT_URL: (isPair && DIRECT_URL) || "" };
}

// First, since it is refused where the embedded database is open in another one.
await run(migrating(), ["db/migrate.js"]);
console.log("Building the example …");
await run(given, [next, "build"]);

const port = process.env.PORT || "3000";
await run(given, [next, "start", "--hostname", "localhost", "--port", port], (line) => {
  console.log(line);
  // Next.js says so once it listens.
  if (line.includes("Ready in")) console.log(`\nOpen http://localhost:${port}/journey (Ctrl-C ends it)\n`);
});

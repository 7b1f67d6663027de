/** Serves the example application on this machine: `npm run demo:app`. PORT names another port than 3000. */
import "./closed-output.js";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { EXAMPLE } from "./prepare-example.js";

const next = join(EXAMPLE, "node_modules/next/dist/bin/next");
const env: NodeJS.ProcessEnv = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

function run(environment: NodeJS.ProcessEnv, script: string, ...args: string[]): void {
  const here = { cwd: EXAMPLE, stdio: "inherit", env: environment } as const;
  const { status } = spawnSync(process.execPath, [script, ...args], here);
  if (status !== 0) process.exit(status ?? 1);
}

// The database that the application opens: it knows no DIRECT_URL, and the embedded one in production too.
const { DIRECT_URL, NODE_ENV, ...rest } = env;
const sameDatabase: NodeJS.ProcessEnv =
  rest.DATABASE_URL?.trim() && DIRECT_URL ? { ...rest, DIRECT_URL } : rest;
// First, since it is refused where the embedded database is open in another one.
run(sameDatabase, join(EXAMPLE, "../../dist/cli.js"), "migrate");
console.log("Building the example …");
run(env, next, "build");

const port = process.env.PORT || "3000";
const start = [next, "start", "--hostname", "localhost", "--port", port];
const server = spawn(process.execPath, start, { cwd: EXAMPLE, stdio: "inherit", env });
console.log(`\nOpen http://localhost:${port}/journey (Ctrl-C ends it)\n`);
// Ctrl-C reaches the server without this, which then ends in order.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => server.kill("SIGTERM"));
server.on("exit", (status) => {
  process.exitCode = status ?? 1;
});

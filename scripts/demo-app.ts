/** Serves the example application on this machine: `npm run demo:app`. PORT names another port than 3000. */
import "./closed-output.js";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { EXAMPLE } from "./prepare-example.js";

const next = join(EXAMPLE, "node_modules/next/dist/bin/next");
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };

function run(script: string, ...args: string[]): void {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: EXAMPLE, stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

// First, since it is refused where the embedded database is open in another one.
run(join(EXAMPLE, "../../dist/cli.js"), "migrate");
console.log("Building the example …");
run(next, "build");

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

/** Serves the example application on this machine: `npm run demo:app`. PORT names another port than 3000. */
import "./closed-output.js";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { EXAMPLE } from "./prepare-example.js";

const here = { cwd: EXAMPLE, stdio: "inherit" } as const;
const cli = join(EXAMPLE, "../../dist/cli.js");

const { status } = spawnSync(process.execPath, [cli, "migrate"], here);
if (status !== 0) process.exit(status ?? 1);

const port = process.env.PORT || "3000";
const next = join(EXAMPLE, "node_modules/next/dist/bin/next");
const server = spawn(process.execPath, [next, "start", "--hostname", "localhost", "--port", port], here);
console.log(`\nOpen http://localhost:${port}/journey (Ctrl-C ends it)\n`);
// Ctrl-C reaches the server without this, which then ends in order.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => server.kill("SIGTERM"));
server.on("exit", (status) => {
  process.exitCode = status ?? 1;
});

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { nodeArguments } from "./tools.js";

/**
 * Starts the PostgreSQL of postgres-server.ts in a child process of its own; closing its stdin stops it.
 *
 * @param settings beyond those of the tests, as `name=value`
 */
export async function startServer(
  ...settings: string[]
): Promise<{ url: string; stop: () => Promise<void> }> {
  // Detached, so that Ctrl-C reaches it only as the end of stdin.
  const child = spawn(process.execPath, [...nodeArguments("test/support/postgres-server.ts"), ...settings], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", (status) => reject(new Error(`the test server ended with status ${status}`)));
  });
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { url, stop };
}

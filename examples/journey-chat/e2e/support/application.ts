import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { atEnd } from "../../../../test/support/database.js";
import { BUILT, environment, NEXT } from "./next.js";

export interface Application {
  url: string;
  /** What its server wrote to stderr so far. */
  stderr(): string;
  /** Kills the server's processes with SIGKILL; after `meanwhile` it is started anew, at the same address. */
  killed(meanwhile: () => Promise<void>): Promise<void>;
}

// A preload: the server ends with this process, also where that one is killed.
const ENDS_WITH_PARENT = `data:text/javascript,process.stdin.on("end",()=>process.exit()).resume()`;

/** Starts the built application on a free port, stopped after the file. */
export async function startApplication(databaseUrl: string): Promise<Application> {
  let stderr = "";
  async function start(port: string) {
    const child = spawn(
      process.execPath,
      ["--import", ENDS_WITH_PARENT, NEXT, "start", "-H", "127.0.0.1", "-p", port],
      { cwd: BUILT, env: environment({ DATABASE_URL: databaseUrl }), detached: true },
    );
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    atEnd(() => {
      child.stdin.end();
      return ended;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
        if (found) resolve(found);
      });
      ended.then(() => reject(new Error(`next start ended:\n${stderr}`)));
    });
    const kill = () => {
      // Its own process group, so that nothing of it is left to serve.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      return ended;
    };
    return { url, kill };
  }
  let { url, kill } = await start("0");
  const killed = async (meanwhile: () => Promise<void>) => {
    await kill();
    try {
      await meanwhile();
    } finally {
      ({ url, kill } = await start(new URL(url).port));
    }
  };
  return { url, stderr: () => stderr, killed };
}

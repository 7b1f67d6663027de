/**
 * An application that writes, in a process of its own: `writer.ts URL DRIVER OWNER`. Each of its
 * writers makes one call at a time and repeats it where the error says it may, going on from what is
 * stored. Prints "writer step" for each call that was acknowledged, "writer step code" for each that
 * failed. Ends with stdin. Dies of any other error, and of a rejection that nobody handles.
 */
import { setTimeout as delay } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { type Connection, connect } from "../../src/connection/connect.js";
import { JourneyDbError } from "../../src/index.js";
import { IN_ROWS } from "./layout.js";
import { sessionIdOf, stepOf, stepsIn, WRITERS, type Written } from "./written.js";

// Here no plugin of vitest replaces it.
const { forUser } = (await import(
  IN_ROWS ? "./in-rows.js" : "../../src/index.js"
)) as typeof import("../../src/index.js");
const [url = "", driver, owner = ""] = process.argv.slice(2);

function openNodePostgres(): Connection {
  const client = new pg.Pool({ connectionString: url, max: WRITERS });
  client.on("error", () => {});
  return { db: drizzle({ client }), close: () => client.end() };
}

const { db, close } = driver === "connect()" ? await connect({ url, max: WRITERS }) : openNodePostgres();
const sessions = forUser(db, owner);
let stopped = false;
/** Milliseconds. Longer than any server in these tests is away. */
const GIVES_UP = 60_000;

/** Until it is done, as an application repeats what may be repeated. */
async function repeated<T>(name: string, call: () => Promise<T>): Promise<T | undefined> {
  const begun = performance.now();
  while (!stopped) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof JourneyDbError) || !error.retryable) throw error;
      if (performance.now() - begun > GIVES_UP) throw error;
      process.stdout.write(`${name} ${error.code}\n`);
      await delay(20);
    }
  }
  return undefined;
}

async function stepsDone(writer: number): Promise<number> {
  const stored: Written[] = [];
  for (;;) {
    const id = sessionIdOf(owner, writer, stored.length);
    const session = await repeated(`${writer} start`, () => sessions.get(id));
    if (!session) return stepsIn(stored);
    stored.push(session);
  }
}

async function write(writer: number): Promise<void> {
  for (let step = await stepsDone(writer); !stopped; step++) {
    const { session, message, patch } = stepOf(step);
    const id = sessionIdOf(owner, writer, session);
    const done = await repeated<object>(`${writer} ${step}`, () =>
      message
        ? sessions.append(id, message, { create: message.role === "user" })
        : sessions.mergeMetadata(id, patch as never),
    );
    if (done) process.stdout.write(`${writer} ${step}\n`);
  }
}

process.stdin.resume().once("close", () => {
  stopped = true;
});
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
await close();
process.stdin.destroy();

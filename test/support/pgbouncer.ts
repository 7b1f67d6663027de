import { inject } from "vitest";
import { atEnd } from "./database.js";
import { type Pgbouncer, runPgbouncer } from "./pgbouncer-process.js";

/** A pgbouncer of the test file's own in front of the server, in transaction mode, stopped after the file. */
export async function startPgbouncer(options?: { serverConnections?: number }): Promise<Pgbouncer> {
  const pooler = await runPgbouncer(inject("serverUrl"), options);
  atEnd(() => pooler.kill());
  return pooler;
}

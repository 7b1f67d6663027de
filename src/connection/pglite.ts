import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { JourneyDbError } from "../model/errors.js";
import { damaged, makeAllPrivate, SET_DATABASE_URL } from "./embedded-folder.js";
import { importOptional } from "./optional-package.js";

/** The most that PostgreSQL needs at once: a segment of its write-ahead log. */
const NEEDED_BYTES = 16 * 1024 * 1024;

/** Starts PGlite on a data folder that the caller has locked. */
export async function startPglite(data: string): Promise<PGlite> {
  const { PGlite } = await importOptional<typeof import("@electric-sql/pglite")>(
    "@electric-sql/pglite",
    SET_DATABASE_URL,
  );
  try {
    const client = new PGlite(data);
    await client.waitReady;
    return client;
  } catch (thrown) {
    throw startFailure(data, thrown);
  }
}

/** Finds out why PGlite failed, which it does not report. Throws what the file system throws. */
export function startFailure(data: string, thrown: unknown): JourneyDbError {
  const probe = join(dirname(data), "probe");
  try {
    // Random, so that no file system compresses it.
    writeFileSync(probe, randomBytes(NEEDED_BYTES), { mode: 0o600 });
  } finally {
    rmSync(probe, { force: true });
  }
  if (!(thrown instanceof RangeError)) {
    makeAllPrivate(data);
    return damaged(data);
  }
  const message = `There is not enough memory for the embedded database; ${SET_DATABASE_URL}.`;
  return new JourneyDbError("unavailable", message, { retryable: true });
}

/**
 * Opens a data folder. When the folder is removed, moved or replaced, PGlite would write into the folder of
 * another process; after an error that ends PostgreSQL, it would never answer again. Every call fails then.
 *
 * @param holds whether the caller still has the lock
 */
export async function openPglite(
  data: string,
  holds: () => boolean,
  schema: Record<string, unknown> | undefined,
) {
  makeAllPrivate(data);
  const { drizzle } = await importOptional<typeof import("drizzle-orm/pglite")>("drizzle-orm/pglite");
  const client = await startPglite(data);
  let stoppedBy: string | undefined;
  const send = client.execProtocolRaw.bind(client);
  client.execProtocolRaw = async (...args) => {
    if (stoppedBy === undefined && holds()) return send(...args);
    const what = stoppedBy ? `stopped with SQLSTATE ${stoppedBy}` : "was removed, moved or replaced";
    const message = `The embedded database in ${data} ${what} while it was open; close it and connect again.`;
    throw new JourneyDbError("unavailable", message, { sqlState: stoppedBy });
  };
  const stream = client.execProtocolStream.bind(client);
  client.execProtocolStream = async (...args) => {
    try {
      return await stream(...args);
    } catch (error) {
      const { severity, code } = error as { severity?: string; code?: string };
      if (severity === "PANIC" || severity === "FATAL") stoppedBy = code;
      throw error;
    }
  };
  const close = async () => {
    // Closing writes, too.
    if (!client.closed && stoppedBy === undefined && holds()) await client.close();
  };
  return { db: drizzle({ client, ...(schema && { schema }) }), close };
}

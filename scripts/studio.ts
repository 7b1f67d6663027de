/**
 * Drizzle Studio on the database that drizzle.config.ts names. Of the embedded one it holds the
 * lock meanwhile, and applies the migrations first, so that there is something to see; a server's
 * schema it leaves alone. Arguments go to `drizzle-kit studio`.
 */
import "./closed-output.js";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { sql } from "drizzle-orm";
import { nameOf, readEnvFiles, sayEmbedded, warn } from "../src/cli/run.js";
import { connect, EMBEDDED_FOLDER } from "../src/connection/connect.js";
import { configuredUrl, parseDatabaseUrl } from "../src/connection/database-url.js";
import { openEmbedded } from "../src/connection/embedded.js";
import { type FolderLock, lockFolder } from "../src/connection/folder-lock.js";
import { fromDriver } from "../src/model/driver-errors.js";
import { JourneyDbError } from "../src/model/errors.js";

const CLOSED_OUTPUT = new URL("closed-output.js", import.meta.url).href;

async function prepareEmbedded(): Promise<FolderLock> {
  sayEmbedded();
  // Opening it applies the migrations.
  const { close } = await openEmbedded(EMBEDDED_FOLDER);
  await close();
  return lockFolder(EMBEDDED_FOLDER);
}

/** Studio itself says that it is up, whatever its database is, and shows nothing. */
async function askServer(url: string): Promise<void> {
  const variable = configuredUrl(process.env, "DIRECT_URL") === undefined ? "DATABASE_URL" : "DIRECT_URL";
  warn(nameOf(parseDatabaseUrl(url, variable)));
  const { db, close } = await connect({ url, max: 1 });
  try {
    await db.execute(sql`select 1`);
  } catch (error) {
    throw fromDriver(error, false);
  } finally {
    await close();
  }
}

/** Ends with the status of Studio. */
async function runStudio(): Promise<void> {
  readEnvFiles();
  const server = configuredUrl(process.env, "DIRECT_URL", "DATABASE_URL");
  const lock = server === undefined ? await prepareEmbedded() : undefined;
  if (server !== undefined) await askServer(server);
  console.error(
    "Warning: while Studio runs, any web page in a browser on this machine can run SQL on this database. " +
      "Stop it with Ctrl-C as soon as you are done.",
  );
  const kit = createRequire(import.meta.url).resolve("drizzle-kit");
  const studio = spawn(
    process.execPath,
    ["--import", CLOSED_OUTPUT, join(dirname(kit), "bin.cjs"), "studio", ...process.argv.slice(2)],
    // Studio inherits the lock: it stays taken should this process be killed first.
    { stdio: ["inherit", "inherit", "inherit", ...(lock ? [lock.fd] : [])] },
  );
  if (studio.pid !== undefined) lock?.setHolder(studio.pid);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => studio.kill(signal));
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((ended, failed) => {
    studio.once("error", failed);
    studio.once("exit", (...how) => ended(how));
  });
  lock?.release();
  process.exitCode = status ?? 128 + constants.signals[signal ?? "SIGTERM"];
}

await runStudio().catch((error: unknown) => {
  console.error(error instanceof JourneyDbError ? error.message : error);
  process.exitCode = 1;
});

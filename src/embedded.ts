import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { Connection } from "./connect.js";
import { JourneyDbError } from "./errors.js";
import { needUnbundled } from "./need-package.js";

/** Where the embedded database is, below the working directory. */
export const EMBEDDED_FOLDER = ".journey-db";

/** PGlite's own folder in it, beside the lock. */
export const dataFolder = (folder: string): string => join(resolve(folder), "data");

/** Milliseconds that close() gives a transaction that runs. */
const CLOSE_TIMEOUT = 5000;

/** What always works instead. */
const SET_DATABASE_URL = "set DATABASE_URL instead";

/** The right to use a folder. */
export interface FolderLock {
  /** The locked file. A child process that inherits it holds the lock too. */
  fd: number;
  /** Says in the file which process to end to get the lock; at first this one. */
  name(pid: number): void;
  release(): void;
}

/**
 * Takes the folder for this process, making it where there is none. PGlite does not: two processes
 * on one folder lose each other's rows. The kernel keeps the lock, and frees it when the process
 * ends, however it ends. The same process gets it once, too.
 *
 * @throws JourneyDbError unavailable where it is taken; configuration where it cannot be made or locked
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = resolve(folder);
  const { tryLock } = await needUnbundled<typeof import("fs-native-extensions")>(
    "fs-native-extensions",
    SET_DATABASE_URL,
  );
  let fd: number;
  try {
    mkdirSync(path, { recursive: true });
    // What users write does not belong into a repository.
    if (!existsSync(join(path, ".gitignore"))) writeFileSync(join(path, ".gitignore"), "*\n");
    fd = openSync(join(path, "lock"), "a+");
  } catch (error) {
    throw unusable(path, error);
  }
  let taken = false;
  try {
    taken = !tryLock(fd);
  } catch (error) {
    closeSync(fd);
    throw unusable(path, error);
  }
  if (taken) {
    closeSync(fd);
    throw new JourneyDbError(
      "unavailable",
      `The embedded database in ${path} is open in ${holderOf(path)}; close it there, or set DATABASE_URL.`,
      { retryable: true },
    );
  }
  const name = (pid: number) => {
    ftruncateSync(fd);
    writeSync(fd, String(pid));
  };
  name(process.pid);
  return { fd, name, release: () => closeSync(fd) };
}

function holderOf(path: string): string {
  try {
    const pid = Number.parseInt(readFileSync(join(path, "lock"), "utf8"), 10);
    if (pid === process.pid) return "this process already, which can have it once";
    if (pid > 0) return `process ${pid}`;
  } catch {
    // Windows does not let others read a locked file.
  }
  return "another process";
}

function unusable(path: string, error: unknown): JourneyDbError {
  const { code } = error as NodeJS.ErrnoException;
  return new JourneyDbError(
    "configuration",
    `The folder ${path} of the embedded database cannot be read, written or locked (${code}); ${SET_DATABASE_URL}.`,
  );
}

/**
 * Opens the PGlite database of a folder whose lock the caller holds.
 *
 * @throws JourneyDbError corrupt where the folder is damaged; configuration where it may not be
 *   read or written, and where PGlite is missing
 */
export async function openData(folder: string): Promise<Connection> {
  const { PGlite } = await needUnbundled<typeof import("@electric-sql/pglite")>(
    "@electric-sql/pglite",
    SET_DATABASE_URL,
  );
  const { drizzle } = await needUnbundled<typeof import("drizzle-orm/pglite")>("drizzle-orm/pglite");
  const data = dataFolder(folder);
  // Stands while a new database is made. What a process left that was killed meanwhile never held a row.
  const unfinished = join(resolve(folder), "unfinished");
  try {
    if (existsSync(unfinished)) rmSync(data, { recursive: true, force: true });
    if (!existsSync(data)) writeFileSync(unfinished, "");
    // What may not be read would look damaged.
    else accessSync(data, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw unusable(data, error);
  }
  const damaged = () =>
    new JourneyDbError(
      "corrupt",
      `The embedded database in ${data} is damaged, or another version of PGlite made it; ` +
        "move that folder away to start with an empty one.",
    );
  // PGlite would make an empty database over the rest of it.
  if (existsSync(data) && !existsSync(join(data, "PG_VERSION"))) throw damaged();
  let client: InstanceType<typeof PGlite>;
  try {
    client = new PGlite(data);
    await client.waitReady;
  } catch {
    throw damaged();
  }
  rmSync(unfinished, { force: true });
  return {
    db: drizzle({ client }),
    close: async () => {
      if (!client.closed) await client.close();
    },
  };
}

/**
 * Locks and opens the embedded database in the folder. Closing it gives the folder free.
 *
 * @throws JourneyDbError unavailable, configuration, corrupt
 */
export async function openEmbedded(folder: string): Promise<Connection> {
  const lock = await lockFolder(folder);
  let opened: Connection;
  try {
    opened = await openData(folder);
  } catch (error) {
    lock.release();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const end = async () => {
    // A transaction that never ends keeps the lock, as it may still write, but not the caller.
    const ended = opened.close().then(lock.release, lock.release);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, CLOSE_TIMEOUT);
    });
    await Promise.race([ended, late]);
    clearTimeout(timer);
  };
  return {
    db: opened.db,
    close: () => {
      closing ??= end();
      return closing;
    },
  };
}

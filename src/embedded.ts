import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import type { Connection } from "./connect.js";
import { JourneyDbError } from "./errors.js";
import { migrate, shippedMigrations } from "./migrate.js";
import { needUnbundled } from "./need-package.js";

/** Where the embedded database is, below the working directory. */
export const EMBEDDED_FOLDER = ".journey-db";

/** PGlite's own folder in it. */
export const dataFolder = (folder: string): string => join(resolve(folder), "data");

/** The file of PGlite's that is locked: without it there is no database, so nobody gets past it by deleting it. */
const lockedFile = (folder: string): string => join(dataFolder(folder), "PG_VERSION");

/** Names the process that has the folder open; locked only while the folder is taken. */
const noteFile = (folder: string): string => join(resolve(folder), "lock");

/** What of a file is locked: all of it, but on Windows, where nobody reads what is locked, a byte far behind its end. */
const LOCKED: [offset: number, length: number] = process.platform === "win32" ? [2 ** 30, 1] : [0, 0];

/** How a folder begins in which a new database is made. */
const UNFINISHED = "unfinished-";

/** Milliseconds that close() gives a transaction that runs. */
const CLOSE_TIMEOUT = 5000;

/** The most that PostgreSQL needs at once: a segment of its write-ahead log. */
const NEEDED_BYTES = 16 * 1024 * 1024;

/** What always works instead. */
const SET_DATABASE_URL = "set DATABASE_URL instead";

/** The right to use a folder. */
export interface FolderLock {
  /** The locked file. A child process that inherits it holds the lock too. */
  fd: number;
  /** Notes which process to end to get the lock; at first this one. */
  name(pid: number): void;
  /** Whether the folder still is the one that was locked, and not removed, moved or replaced since. */
  holds(): boolean;
  release(): void;
}

/**
 * Takes the folder for this process, making it and an empty database where there is none. PGlite does
 * not: two processes on one folder lose each other's rows. The kernel keeps the lock, and frees it when
 * the process ends, however it ends. The same process gets it once, too.
 *
 * @throws JourneyDbError unavailable where it is taken or the disk is full; configuration where it
 *   cannot be made or locked; corrupt where it is damaged
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const data = dataFolder(folder);
  const take = await locker(folder);
  onDisk(folder, () => makeFolder(folder));
  const making = take(noteFile(folder), "a+");
  try {
    if (!existsSync(data)) await makeData(folder);
    // What may not be read would look damaged.
    onDisk(data, () => accessSync(data, constants.R_OK | constants.W_OK));
    const fd = take(lockedFile(folder), "r+");
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const name = (pid: number) => {
      try {
        writeFileSync(noteFile(folder), String(pid), { mode: 0o600 });
      } catch {
        // It is for a message only.
      }
    };
    name(process.pid);
    const holds = () => {
      try {
        const found = statSync(lockedFile(folder), { bigint: true });
        return found.dev === dev && found.ino === ino;
      } catch {
        return false;
      }
    };
    return { fd, name, holds, release: () => closeSync(fd) };
  } finally {
    closeSync(making);
  }
}

/** Opens and locks files of the folder, or throws; a file is unlocked when it is closed. */
async function locker(folder: string): Promise<(file: string, flags: string) => number> {
  const { tryLock } = await needUnbundled<typeof import("fs-native-extensions")>(
    "fs-native-extensions",
    SET_DATABASE_URL,
  );
  return (file, flags) => {
    let fd: number | undefined;
    let free: boolean;
    try {
      fd = openSync(file, flags, 0o600);
      free = tryLock(fd, ...LOCKED);
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      const missing = ["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code));
      // Of the version alone: PGlite would make an empty database over the rest.
      throw missing ? damaged(dirname(file)) : unusable(dirname(file), error);
    }
    if (free) return fd;
    closeSync(fd);
    throw new JourneyDbError(
      "unavailable",
      `The embedded database in ${resolve(folder)} is open in ${holderOf(folder)}; close it there, or set DATABASE_URL.`,
      { retryable: true },
    );
  };
}

function holderOf(folder: string): string {
  try {
    const pid = Number.parseInt(readFileSync(noteFile(folder), "utf8"), 10);
    if (pid === process.pid) return "this process already, which can have it once";
    if (pid > 0) return `process ${pid}`;
  } catch {
    // It is gone, or was not written yet.
  }
  return "another process";
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (statSync(folder).uid === process.geteuid?.()) chmodSync(folder, 0o700);
  // What users write does not belong into a repository.
  const ignore = join(folder, ".gitignore");
  if (!existsSync(ignore)) writeFileSync(ignore, "*\n", { mode: 0o600 });
}

/** PGlite makes files that everybody may read, most of them even write. Windows has no such modes. */
function closeToOthers(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (isOwn(path) && (entry.isDirectory() || entry.isFile()))
      chmodSync(path, entry.isDirectory() ? 0o700 : 0o600);
  }
}

const isOwn = (path: string): boolean => lstatSync(path).uid === process.geteuid?.();

/** Makes an empty database, under a name of its own until it is whole: no other process ever meets half of one. */
async function makeData(folder: string): Promise<void> {
  const unfinished = onDisk(folder, () => {
    // Of processes that were killed meanwhile.
    for (const name of readdirSync(folder)) {
      if (name.startsWith(UNFINISHED)) rmSync(join(folder, name), { recursive: true });
    }
    return mkdtempSync(join(resolve(folder), UNFINISHED));
  });
  try {
    const client = await startPglite(unfinished);
    await client.close().catch((thrown) => {
      throw failure(unfinished, thrown);
    });
    onDisk(folder, () => renameSync(unfinished, dataFolder(folder)));
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function startPglite(data: string): Promise<PGlite> {
  const { PGlite } = await needUnbundled<typeof import("@electric-sql/pglite")>(
    "@electric-sql/pglite",
    SET_DATABASE_URL,
  );
  try {
    const client = new PGlite(data);
    await client.waitReady;
    return client;
  } catch (thrown) {
    throw failure(data, thrown);
  }
}

/** Why PGlite does not work, which it does not say. */
function failure(data: string, thrown: unknown): JourneyDbError {
  const folder = dirname(data);
  const probe = join(folder, "probe");
  try {
    // Nothing that a file system would compress.
    writeFileSync(probe, randomBytes(NEEDED_BYTES), { mode: 0o600 });
  } catch (error) {
    return unusable(folder, error);
  } finally {
    rmSync(probe, { force: true });
  }
  if (!(thrown instanceof RangeError)) return damaged(data);
  const message = `There is not enough memory for the embedded database; ${SET_DATABASE_URL}.`;
  return new JourneyDbError("unavailable", message, { retryable: true });
}

/** @throws JourneyDbError for an error of the file system */
function onDisk<Value>(path: string, call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): JourneyDbError {
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  const folder = `${resolve(path)} of the embedded database`;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `The disk with the folder ${folder} is full (${code}); make room on it.`;
    return new JourneyDbError("unavailable", message, { retryable: true });
  }
  return new JourneyDbError(
    "configuration",
    `The folder ${folder} cannot be read, written or locked (${code}); ${SET_DATABASE_URL}.`,
  );
}

const damaged = (data: string) =>
  new JourneyDbError(
    "corrupt",
    `The embedded database in ${data} is damaged, or another version of PGlite made it; ` +
      "move that folder away to start with an empty one.",
  );

/**
 * Opens the PGlite database of a folder that the caller has locked. PGlite would write into what
 * another process made where the folder was removed, moved or replaced, and never answer again after
 * an error that ends PostgreSQL: then every call fails instead.
 */
async function openData(folder: string, lock: FolderLock): Promise<Connection> {
  const data = dataFolder(folder);
  const client = await startPglite(data);
  let stoppedBy: string | undefined;
  const send = client.execProtocolRaw.bind(client);
  client.execProtocolRaw = async (...args) => {
    if (stoppedBy === undefined && lock.holds()) return send(...args);
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
    if (!client.closed && stoppedBy === undefined && lock.holds()) await client.close();
  };
  try {
    onDisk(folder, () => closeToOthers(folder));
    const { drizzle } = await needUnbundled<typeof import("drizzle-orm/pglite")>("drizzle-orm/pglite");
    return { db: drizzle({ client }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Nobody else can have it open, and who runs it may have no command line to migrate with. */
async function migrateAndSay(db: Connection["db"]): Promise<void> {
  try {
    shippedMigrations();
  } catch (error) {
    // In a bundle. It may have been migrated by other means.
    return console.warn(`journey-db: the embedded database was not migrated: ${(error as Error).message}`);
  }
  const { applied } = await migrate(db);
  if (applied.length > 0) console.warn(`journey-db: migrated the embedded database: ${applied.join(", ")}`);
}

/**
 * Locks and opens the embedded database in the folder. Closing it gives the folder free.
 *
 * @param options `migrates`: whether pending migrations are applied, with a line on stderr that names them
 * @throws JourneyDbError unavailable, configuration, corrupt, migration
 */
export async function openEmbedded(folder: string, { migrates = true } = {}): Promise<Connection> {
  const lock = await lockFolder(folder);
  let opened: Connection | undefined;
  try {
    opened = await openData(folder, lock);
    if (migrates) await migrateAndSay(opened.db);
  } catch (error) {
    await opened?.close().catch(() => {});
    lock.release();
    throw error;
  }
  const { db, close } = opened;
  let closing: Promise<void> | undefined;
  const end = async () => {
    // A transaction that never ends keeps the lock, as it may still write, but not the caller.
    const ended = close().then(lock.release, lock.release);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, CLOSE_TIMEOUT);
    });
    await Promise.race([ended, late]);
    clearTimeout(timer);
  };
  return {
    db,
    close: () => {
      closing ??= end();
      return closing;
    },
  };
}

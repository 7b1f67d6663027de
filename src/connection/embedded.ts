import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { migrate, shippedMigrations } from "../maintenance/migrate.js";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { needUnbundled } from "./optional-package.js";

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
 *   cannot be made or locked, or is another user's; corrupt where it is damaged
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const data = dataFolder(folder);
  const take = await locker(folder);
  refuseAnothers(folder);
  onDisk(folder, () => makeFolder(folder));
  const making = take(noteFile(folder), "a+");
  try {
    if (!existsSync(data)) await makeData(folder, take);
    // What may not be read would look damaged.
    onDisk(data, () => accessSync(data, constants.R_OK | constants.W_OK));
    const fd = take(lockedFile(folder), "r+");
    const name = (pid: number) => {
      try {
        writeFileSync(noteFile(folder), String(pid), { mode: 0o600 });
      } catch {
        // It is for a message only.
      }
    };
    name(process.pid);
    return { fd, name, holds: () => isStill(fd, lockedFile(folder)), release: () => closeSync(fd) };
  } finally {
    closeSync(making);
  }
}

/** Whether the file has not been removed, moved or replaced since it was opened. */
function isStill(fd: number, file: string): boolean {
  try {
    const opened = fstatSync(fd, { bigint: true });
    const found = statSync(file, { bigint: true });
    return found.dev === opened.dev && found.ino === opened.ino;
  } catch {
    return false;
  }
}

/** Opens and locks a file, or throws; it is unlocked when it is closed. */
type Take = (file: string, flags: string) => number;

async function locker(folder: string): Promise<Take> {
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
      throw missing && existsSync(dirname(file)) ? damaged(dirname(file)) : unusable(dirname(file), error);
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

/** Before anything is written: PGlite would leave files that the other user may not read. Windows has no such owners. */
function refuseAnothers(folder: string): void {
  let version: Stats | undefined;
  try {
    version = statSync(lockedFile(folder), { throwIfNoEntry: false });
  } catch (error) {
    // A file of that name is spoken of later.
    if ((error as NodeJS.ErrnoException).code !== "ENOTDIR") throw unusable(dataFolder(folder), error);
  }
  if (version === undefined || version.uid === (process.geteuid?.() ?? version.uid)) return;
  throw new JourneyDbError(
    "configuration",
    `The embedded database in ${resolve(folder)} belongs to another user; run it as that user, or ${SET_DATABASE_URL}.`,
  );
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  closeToOthers(folder);
  needUsableUmask(folder);
  // What users write does not belong into a repository.
  for (const [file, text] of [
    [join(folder, ".gitignore"), "*\n"],
    [noteFile(folder), ""],
  ] as const) {
    if (!existsSync(file)) writeFileSync(file, text, { mode: 0o600, flag: "a" });
    closeToOthers(file);
  }
}

/** PGlite would make files that it cannot open again, and the database would be damaged. Windows has no such modes. */
function needUsableUmask(folder: string): void {
  const made = mkdtempSync(join(resolve(folder), UNFINISHED));
  const { mode } = statSync(made);
  rmdirSync(made);
  if ((mode & 0o700) === 0o700 || process.geteuid === undefined) return;
  throw new JourneyDbError(
    "configuration",
    `The umask takes from this process the rights to the files that it makes in ${resolve(folder)}; set another one, such as 077, or ${SET_DATABASE_URL}.`,
  );
}

/**
 * Makes a file or a folder this user's alone, whatever was made of it: PGlite makes files that
 * everybody may read, most of them even write. Windows has no such modes.
 */
function closeToOthers(path: string): void {
  const entry = statSync(path);
  if (entry.uid === process.geteuid?.()) chmodSync(path, entry.isDirectory() ? 0o700 : 0o600);
}

/** Calls for each file and folder in a folder, for a folder before what is in it. */
function walk(folder: string, call: (path: string) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile() || entry.isDirectory()) call(path);
    if (entry.isDirectory()) walk(path, call);
  }
}

/** @throws JourneyDbError configuration where this user may not read and write all of it, which would look damaged */
function needAccess(data: string): void {
  try {
    walk(data, (path) => {
      const search = statSync(path).isDirectory() ? constants.X_OK : 0;
      accessSync(path, constants.R_OK | constants.W_OK | search);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw unusable(data, error);
    throw new JourneyDbError(
      "configuration",
      `Files in ${data} of the embedded database are not accessible (${code}): they belong to another user; make them this user's, or ${SET_DATABASE_URL}.`,
    );
  }
}

function remove(folder: string): void {
  if (!existsSync(folder)) return;
  walk(folder, closeToOthers);
  rmSync(folder, { recursive: true, force: true });
}

/** Makes an empty database, under a name of its own until it is whole: no other process ever meets half of one. */
async function makeData(folder: string, take: Take): Promise<void> {
  onDisk(folder, () => removeUnfinished(folder, take));
  const unfinished = onDisk(folder, () => mkdtempSync(join(resolve(folder), UNFINISHED)));
  const data = dataFolder(unfinished);
  const file = noteFile(unfinished);
  let fd: number | undefined;
  try {
    // Who else makes one here, since the other lock was deleted, leaves this one alone.
    fd = take(file, "a+");
    const making = fd;
    const holds = () => isStill(making, file);
    onDisk(unfinished, () => mkdirSync(data, { mode: 0o700 }));
    const client = await startPglite(data, holds);
    await client.close().catch((thrown) => {
      throw failure(data, thrown, holds);
    });
    if (!holds()) throw gone(folder);
    onDisk(data, () => walk(data, closeToOthers));
    putInPlace(data, dataFolder(folder));
  } finally {
    if (fd !== undefined) closeSync(fd);
    onDisk(unfinished, () => remove(unfinished));
  }
}

function putInPlace(made: string, data: string): void {
  try {
    renameSync(made, data);
  } catch (error) {
    if (!existsSync(data)) throw unusable(dirname(data), error);
    const message = `The embedded database in ${data} was made by another process meanwhile; connect again.`;
    throw new JourneyDbError("unavailable", message, { retryable: true });
  }
}

/** Removes what processes left that were killed while they made a database. */
function removeUnfinished(folder: string, take: Take): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(UNFINISHED)) continue;
    try {
      closeSync(take(noteFile(join(folder, name)), "a+"));
    } catch {
      // It is being made, or is gone.
      continue;
    }
    remove(join(folder, name));
  }
}

async function startPglite(data: string, holds: () => boolean): Promise<PGlite> {
  const { PGlite } = await needUnbundled<typeof import("@electric-sql/pglite")>(
    "@electric-sql/pglite",
    SET_DATABASE_URL,
  );
  try {
    const client = new PGlite(data);
    await client.waitReady;
    return client;
  } catch (thrown) {
    throw failure(data, thrown, holds);
  }
}

/** Why PGlite does not work, which it does not say. */
function failure(data: string, thrown: unknown, holds: () => boolean): JourneyDbError {
  const folder = dirname(data);
  if (!holds()) return gone(folder);
  const probe = join(folder, "probe");
  try {
    // Nothing that a file system would compress.
    writeFileSync(probe, randomBytes(NEEDED_BYTES), { mode: 0o600 });
  } catch (error) {
    return unusable(folder, error);
  } finally {
    rmSync(probe, { force: true });
  }
  if (!(thrown instanceof RangeError)) {
    needAccess(data);
    return damaged(data);
  }
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
  if (error instanceof JourneyDbError) return error;
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  const folder = `${resolve(path)} of the embedded database`;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `The disk with the folder ${folder} is full (${code}); make room on it: 16 MB are needed.`;
    return new JourneyDbError("unavailable", message, { retryable: true });
  }
  if (code === "ENOENT") return gone(path);
  return new JourneyDbError(
    "configuration",
    `The folder ${folder} cannot be read, written or locked (${code}); ${SET_DATABASE_URL}.`,
  );
}

const gone = (folder: string) =>
  new JourneyDbError(
    "unavailable",
    `The embedded database in ${resolve(folder)} was removed, moved or replaced while it was opened; connect again.`,
    { retryable: true },
  );

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
async function openData(folder: string, lock: FolderLock) {
  const data = dataFolder(folder);
  onDisk(data, () => {
    closeToOthers(data);
    walk(data, closeToOthers);
  });
  needAccess(data);
  const client = await startPglite(data, lock.holds);
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
    onDisk(data, () => walk(data, closeToOthers));
    const { drizzle } = await needUnbundled<typeof import("drizzle-orm/pglite")>("drizzle-orm/pglite");
    return { db: drizzle({ client }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function hasTable(db: Database): Promise<boolean> {
  const [row] = await db
    .select({ found: sql<boolean>`to_regclass('journey_sessions') is not null` })
    .from(sql`(select) as nothing`);
  return row?.found === true;
}

/** Nobody else can have it open, and who runs it may have no command line to migrate with. */
async function migrateAndSay(db: Database): Promise<void> {
  try {
    shippedMigrations();
  } catch {
    // In a bundle, which has no migration files.
    if (!(await hasTable(db))) {
      console.warn(
        "journey-db: the embedded database was not migrated, since this is a bundle: " +
          "run npx journey-db migrate --embedded in this folder",
      );
    }
    return;
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
export async function openEmbedded(folder: string, { migrates = true } = {}) {
  const lock = await lockFolder(folder);
  let opened: Awaited<ReturnType<typeof openData>> | undefined;
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

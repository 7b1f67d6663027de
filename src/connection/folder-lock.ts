import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { JourneyDbError } from "../model/errors.js";
import { createDatabase } from "./create-embedded.js";
import { damaged, dataFolder, holderFile, prepareFolder, withFolderErrors } from "./embedded-folder.js";
import { openLocked } from "./file-lock.js";

/** An exclusive lock on the folder of an embedded database. */
export interface FolderLock {
  /** The locked file. A child process that inherits it holds the lock too. */
  fd: number;
  /** Records which process to close to release the lock; initially this one. */
  setHolder(pid: number): void;
  /** Whether the folder is still the one that was locked: not removed, moved or replaced since. */
  holds(): boolean;
  release(): void;
}

/**
 * Locks the folder for this process, and creates an empty database if there is none. PGlite locks
 * nothing: two processes in one folder overwrite each other's rows. A second lock in the same process fails too.
 *
 * @throws JourneyDbError unavailable if the folder is locked or its disk is full; configuration if it
 *   cannot be created or locked, or belongs to another user; corrupt if it is damaged
 */
export const lockFolder = (folder: string): Promise<FolderLock> =>
  withFolderErrors(folder, async () => {
    const data = dataFolder(folder);
    // Without this file there is no database, so nobody gets around the lock by deleting it.
    const version = join(data, "PG_VERSION");
    prepareFolder(folder);
    if (!existsSync(data)) await createDatabase(folder);
    accessSync(data, constants.R_OK | constants.W_OK);
    const fd = await openLocked(version, "r+").catch((error) => {
      // PGlite would create an empty database over the rest.
      throw ["ENOENT", "ENOTDIR"].includes(error.code) && existsSync(data) ? damaged(data) : error;
    });
    if (fd === undefined) throw locked(folder);
    const setHolder = (pid: number) => {
      try {
        writeFileSync(holderFile(folder), String(pid));
      } catch {
        // Only an error message needs it.
      }
    };
    setHolder(process.pid);
    return { fd, setHolder, holds: () => isInPlace(fd, version), release: () => closeSync(fd) };
  });

function locked(folder: string): JourneyDbError {
  let pid = 0;
  try {
    pid = Number.parseInt(readFileSync(holderFile(folder), "utf8"), 10);
  } catch {
    // Deleted, or not written yet.
  }
  const other = pid > 0 ? `process ${pid}` : "another process";
  const holder = pid === process.pid ? "this process already" : other;
  return new JourneyDbError(
    "unavailable",
    `The embedded database in ${resolve(folder)} is open in ${holder}; close it there, or set DATABASE_URL.`,
    { retryable: true },
  );
}

/** Whether the file has not been removed, moved or replaced since it was opened. */
function isInPlace(fd: number, file: string): boolean {
  try {
    const opened = fstatSync(fd, { bigint: true });
    const found = statSync(file, { bigint: true });
    return found.dev === opened.dev && found.ino === opened.ino;
  } catch {
    return false;
  }
}

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { JourneyDbError } from "../model/errors.js";

/** PGlite's folder in the folder of the embedded database. */
export const dataFolder = (folder: string): string => join(resolve(folder), "data");

/** Contains the id of the process that has the database open. */
export const holderFile = (folder: string): string => join(resolve(folder), "lock");

/** Prefix of the folders in which new databases are created. */
export const UNFINISHED = "unfinished-";

export const SET_DATABASE_URL = "set DATABASE_URL instead";

export const damaged = (data: string) =>
  new JourneyDbError(
    "corrupt",
    `The embedded database in ${data} is damaged or was created by another version of PGlite; ` +
      "move that folder away to start with an empty one.",
  );

export const replaced = (folder: string) =>
  new JourneyDbError(
    "unavailable",
    `The embedded database in ${resolve(folder)} was removed, moved or replaced while it was being opened; connect again.`,
    { retryable: true },
  );

/** Turns what the file system throws in `work` into a JourneyDbError. */
export async function withFolderErrors<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    const { code = "unknown", path = folder } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw replaced(folder);
    if (code === "ENOSPC" || code === "EDQUOT") {
      const message = `The disk of the embedded database in ${resolve(folder)} is full (${code}); free at least 16 MB.`;
      throw new JourneyDbError("unavailable", message, { retryable: true });
    }
    throw new JourneyDbError(
      "configuration",
      `${resolve(path)} of the embedded database cannot be read, written or locked (${code}); ` +
        `give this user access to it, or ${SET_DATABASE_URL}.`,
    );
  }
}

/** Creates the folder if it does not exist, and makes it private. */
export function prepareFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  makePrivate(folder);
  // Before anything is written: the other user could not read the files that PGlite leaves.
  const owner = statSync(dataFolder(folder), { throwIfNoEntry: false })?.uid;
  // Windows has no user ids.
  if (owner !== undefined && owner !== (process.geteuid?.() ?? owner)) {
    throw new JourneyDbError(
      "configuration",
      `The embedded database in ${resolve(folder)} belongs to another user; run this as that user, or ${SET_DATABASE_URL}.`,
    );
  }
  checkUmask(folder);
  // What users write does not belong in a repository.
  for (const [file, text] of [
    [join(folder, ".gitignore"), "*\n"],
    [holderFile(folder), ""],
  ] as const) {
    if (!existsSync(file)) writeFileSync(file, text, { mode: 0o600, flag: "a" });
    makePrivate(file);
  }
}

/** Refuses a umask under which PGlite could not reopen its own files, which would leave a damaged database. */
function checkUmask(folder: string): void {
  const created = mkdtempSync(join(folder, "umask-"));
  const { mode } = statSync(created);
  rmdirSync(created);
  // Windows has no umask.
  if ((mode & 0o700) === 0o700 || process.geteuid === undefined) return;
  throw new JourneyDbError(
    "configuration",
    `The umask denies this process access to the files that it creates in ${resolve(folder)}; ` +
      `use another umask, such as 077, or ${SET_DATABASE_URL}.`,
  );
}

/** Denies other users access, except on Windows, which has no file modes. */
function makePrivate(path: string): void {
  const entry = statSync(path);
  if (entry.uid === process.geteuid?.()) chmodSync(path, entry.isDirectory() ? 0o700 : 0o600);
}

/**
 * Makes a folder and everything in it private, since PGlite creates files that everybody may read, and
 * most of them even write. Throws for what this user may not read and write, which PGlite would take for damage.
 */
export function makeAllPrivate(folder: string): void {
  makePrivate(folder);
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeAllPrivate(path);
    if (!entry.isFile()) continue;
    makePrivate(path);
    accessSync(path, constants.R_OK | constants.W_OK);
  }
}

import { closeSync, openSync } from "node:fs";
import { SET_DATABASE_URL } from "./embedded-folder.js";
import { importOptional } from "./optional-package.js";

/** The locked bytes: all; on Windows, where locked bytes cannot be read, one far beyond the end. */
const RANGE: [offset: number, length: number] = process.platform === "win32" ? [2 ** 30, 1] : [0, 0];

/**
 * Opens a file with an exclusive lock, which the kernel releases when the file is closed or the process
 * ends, however it ends.
 *
 * @returns the file descriptor; undefined if the file is locked, by this process or another
 */
export async function openLocked(file: string, flags: string): Promise<number | undefined> {
  const { tryLock } = await importOptional<typeof import("fs-native-extensions")>(
    "fs-native-extensions",
    SET_DATABASE_URL,
  );
  const fd = openSync(file, flags, 0o600);
  let locked = false;
  try {
    locked = tryLock(fd, ...RANGE);
  } finally {
    if (!locked) closeSync(fd);
  }
  return locked ? fd : undefined;
}

import { closeSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { dataFolder, holderFile, replaced, UNFINISHED } from "./embedded-folder.js";
import { openLocked } from "./file-lock.js";
import { startFailure, startPglite } from "./pglite.js";

/**
 * Creates an empty database, in a folder of its own until it is complete: no process ever sees an incomplete
 * one. If several processes create one at the same time, the first to finish wins.
 */
export async function createDatabase(folder: string): Promise<void> {
  await removeUnfinished(folder);
  const unfinished = mkdtempSync(join(resolve(folder), UNFINISHED));
  const data = dataFolder(unfinished);
  let fd: number | undefined;
  try {
    // Keeps other processes from removing the folder.
    fd = await openLocked(holderFile(unfinished), "a+");
    if (fd === undefined) throw replaced(folder);
    mkdirSync(data, { mode: 0o700 });
    const client = await startPglite(data);
    await client.close().catch((thrown) => {
      throw startFailure(data, thrown);
    });
    try {
      renameSync(data, dataFolder(folder));
    } catch (error) {
      if (!existsSync(dataFolder(folder))) throw error;
    }
  } finally {
    if (fd !== undefined) closeSync(fd);
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Removes what was left by processes that were killed while they created a database. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const unfinished = join(folder, name);
    const lock = await openLocked(holderFile(unfinished), "a+").catch(() => undefined);
    // In use, or gone.
    if (lock === undefined) continue;
    closeSync(lock);
    rmSync(unfinished, { recursive: true, force: true });
  }
}

import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { JourneyDbError } from "../errors.js";
import { exportRows } from "../export.js";
import { toLine } from "../ndjson.js";
import { count } from "../queries/count.js";
import { exportBatch } from "../queries/export.js";
import { corruptColumn, readSummary } from "../rows.js";
import { showProgress } from "./progress.js";
import { counted, ownerOf, send, type UrlOption, unwritable, warn, withDatabase } from "./run.js";

/** Writes all sessions of a user as NDJSON, oldest first, rows of an older program's shape too. */
export function runExport(given: string, { url, out }: UrlOption & { out?: string }) {
  const userId = ownerOf(given);
  return withDatabase(url, async (db) => {
    const [all] = await send(db, count, { userId });
    // Not in between the sessions themselves.
    const shown = out !== undefined || !process.stdout.isTTY;
    const progress = shown ? showProgress("exporting", all?.sessions ?? 0, "sessions") : undefined;
    let exported = 0;
    let corrupted = 0;
    async function* lines() {
      const rows = exportRows((values) => send(db, exportBatch, { ...values, userId }));
      for await (const row of rows) {
        yield toLine(row);
        exported++;
        if (corruptColumn(row, readSummary(row))) corrupted++;
        progress?.to(exported);
      }
    }
    try {
      await (out === undefined ? toStdout(lines()) : toFile(lines(), out));
    } finally {
      progress?.end();
    }
    warn(`exported ${counted(exported, "session")}`);
    if (corrupted > 0)
      warn(`of these, import will refuse ${corrupted}: messages are no array or metadata no object`);
  });
}

async function toStdout(lines: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(lines, process.stdout, { end: false });
  } catch (thrown) {
    // `journey-db export … | head` closes the pipe early, which is no failure.
    if (thrown instanceof JourneyDbError) throw thrown;
    if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") throw unwritable("stdout", thrown as Error);
  }
}

/** Under another name until it is whole, and for nobody else to read. */
async function toFile(lines: AsyncIterable<string>, file: string): Promise<void> {
  const partial = `${file}.partial`;
  try {
    // One that was left keeps its mode, and a link leads elsewhere.
    await rm(partial, { force: true });
    await pipeline(lines, createWriteStream(partial, { mode: 0o600, flags: "wx" }));
    await rename(partial, file);
  } catch (thrown) {
    await rm(partial, { force: true }).catch(() => {});
    if (thrown instanceof JourneyDbError) throw thrown;
    throw unwritable("--out", thrown as Error);
  }
}

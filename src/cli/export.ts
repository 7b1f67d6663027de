import { randomUUID } from "node:crypto";
import { createWriteStream, rmSync } from "node:fs";
import { realpath, rename, rm, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ROWS } from "../message-rows/layout.js";
import { JourneyDbError } from "../model/errors.js";
import { count } from "../queries/count.js";
import { COLUMN } from "../queries/layout.js";
import { exportRows } from "../sessions/export.js";
import { exactly } from "./exact-values.js";
import { lineReader, toLine } from "./ndjson.js";
import { showProgress } from "./progress.js";
import {
  counted,
  FAILED,
  ownerOf,
  send,
  type TableOptions,
  tableOf,
  unwritable,
  warn,
  withSessions,
} from "./run.js";
import { storedTable } from "./stored-table.js";

/** Writes all sessions of a user as NDJSON, oldest first, including rows that import will refuse. */
export function runExport(user: string, { url, out, ...named }: TableOptions & { out?: string }) {
  const userId = ownerOf(user);
  if (out === "") throw new JourneyDbError("invalid_input", "--out: expected the name of a file");
  const declared = tableOf(named);
  return withSessions(url, declared, async (db) => {
    const { table, fields, hasMessages } = await storedTable(db, declared);
    const { check } = lineReader(fields);
    const batch = (hasMessages ? ROWS : COLUMN).exportBatch(table);
    const [all] = await send(db, count(table), { userId });
    // Not between the sessions on a terminal.
    const shown = out !== undefined || !process.stdout.isTTY;
    const progress = shown ? showProgress("exporting", all?.sessions ?? 0, "sessions") : undefined;
    let exported = 0;
    let refusable = 0;
    async function* lines() {
      const rows = exportRows((values) => exactly(db, table, (tx) => send(tx, batch, { ...values, userId })));
      for await (const row of rows) {
        const line = toLine(row);
        yield `${line}\n`;
        exported++;
        if (isRefused(check, line)) refusable++;
        progress?.to(exported);
      }
    }
    try {
      await (out === undefined ? toStdout(lines()) : toFile(lines(), out));
    } finally {
      progress?.end();
    }
    warn(`exported ${counted(exported, "session")}`);
    if (refusable === 0) return;
    warn(
      `import will refuse ${refusable} of these: a value in them cannot be imported, such as malformed messages or metadata of an older program`,
    );
    process.exitCode = FAILED;
  });
}

function isRefused(check: (line: string) => unknown, line: string): boolean {
  try {
    check(line);
    return false;
  } catch {
    return true;
  }
}

async function toStdout(lines: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(lines, process.stdout, { end: false });
  } catch (thrown) {
    // `journey-db export … | head` closes the pipe early, which is not a failure.
    if (thrown instanceof JourneyDbError) throw thrown;
    if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") throw unwritable("stdout", thrown as Error);
  }
}

async function toFile(lines: AsyncIterable<string>, file: string): Promise<void> {
  try {
    const found = await stat(file).catch(() => null);
    // A device or a pipe is not replaced.
    if (found && !found.isFile()) await pipeline(lines, createWriteStream(file));
    else await replace(found ? await realpath(file) : file, lines);
  } catch (thrown) {
    if (thrown instanceof JourneyDbError) throw thrown;
    throw unwritable("--out", thrown as Error);
  }
}

/** Writes to a temporary name until the file is complete and on disk, readable by its owner alone. */
async function replace(file: string, lines: AsyncIterable<string>): Promise<void> {
  const partial = `${file}.${randomUUID()}.partial`;
  const onSignal = (signal: NodeJS.Signals) => {
    rmSync(partial, { force: true });
    // The handler is removed by now, so this ends the process.
    process.kill(process.pid, signal);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    await pipeline(lines, createWriteStream(partial, { mode: 0o600, flags: "wx", flush: true }));
    await rename(partial, file);
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
    await rm(partial, { force: true }).catch(() => {});
  }
}

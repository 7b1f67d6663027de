import { ask } from "../admin/call.js";
import { estimateRows } from "../admin/walk.js";
import type { Connection } from "../connection/connect.js";
import { showProgress } from "./progress.js";
import { FAILED, TIMEOUT_MS, warn } from "./run.js";

/** What a call that looks at all sessions is given by the command line. */
interface WalkOptions {
  signal: AbortSignal;
  timeoutMs: number;
  onProgress: (progress: { examined: number }) => void;
}

/**
 * Runs the call with its progress shown. Ctrl-C ends it and the statement under way; what was done stays done.
 *
 * @returns what the call returns; undefined where it was ended
 */
export async function walkSessions<Done>(
  db: Connection["db"],
  call: (options: WalkOptions) => Promise<Done>,
): Promise<Done | undefined> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const table = await ask(estimateRows, db, {}, { timeoutMs: TIMEOUT_MS });
  const progress = showProgress("looking at", Math.max(table?.rows ?? 0, 0), "sessions");
  const onProgress = ({ examined }: { examined: number }) => progress.to(examined);
  try {
    const done = await call({ signal: stop.signal, timeoutMs: TIMEOUT_MS, onProgress });
    progress.end();
    return done;
  } catch (thrown) {
    progress.end();
    if (!stop.signal.aborted) throw thrown;
    warn((thrown as Error).message);
    process.exitCode = FAILED;
    return undefined;
  }
}

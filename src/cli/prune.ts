import { ask } from "../admin/call.js";
import { inactiveForSchema, prune } from "../admin/prune.js";
import { estimateRows } from "../admin/walk.js";
import { parse } from "../validate.js";
import { showProgress } from "./progress.js";
import { counted, FAILED, say, TIMEOUT_MS, type UrlOption, warn, withSessions } from "./run.js";

/** Deletes what nobody has written to for long, of all users; Ctrl-C ends it after the statement under way. */
export function runPrune({ url, inactiveFor, dryRun }: UrlOption & { inactiveFor: string; dryRun?: true }) {
  parse(inactiveForSchema, inactiveFor, "--inactive-for", new Set());
  return withSessions(url, async (db) => {
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const table = await ask(estimateRows, db, {}, TIMEOUT_MS);
    const progress = showProgress("looking at", Math.max(table?.rows ?? 0, 0), "sessions");
    try {
      const { sessions } = await prune(db, {
        inactiveFor,
        dryRun,
        signal: stop.signal,
        timeoutMs: TIMEOUT_MS,
        onProgress: ({ examined }) => progress.to(examined),
      });
      progress.end();
      const what = counted(sessions, "session");
      say(dryRun ? `${what} would be deleted` : `deleted ${what}`);
    } catch (thrown) {
      progress.end();
      if (!stop.signal.aborted) throw thrown;
      warn((thrown as Error).message);
      process.exitCode = FAILED;
    }
  });
}

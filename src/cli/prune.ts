import { inactiveForSchema, prune } from "../admin/prune.js";
import { stats } from "../admin/stats.js";
import { parse } from "../validate.js";
import { showProgress } from "./progress.js";
import { counted, FAILED, say, TIMEOUT_MS, type UrlOption, warn, withDatabase } from "./run.js";

/** Deletes what nobody has written to for long, of all users; Ctrl-C ends it after the statement under way. */
export function runPrune({ url, inactiveFor, dryRun }: UrlOption & { inactiveFor: string; dryRun?: true }) {
  parse(inactiveForSchema, inactiveFor, "--inactive-for", new Set());
  return withDatabase(url, async (db) => {
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const options = { inactiveFor, dryRun, signal: stop.signal, timeoutMs: TIMEOUT_MS };
    const { sessions: all } = await stats(db, { timeoutMs: TIMEOUT_MS });
    const progress = showProgress("looking at", all, "sessions");
    try {
      const { sessions } = await prune(db, {
        ...options,
        onProgress: ({ examined }) => progress.to(examined),
      });
      progress.end();
      say(
        dryRun
          ? `${counted(sessions, "session")} would be deleted`
          : `deleted ${counted(sessions, "session")}`,
      );
    } catch (thrown) {
      progress.end();
      if (!stop.signal.aborted) throw thrown;
      warn((thrown as Error).message);
      process.exitCode = FAILED;
    }
  });
}

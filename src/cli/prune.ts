import { inactiveForSchema, prune } from "../admin/prune.js";
import { parse } from "../validation/parse.js";
import { counted, FAILED, leftKept, say, type UrlOption, warn, withSessions } from "./run.js";
import { walkSessions } from "./walk.js";

/** Deletes what nobody has written to for long, of all users; Ctrl-C ends it. */
export function runPrune({ url, inactiveFor, dryRun }: UrlOption & { inactiveFor: string; dryRun?: true }) {
  parse(inactiveForSchema, inactiveFor, "--inactive-for");
  return withSessions(url, async (db) => {
    const pruned = await walkSessions(db, (options) => prune(db, { inactiveFor, dryRun, ...options }));
    if (!pruned) return;
    const what = counted(pruned.sessions, "session");
    say(dryRun ? `${what} would be deleted` : `deleted ${what}`);
    if (!pruned.left) return;
    warn(leftKept(pruned.left.sessions, pruned.left.constraints));
    process.exitCode = FAILED;
  });
}

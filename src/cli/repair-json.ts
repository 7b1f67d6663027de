import { repairJson } from "../admin/repair-json.js";
import { batchSizeOf } from "./convert-messages.js";
import { counted, FAILED, say, type UrlOption, warn, withSessions } from "./run.js";
import { walkSessions } from "./walk.js";

/** Repairs what was encoded as JSON twice, of all users; Ctrl-C ends it. */
export function runRepairJson({
  url,
  batchSize: given,
  dryRun,
}: UrlOption & { batchSize?: string; dryRun?: true }) {
  const batchSize = batchSizeOf(given);
  return withSessions(url, async (db) => {
    const repaired = await walkSessions(db, (options) => repairJson(db, { batchSize, dryRun, ...options }));
    if (!repaired) return;
    const what = counted(repaired.sessions, "session");
    say(dryRun ? `${what} would be repaired` : `repaired ${what}`);
    if (repaired.skipped === 0) return;
    warn(
      `left unchanged: ${counted(repaired.skipped, "session")}; the text holds no array or object, or the session kept changing: see journey-db verify`,
    );
    process.exitCode = FAILED;
  });
}

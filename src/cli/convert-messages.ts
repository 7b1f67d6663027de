import { batchSizeSchema, convertMessages } from "../admin/convert-messages.js";
import { parse } from "../validation/parse.js";
import { counted, FAILED, say, type UrlOption, warn, withSessions } from "./run.js";
import { walkSessions } from "./walk.js";

/** @throws JourneyDbError invalid_input */
export function batchSizeOf(given: string | undefined): number {
  const size = given !== undefined && /^\d+$/.test(given) ? Number(given) : given;
  return parse(batchSizeSchema, size, "--batch-size");
}

/** Converts the messages of AI SDK 4, of all users; Ctrl-C ends it. */
export function runConvertMessages({
  url,
  batchSize,
  dryRun,
}: UrlOption & { batchSize?: string; dryRun?: true }) {
  const checked = batchSizeOf(batchSize);
  return withSessions(url, async (db) => {
    const converted = await walkSessions(db, (options) =>
      convertMessages(db, { batchSize: checked, dryRun, ...options }),
    );
    if (!converted) return;
    const { sessions, messages, skipped } = converted;
    const what = `${counted(messages, "message")} in ${counted(sessions, "session")}`;
    say(dryRun ? `${what} would be converted` : `converted ${what}`);
    if (skipped === 0) return;
    warn(`left unchanged: ${counted(skipped, "session")}; ${WHY}`);
    process.exitCode = FAILED;
  });
}

const WHY = "journey-db verify reports its row, its JSON is nested too deep, or it kept changing";

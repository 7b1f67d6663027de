import { stats } from "../admin.js";
import { say, type TableOptions, TIMEOUT_MS, tableOf, withSessions } from "./run.js";

/** Prints one figure per line, for people and for `awk`, or the result of `stats` as one line of JSON. */
export const runStats = ({ url, json, ...named }: TableOptions & { json?: true }) => {
  const table = tableOf(named);
  return withSessions(url, table, async (db) => {
    const found = await stats(db, { table, timeoutMs: TIMEOUT_MS });
    if (json) return say(JSON.stringify(found));
    const figures = {
      sessions: found.sessions,
      owners: found.owners,
      phases:
        found.phases.map(({ phase, sessions }) => `${JSON.stringify(phase)} ${sessions}`).join(", ") ||
        "none",
      bytes: found.bytes,
      "largest session": found.largest ? `${found.largest.bytes} bytes, ${found.largest.id}` : "none",
      "dead rows": found.deadRows,
      "oldest created": found.oldestCreatedAt?.toISOString() ?? "none",
      "longest inactive": found.oldestUpdatedAt?.toISOString() ?? "none",
      "last update": found.newestUpdatedAt?.toISOString() ?? "none",
      "over 1 MB": found.largeSessions,
      "append rewrites": found.appendBytes
        ? `${found.appendBytes.mean} bytes on average, ${found.appendBytes.largest} at most`
        : "nothing",
      "in rows": `${found.messageRows.sessions} sessions, ${found.messageRows.messages} messages, ${found.messageRows.bytes} bytes`,
      replies: `${found.replies.running} running, ${found.replies.abandoned} abandoned, ${found.replies.bytes} bytes`,
    };
    for (const [name, value] of Object.entries(figures)) say(`${name.padEnd(18)}${value}`);
  });
};

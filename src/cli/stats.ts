import { stats } from "../admin.js";
import { say, TIMEOUT_MS, type UrlOption, withSessions } from "./run.js";

/** Prints a name and a value a line, for people and for `awk`. */
export const runStats = ({ url }: UrlOption) =>
  withSessions(url, async (db) => {
    const found = await stats(db, { timeoutMs: TIMEOUT_MS });
    const figures = {
      sessions: found.sessions,
      owners: found.owners,
      bytes: found.bytes,
      "largest session": found.largest ? `${found.largest.bytes} bytes, ${found.largest.id}` : "none",
      "dead rows": found.deadRows,
      "oldest created": found.oldestCreatedAt?.toISOString() ?? "none",
      "longest inactive": found.oldestUpdatedAt?.toISOString() ?? "none",
      "last update": found.newestUpdatedAt?.toISOString() ?? "none",
    };
    for (const [name, value] of Object.entries(figures)) say(`${name.padEnd(18)}${value}`);
  });

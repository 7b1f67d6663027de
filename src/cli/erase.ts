import { isKept } from "../model/driver-errors.js";
import type { JourneyDbError } from "../model/errors.js";
import type { JourneyTable } from "../schema.js";
import { defineJourney } from "../sessions/define-journey.js";
import type { UserSessions } from "../sessions/verbs.js";
import {
  counted,
  FAILED,
  leftKept,
  ownerOf,
  say,
  type TableOptions,
  TIMEOUT_MS,
  tableOf,
  WRONG_USAGE,
  warn,
  withSessions,
} from "./run.js";

/** Deletes all sessions of a user, if --yes is given. */
export function runErase(user: string, { url, yes, ...named }: TableOptions & { yes?: true }) {
  const userId = ownerOf(user);
  const table = tableOf(named);
  return withSessions(url, table, async (db) => {
    const sessions = defineJourney({ table, timeoutMs: TIMEOUT_MS }).forUser(db, userId);
    if (!yes) {
      const count = counted(await sessions.count(), "session");
      warn(`the user has ${count}; nothing was erased, since --yes is missing`);
      process.exitCode = WRONG_USAGE;
      return;
    }
    const kept: JourneyDbError[] = [];
    const erased = await sessions.deleteAll().catch((thrown) => {
      if (!isKept(thrown)) throw thrown;
      return eraseOneByOne(sessions, kept);
    });
    const left = await sessions.count();
    say(`erased ${counted(erased, "session")}; left: ${left}`);
    if (kept.length === 0) return;
    warn(leftKept(left, [...new Set(kept.flatMap(({ constraint }) => constraint ?? []))]));
    process.exitCode = FAILED;
  });
}

/**
 * @param kept takes the error of each session that cannot be deleted
 * @returns the number of sessions erased
 */
async function eraseOneByOne(
  sessions: UserSessions<unknown, unknown, string, JourneyTable>,
  kept: JourneyDbError[],
): Promise<number> {
  let erased = 0;
  let cursor: string | undefined;
  do {
    const page = await sessions.list({ limit: 100, cursor });
    for (const { id } of page.sessions) {
      try {
        if (await sessions.delete(id)) erased++;
      } catch (thrown) {
        if (!isKept(thrown)) throw thrown;
        kept.push(thrown);
      }
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return erased;
}

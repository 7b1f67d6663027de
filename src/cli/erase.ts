import { isKept } from "../model/driver-errors.js";
import { defineJourney } from "../sessions/define-journey.js";
import type { UserSessions } from "../sessions/verbs.js";
import {
  counted,
  FAILED,
  leftKept,
  ownerOf,
  say,
  TIMEOUT_MS,
  type UrlOption,
  WRONG_USAGE,
  warn,
  withSessions,
} from "./run.js";

/** Deletes all sessions of a user, once --yes is said. */
export function runErase(given: string, { url, yes }: UrlOption & { yes?: true }) {
  const userId = ownerOf(given);
  return withSessions(url, async (db) => {
    const sessions = defineJourney({ timeoutMs: TIMEOUT_MS }).forUser(db, userId);
    if (!yes) {
      warn(
        `the user has ${counted(await sessions.count(), "session")}; nothing was erased, since --yes is missing`,
      );
      process.exitCode = WRONG_USAGE;
      return;
    }
    const kept: Kept = { sessions: 0, constraints: new Set() };
    const erased = await sessions.deleteAll().catch((thrown) => {
      if (!isKept(thrown)) throw thrown;
      return eraseOneByOne(sessions, kept);
    });
    const left = await sessions.count();
    say(`erased ${counted(erased, "session")}; left: ${left}`);
    if (kept.sessions === 0) return;
    warn(leftKept(left, [...kept.constraints]));
    process.exitCode = FAILED;
  });
}

/** Sessions that something keeps from being deleted, and the constraints among that. */
interface Kept {
  sessions: number;
  constraints: Set<string>;
}

/**
 * @param kept takes what is left
 * @returns how many sessions were erased
 */
async function eraseOneByOne(sessions: UserSessions<unknown, unknown, string>, kept: Kept): Promise<number> {
  let erased = 0;
  let cursor: string | undefined;
  do {
    const page = await sessions.list({ limit: 100, cursor });
    for (const { id } of page.sessions) {
      try {
        if (await sessions.delete(id)) erased++;
      } catch (thrown) {
        if (!isKept(thrown)) throw thrown;
        kept.sessions++;
        if (thrown.constraint) kept.constraints.add(thrown.constraint);
      }
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return erased;
}

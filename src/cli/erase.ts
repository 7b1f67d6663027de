import { isStillReferenced } from "../errors.js";
import { defineJourney } from "../sessions.js";
import type { UserSessions } from "../user-sessions.js";
import {
  counted,
  FAILED,
  leftReferenced,
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
    const constraints = new Set<string>();
    const erased = await sessions.deleteAll().catch((thrown) => {
      if (!isStillReferenced(thrown)) throw thrown;
      return eraseOneByOne(sessions, constraints);
    });
    const left = await sessions.count();
    say(`erased ${counted(erased, "session")}; left: ${left}`);
    if (constraints.size === 0) return;
    warn(leftReferenced(left, [...constraints]));
    process.exitCode = FAILED;
  });
}

/**
 * @param constraints takes the foreign keys that sessions are left for
 * @returns how many sessions were erased
 */
async function eraseOneByOne(
  sessions: UserSessions<unknown, unknown, string>,
  constraints: Set<string>,
): Promise<number> {
  let erased = 0;
  let cursor: string | undefined;
  do {
    const page = await sessions.list({ limit: 100, cursor });
    for (const { id } of page.sessions) {
      try {
        if (await sessions.delete(id)) erased++;
      } catch (thrown) {
        if (!isStillReferenced(thrown)) throw thrown;
        if (thrown.constraint) constraints.add(thrown.constraint);
      }
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return erased;
}

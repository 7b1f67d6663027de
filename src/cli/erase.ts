import { defineJourney } from "../sessions.js";
import { counted, ownerOf, say, TIMEOUT_MS, type UrlOption, WRONG_USAGE, warn, withSessions } from "./run.js";

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
    const erased = await sessions.deleteAll();
    say(`erased ${counted(erased, "session")}; left: ${await sessions.count()}`);
  });
}

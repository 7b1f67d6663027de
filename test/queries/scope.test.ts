import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import type { JourneyDbError } from "../../src/index.js";
import { journeySessions } from "../../src/schema.js";
import { ON_CLUSTER } from "../support/citus.js";
import { newUser } from "../support/database.js";
import { onEveryTable } from "../support/drivers.js";
import { unstored } from "../support/verbs.js";

onEveryTable((database, { table, cases, conversation, newOwn }, forUser) => {
  /** Only the default table is distributed. */
  const isUniquePerUser = ON_CLUSTER && table === journeySessions;

  async function owned() {
    const owner = newUser();
    const sessions = forUser(database(), owner);
    const given = await conversation(sessions);
    return { owner, sessions, given, session: await sessions.get(given.id) };
  }

  const outcome = (call: Promise<unknown>) =>
    call.then(
      (value) => ({ value }),
      (error: JourneyDbError) => ({ error: error.toJSON() }),
    );

  it.each(cases.filter(({ creates }) => !creates))(
    "$name: another user's session, one deleted and one that never was get the same answer",
    async ({ call }) => {
      const { sessions, given, session } = await owned();
      const stranger = forUser(database(), newUser());
      const deleted = await stranger.create(newOwn(unstored()));
      await stranger.delete(deleted.id);
      const unknown = await outcome(call(stranger, { ...given, id: randomUUID() }));
      expect(await outcome(call(stranger, given))).toEqual(unknown);
      expect(await outcome(call(stranger, { ...given, id: deleted.id }))).toEqual(unknown);
      expect(await sessions.get(given.id)).toEqual(session);
      expect(await stranger.count()).toBe(0);
      // The owner's own call does change or show something.
      expect(await outcome(call(sessions, given))).not.toEqual(unknown);
    },
  );

  it.each(cases.filter(({ creates }) => creates))(
    "$name on another user's session changes nothing of it, and is refused where an id is unique for all",
    async ({ verb, call }) => {
      const { sessions, given, session } = await owned();
      const stranger = forUser(database(), newUser());
      const called = call(stranger, { ...given, newId: given.id });
      if (isUniquePerUser) await called;
      else await expect(called).rejects.toMatchObject({ code: verb === "create" ? "conflict" : "not_found" });
      expect(await sessions.get(given.id)).toEqual(session);
      expect(await stranger.count()).toBe(isUniquePerUser ? 1 : 0);
    },
  );

  it("users whose ids look alike are strangers to one another", async () => {
    const { owner, given } = await owned();
    const lookalikes = [
      owner.toUpperCase(),
      `${owner}\u200b`,
      owner.replace("user_", "user%"),
      owner.replace("_", "\uff3f"),
      owner.slice(0, -1),
      `${owner}' or '1'='1`,
      "%",
      "_".repeat(owner.length),
    ];
    for (const userId of lookalikes) {
      const sessions = forUser(database(), userId);
      expect(await sessions.get(given.id)).toBeNull();
      expect(await sessions.list()).toEqual({ sessions: [] });
      expect(await sessions.latest()).toBeNull();
      expect(await sessions.deleteAll()).toBe(0);
    }
  });
});

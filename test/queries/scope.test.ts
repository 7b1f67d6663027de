import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import type { JourneyDbError, JourneyMessage, JourneyMetadata, UserSessions } from "../../src/index.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";

type Sessions = UserSessions<JourneyMessage, JourneyMetadata, string>;

/** Every call that names a session, as its owner would make it on a conversation of m1, m2. */
const calls: Record<string, (sessions: Sessions, id: string) => Promise<unknown>> = {
  get: (sessions, id) => sessions.get(id),
  messages: (sessions, id) => sessions.messages(id),
  "messages before": (sessions, id) => sessions.messages(id, { before: "m2" }),
  append: (sessions, id) => sessions.append(id, text("m1", "changed")),
  "append after": (sessions, id) => sessions.append(id, text("m3"), { after: "m2" }),
  "append from": (sessions, id) => sessions.append(id, text("m3"), { from: "m1" }),
  setPhase: (sessions, id) => sessions.setPhase(id, "review"),
  "setPhase from": (sessions, id) => sessions.setPhase(id, "review", { from: "setup" }),
  mergeMetadata: (sessions, id) => sessions.mergeMetadata(id, { a: 2 }),
  "mergeMetadata ifMatch": (sessions, id) => sessions.mergeMetadata(id, { a: 2 }, { ifMatch: { a: 1 } }),
  replaceMessages: (sessions, id) => sessions.replaceMessages(id, []),
  truncate: (sessions, id) => sessions.truncate(id, { from: "m1" }),
  fork: (sessions, id) => sessions.fork(id),
  "fork through": (sessions, id) => sessions.fork(id, { through: "m1" }),
  delete: (sessions, id) => sessions.delete(id),
};

onEveryDriver((database, { forUser }) => {
  async function owned() {
    const owner = newUser();
    const sessions = forUser(database(), owner);
    const session = await sessions.create({ messages: [text("m1"), text("m2")], metadata: { a: 1 } });
    return { owner, sessions, session };
  }

  const outcome = (call: Promise<unknown>) =>
    call.then(
      (value) => ({ value }),
      (error: JourneyDbError) => ({ error: error.toJSON() }),
    );

  it.each(Object.entries(calls))(
    "%s: another user's session, one deleted and one that never was get the same answer",
    async (_, call) => {
      const { sessions, session } = await owned();
      const stranger = forUser(database(), newUser());
      const deleted = await stranger.create();
      await stranger.delete(deleted.id);
      const unknown = await outcome(call(stranger, randomUUID()));
      expect(await outcome(call(stranger, session.id))).toEqual(unknown);
      expect(await outcome(call(stranger, deleted.id))).toEqual(unknown);
      expect(await sessions.get(session.id)).toEqual(session);
      expect(await stranger.count()).toBe(0);
      // The owner's own call does change or show something.
      expect(await outcome(call(sessions, session.id))).not.toEqual(unknown);
    },
  );

  it("append with create on another user's session is not found and changes nothing", async () => {
    const { sessions, session } = await owned();
    const stranger = forUser(database(), newUser());
    for (const options of [{ create: true }, { create: true, after: null }]) {
      await expect(stranger.append(session.id, text("m9"), options)).rejects.toMatchObject({
        code: "not_found",
      });
    }
    expect(await sessions.get(session.id)).toEqual(session);
    expect(await stranger.count()).toBe(0);
  });

  it("users whose ids look alike are strangers to one another", async () => {
    const { owner, session } = await owned();
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
      expect(await sessions.get(session.id)).toBeNull();
      expect(await sessions.list()).toEqual({ sessions: [] });
      expect(await sessions.latest()).toBeNull();
      expect(await sessions.deleteAll()).toBe(0);
    }
  });
});

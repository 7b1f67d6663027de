import { expect, it } from "vitest";
import type { Written } from "../../src/index.js";
import { newUser } from "../support/database.js";
import { onEveryTable } from "../support/drivers.js";
import { text } from "../support/messages.js";
import { unstored } from "../support/verbs.js";

onEveryTable((database, { cases, conversation, newOwn }, forUser) => {
  /** On a session that is there; fork changes another. */
  const WRITES = cases.filter(({ writes, onSession, verb }) => writes && onSession && verb !== "fork");

  it.each(WRITES.filter(({ verb }) => verb !== "delete"))("$name changes it", async ({ call }) => {
    const sessions = forUser(database(), newUser());
    const given = await conversation(sessions);
    const { revision } = (await call(sessions, given)) as Written;
    expect((await sessions.get(given.id))?.revision).toBe(revision);
    const next = await sessions.setPhase(given.id, "setup");
    expect(new Set([given.revision, revision, next.revision]).size).toBe(3);
  });

  it("can be asked for by every write", () => {
    const taking = WRITES.filter(({ takesRevision }) => takesRevision);
    expect(new Set(taking.map(({ verb }) => verb))).toEqual(new Set(WRITES.map(({ verb }) => verb)));
  });

  it.each(WRITES.filter(({ takesRevision }) => takesRevision))(
    "$name writes only where it is what it was",
    async ({ call }) => {
      const sessions = forUser(database(), newUser());
      const given = await conversation(sessions);
      const { revision } = await sessions.setPhase(given.id, "setup");
      const unchanged = await sessions.get(given.id);
      const stale = call(sessions, given);
      await expect(stale).rejects.toMatchObject({ code: "conflict", retryable: false });
      expect(await sessions.get(given.id)).toEqual(unchanged);
      await call(sessions, { ...given, revision });
      expect(await sessions.get(given.id)).not.toEqual(unchanged);
    },
  );

  it("has no effect if there is no session: delete returns false", async () => {
    const sessions = forUser(database(), newUser());
    const { id, revision } = await conversation(sessions);
    expect(await sessions.delete(id, { ifRevision: revision })).toBe(true);
    expect(await sessions.delete(id, { ifRevision: revision })).toBe(false);
  });

  it("strictly increases within one transaction, in which now() does not change", async () => {
    const owner = newUser();
    const revisions = await database().transaction(async (tx) => {
      const sessions = forUser(tx, owner);
      const { id, revision } = await sessions.create(newOwn(unstored()));
      const next = await sessions.setPhase(id, "review", { ifRevision: revision });
      const last = await sessions.append(id, text("m1"), { ifRevision: next.revision });
      return [revision, next.revision, last.revision];
    });
    expect(new Set(revisions).size).toBe(3);
    expect([...revisions].sort()).toEqual(revisions);
  });
});

import { expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { idsOf, text } from "../support/messages.js";

onEveryDriver((database, { forUser }) => {
  it("changes with every write, and every write takes ifRevision", async () => {
    const sessions = forUser(database(), newUser());
    const { id, revision } = await sessions.create({ messages: [text("m1"), text("m2")] });
    const seen = [revision];
    const next = () => ({ ifRevision: seen.at(-1) });
    const writes = [
      () => sessions.append(id, text("m3"), next()),
      () => sessions.setPhase(id, "review", next()),
      () => sessions.mergeMetadata(id, { a: 1 }, next()),
      () => sessions.truncate(id, { from: "m3", ...next() }),
      () => sessions.replaceMessages(id, [text("m1")], next()),
    ];
    for (const write of writes) seen.push((await write()).revision);
    expect(new Set(seen).size).toBe(seen.length);

    const unchanged = await sessions.get(id);
    const stale = { ifRevision: revision };
    for (const write of [
      () => sessions.append(id, text("m4"), stale),
      () => sessions.append(id, text("m4"), { create: true, ...stale }),
      () => sessions.setPhase(id, "setup", stale),
      () => sessions.mergeMetadata(id, { a: 2 }, stale),
      () => sessions.truncate(id, { from: "m1", ...stale }),
      () => sessions.replaceMessages(id, [], stale),
      () => sessions.delete(id, stale),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: "conflict", retryable: false });
    }
    expect(await sessions.get(id)).toEqual(unchanged);
    expect(idsOf(unchanged?.messages ?? [])).toEqual(["m1"]);
    expect(await sessions.delete(id, next())).toBe(true);
    expect(await sessions.delete(id, next())).toBe(false);
  });

  it("strictly increases within one transaction, where now() stands still", async () => {
    const owner = newUser();
    const revisions = await database().transaction(async (tx) => {
      const sessions = forUser(tx, owner);
      const { id, revision } = await sessions.create();
      const next = await sessions.setPhase(id, "review", { ifRevision: revision });
      const last = await sessions.append(id, text("m1"), { ifRevision: next.revision });
      return [revision, next.revision, last.revision];
    });
    expect(new Set(revisions).size).toBe(3);
    expect([...revisions].sort()).toEqual(revisions);
  });
});

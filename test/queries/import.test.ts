import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { isStorable } from "../../src/model/text.js";
import { exportBatch } from "../../src/queries/export.js";
import { importedSessions, importSessions } from "../../src/queries/import.js";
import { DriverFailure } from "../../src/queries/statement.js";
import { ON_CLUSTER, sessionTable } from "../support/citus.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { nastyStrings, text, uiMessages } from "../support/messages.js";

const session = (change: object = {}) => ({
  id: randomUUID(),
  phase: "review",
  createdAt: "2026-01-31T09:30:00.000001Z",
  updatedAt: "2026-01-31T09:30:00.000002Z",
  metadata: { title: "A" },
  messages: [text("m1")],
  ...change,
});

onEveryDriver((database, { forUser }) => {
  const sent = (userId: string, sessions: readonly object[] | string) => ({
    userId,
    sessions: typeof sessions === "string" ? sessions : JSON.stringify(sessions),
  });
  const ids = (rows: { id: string }[]) => rows.map(({ id }) => id).sort();
  const importing = async (userId: string, sessions: readonly object[] | string) =>
    ids(await importSessions({})(sessionTable).run(database(), sent(userId, sessions), false));
  const imported = async (userId: string, sessions: readonly object[]) =>
    ids(await importedSessions(sessionTable).run(database(), sent(userId, sessions), false));
  /** All that is stored of a user, to the last digit. */
  const stored = async (userId: string) => {
    const values = { userId, time: "-infinity", id: null, maxBytes: 1_000_000_000 };
    return (await exportBatch(sessionTable).run(database(), values, false)).map(
      ({ summary, metadata, messages }) => {
        const [id, owner, phase, , createdAt, updatedAt] = JSON.parse(summary);
        return { id, owner, phase, createdAt, updatedAt, metadata, messages };
      },
    );
  };

  it("stores sessions with their original times, and returns their ids", async () => {
    const userId = newUser();
    const sessions = [session(), session({ createdAt: "2026-01-31T09:30:01" })];
    expect(await importing(userId, sessions)).toEqual(ids(sessions));
    expect(await forUser(database(), userId).count()).toBe(2);
    expect(await stored(userId)).toMatchObject([
      {
        id: sessions[0]?.id,
        owner: userId,
        phase: "review",
        createdAt: "2026-01-31T09:30:00.000001",
        updatedAt: "2026-01-31T09:30:00.000002",
        metadata: '{"title": "A"}',
      },
      { id: sessions[1]?.id, createdAt: "2026-01-31T09:30:01" },
    ]);
  });

  it.each([
    ...["infinity", "-infinity", "4714-11-24T00:00:00 BC", "0001-01-01T00:00:00", "2000-02-29T12:00:00.5"],
    ...["10000-01-01T00:00:00", "294276-12-31T23:59:59.999999"],
  ])("%s is stored as that time", async (time) => {
    const userId = newUser();
    await importing(userId, [session({ createdAt: time, updatedAt: time })]);
    expect(await stored(userId)).toMatchObject([{ createdAt: time, updatedAt: time }]);
  });

  it("times are in UTC, with a Z and without, whatever the connection's settings", async () => {
    const userId = newUser();
    const time = "2026-07-01T02:03:04";
    await database().transaction(async (tx) => {
      await tx.execute(sql`set local time zone 'Asia/Tokyo'`);
      await tx.execute(sql`set local datestyle = 'SQL, DMY'`);
      const one = session({ createdAt: `${time}Z`, updatedAt: time });
      await importSessions({})(sessionTable).run(tx, sent(userId, [one]), false);
    });
    expect(await stored(userId)).toMatchObject([{ createdAt: time, updatedAt: time }]);
  });

  it("no number is rounded, and no text changed", async () => {
    const userId = newUser();
    const numbers = `[0.1234567890123456789, 12345678901234567890123, 1.10, ${"9".repeat(400)}]`;
    const json = JSON.stringify(session({ metadata: { n: 0 } })).replace('"n":0', `"n": ${numbers}`);
    const messages = [
      ...uiMessages.slice(0, 20),
      text("strings", JSON.stringify(nastyStrings.filter(isStorable))),
    ];
    await importing(userId, `[${json}]`);
    expect(await stored(userId)).toMatchObject([{ metadata: `{"n": ${numbers}}` }]);
    const other = session({ messages });
    await importing(userId, [other]);
    expect((await forUser(database(), userId).get(other.id))?.messages).toEqual(messages);
  });

  it("the owner is the user who imports, whatever the JSON says", async () => {
    const [userId, named] = [newUser(), newUser()];
    await importing(userId, [session({ userId: named, user_id: named })]);
    expect(await forUser(database(), userId).count()).toBe(1);
    expect(await forUser(database(), named).count()).toBe(0);
  });

  describe("an id that is taken", () => {
    it("by the owner's or by another's session is passed over, and the session stays as it is", async () => {
      const [userId, other] = [newUser(), newUser()];
      const [own, taken, free] = [session(), session(), session()];
      await importing(userId, ON_CLUSTER ? [own, taken] : [own]);
      if (!ON_CLUSTER) await importing(other, [taken]);
      const before = [await stored(userId), await stored(other)];
      const changed = { phase: "changed", messages: [], metadata: {}, updatedAt: "2027-01-01T00:00:00Z" };
      const again = [own, { ...taken, id: taken.id.toUpperCase() }].map((one) => ({ ...one, ...changed }));
      expect(await importing(userId, again)).toEqual([]);
      expect([await stored(userId), await stored(other)]).toEqual(before);
      expect(await importing(userId, [...again, free])).toEqual([free.id]);
    });

    it("is told apart: the owner's, and no other's, are those that were imported before", async () => {
      const [userId, other] = [newUser(), newUser()];
      const [own, taken, missing] = [session(), session(), session()];
      await importing(userId, [own, session()]);
      await importing(other, [taken]);
      expect(await imported(userId, [own, taken, missing])).toEqual([own.id]);
      expect(await imported(other, [own, { ...taken, id: taken.id.toUpperCase() }, missing])).toEqual([
        taken.id,
      ]);
      expect(await imported(newUser(), [own, taken, missing])).toEqual([]);
    });
  });

  it.each([
    ["a year beyond the server's", { createdAt: "294277-01-01T00:00:00" }],
    ["a day that is none", { updatedAt: "10000-02-30T00:00:00" }],
    ["messages that are no array", { messages: {} }],
    ["metadata that is no object", { metadata: [] }],
  ])("one with %s is refused, and all that were sent with it", async (_, change) => {
    const userId = newUser();
    const call = importing(userId, [session(), session(change), session()]);
    await expect(call).rejects.toBeInstanceOf(DriverFailure);
    expect(await stored(userId)).toEqual([]);
  });

  it("nothing is stored of no session", async () => {
    const userId = newUser();
    expect([await importing(userId, []), await imported(userId, [])]).toEqual([[], []]);
    expect(await stored(userId)).toEqual([]);
  });
});

/** What holds for every call of `sessions.replies`, on every driver. */
import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import type { JourneyDbError } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { newUser } from "../support/database.js";
import { onEveryDurableDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";
import { createReplyTables } from "../support/own-table.js";
import { durableChatsFor, durably, REPLY_CASES, replyOf } from "../support/replies.js";

/** Everything that is stored of a session's reply, but the time of the last sign of life. */
const storedOf = async (db: Database, id: string) => {
  const rows = await db
    .select({
      reply: sql<object>`to_jsonb(r) - 'written_at'`,
      chunks: sql<object>`(select jsonb_agg(c order by n) from journey_reply_chunks as c where c.session_id = r.session_id and c.user_id = r.user_id)`,
    })
    .from(sql`journey_replies as r where r.session_id = ${id}`);
  return rows[0];
};

const outcome = (call: Promise<unknown>) =>
  call.then(
    (value) => ({ value }),
    (error: JourneyDbError) => ({ error: error.toJSON() }),
  );

onEveryDurableDriver((database, { defineJourney }) => {
  const durableFor = durably(defineJourney);

  it.each(REPLY_CASES)("$name works", async ({ before, refused, send }) => {
    const sessions = durableFor(database(), newUser());
    const given = await replyOf(sessions, database(), before);
    if (refused) await expect(send(sessions, given)).rejects.toMatchObject({ code: refused });
    else await send(sessions, given);
  });

  it.each(REPLY_CASES)(
    "$name: another user's session, one deleted and one that never was get the same answer, and nothing changes",
    async ({ before, send }) => {
      const db = database();
      const sessions = durableFor(db, newUser());
      const given = await replyOf(sessions, db, before);
      const [session, stored] = [await sessions.get(given.id), await storedOf(db, given.id)];
      const stranger = durableFor(db, newUser());
      // The stranger has a reply of the same id.
      const { id: own } = await stranger.create({ messages: [text("m1")] });
      await stranger.replies.start(own, given.replyId);
      const { id: deleted } = await replyOf(stranger, db, "running");
      await stranger.delete(deleted);
      const unknown = await outcome(send(stranger, { ...given, id: randomUUID() }));
      expect(await outcome(send(stranger, given))).toEqual(unknown);
      expect(await outcome(send(stranger, { ...given, id: deleted }))).toEqual(unknown);
      expect(await storedOf(db, given.id)).toEqual(stored);
      expect(await sessions.get(given.id)).toEqual(session);
      // The owner's own call does change or show something.
      expect(await outcome(send(sessions, given))).not.toEqual(unknown);
    },
  );

  it("no call touches the session: its revision and its place in the lists stay", async () => {
    const sessions = durableFor(database(), newUser());
    for (const { before, send } of REPLY_CASES) {
      const given = await replyOf(sessions, database(), before);
      const session = await sessions.get(given.id);
      await outcome(send(sessions, given));
      expect(await sessions.get(given.id)).toEqual(session);
    }
  });

  it("every call works on a table of an application's", async () => {
    const db = database();
    await createReplyTables(db);
    const sessions = durableChatsFor(db, newUser());
    for (const { name, before, refused, send } of REPLY_CASES) {
      const own = { runId: name };
      const given = await replyOf(sessions, db, before, { own, table: "app.chats_replies" });
      const answer = await outcome(send(sessions, given));
      expect({ name, answer }).toMatchObject({ name, answer: refused ? { error: { code: refused } } : {} });
      if (!refused) expect(answer).toHaveProperty("value");
    }
  });
});

import { eq, getTableName, sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { convertLayout, prune, stats, transfer } from "../../src/admin.js";
import { replyTables } from "../../src/durable-replies.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { type JourneyTable, journeySessions, journeyTable } from "../../src/schema.js";
import { defineJourney } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { createMessages, LAYOUTS } from "../support/message-rows.js";
import { text } from "../support/messages.js";
import { createTables } from "../support/own-table.js";

const chats = journeyTable("chats");
const TABLES = { "the default table": journeySessions, "an own table": chats as JourneyTable };

async function createReplies(db: Database, table: JourneyTable): Promise<void> {
  if (table === journeySessions) return void (await migrate(db, { with: ["durable-replies"] }));
  await createTables(db, { table, ...replyTables(table) });
  for (const statement of tableSql(table, { with: ["durable-replies"] }))
    await db.execute(sql.raw(statement));
}

onEveryDriver((database, entry) => {
  describe.each(Object.entries(TABLES))("%s", (_, table) => {
    const { replies, chunks } = replyTables(table);
    const options = entry.defineJourney === defineJourney ? {} : { prepare: false };
    const of = (userId: string, layout: (typeof LAYOUTS)[number] = "column") => {
      const messages = layout === "rows" ? { messages: messagesTable(table) } : {};
      return defineJourney({ table, replies, ...messages, ...options } as never).forUser(database(), userId);
    };
    type Sessions = ReturnType<typeof of>;

    /** A session with a message, and a running reply of two batches. */
    async function replying(sessions: Sessions) {
      const { id } = await sessions.create({ messages: [text("m1")] } as never);
      await sessions.replies?.start(id, "r1");
      for (const n of [1, 2]) await sessions.replies?.write(id, "r1", { n, chunks: `<${n}>` });
      return id;
    }

    /** What is left in both tables. */
    const left = async () => [await database().$count(replies), await database().$count(chunks)];

    /** As if the last sign of life of a session's reply had been some time ago, and the server had run since. */
    const age = (id: string, interval: string, state = "running") =>
      database()
        .update(replies)
        .set({ writtenAt: sql`now() - ${interval}::interval`, state: state as "running" })
        .where(eq(replies.sessionId, id));

    beforeAll(() => createReplies(database(), table));
    let hasMessages = false;
    async function makeMessages() {
      if (!hasMessages) await createMessages(database(), table);
      hasMessages = true;
    }
    beforeEach(async () => {
      await database().delete(table);
    });

    it("stats counts what is running, and what a crash has left", async () => {
      expect((await stats(database(), { table })).replies).toMatchObject({ running: 0, abandoned: 0 });
      const sessions = of(newUser());
      await replying(sessions);
      const aged = async (...[interval, state]: [string, string?]) =>
        age(await replying(sessions), interval, state);
      await aged("9 seconds", "stopping");
      await aged("50 seconds", "ended");
      await aged("2 minutes", "ended");
      const { running, abandoned, bytes } = (await stats(database(), { table })).replies;
      expect([running, abandoned]).toEqual([2, 1]);
      const sizes = [replies, chunks].map(
        (one) => sql`pg_total_relation_size(${getTableName(one)}::text::regclass)`,
      );
      const [size] = await database()
        .select({ bytes: sql<number>`(${sql.join(sizes, sql` + `)})::float8` })
        .from(sql`(select) as nothing`);
      expect(bytes).toBe(size?.bytes);
    });

    it("prune removes what has ended after an hour, and an unfinished one with the time of a session", async () => {
      const sessions = of(newUser());
      const running = await replying(sessions);
      for (const [interval, state] of [
        ["59 minutes", "ended"],
        ["89 days", "running"],
        ["89 days", "closing"],
        ["61 minutes", "ended"],
        ["61 minutes", "stored"],
        ["91 days", "running"],
        ["91 days", "stopping"],
      ])
        await age(await replying(sessions), interval as string, state);
      const call = { table, inactiveFor: "90d", batchSize: 3 };
      expect(await prune(database(), { ...call, dryRun: true })).toEqual({ sessions: 0, replies: 4 });
      expect(await left()).toEqual([8, 16]);
      expect(await prune(database(), call)).toEqual({ sessions: 0, replies: 4 });
      expect(await left()).toEqual([4, 8]);
      expect(await prune(database(), call)).toEqual({ sessions: 0, replies: 0 });
      await sessions.replies?.write(running, "r1", { n: 3, chunks: "<3>" });
      expect(await sessions.count()).toBe(8);
    });

    it("prune counts no reply that goes with its session", async () => {
      const sessions = of(newUser());
      const id = await replying(sessions);
      await age(id, "91 days", "ended");
      await database().execute(sql`
        insert into ${table} (user_id, updated_at) values ('user_a', now() - interval '91 days')`);
      await database().execute(sql`
        insert into ${replies} (user_id, session_id, id, state, batches, started_at, written_at)
        select user_id, id, 'r1', 'ended', 0, updated_at, updated_at from ${table} where user_id = 'user_a'`);
      const call = { table, inactiveFor: "90d" };
      expect(await prune(database(), { ...call, dryRun: true })).toEqual({ sessions: 1, replies: 1 });
      expect(await prune(database(), call)).toEqual({ sessions: 1, replies: 1 });
      expect(await left()).toEqual([0, 0]);
    });

    describe.each(LAYOUTS)("messages in the %s", (layout) => {
      beforeAll(() => (layout === "rows" ? makeMessages() : undefined));

      it("transfer moves the reply and its chunks with the session, and the server that writes it is told", async () => {
        const [guest, user, other] = [newUser(), newUser(), newUser()];
        const id = await replying(of(guest, layout));
        await of(guest, layout).create({ messages: [text("m1")] } as never);
        const kept = await replying(of(other, layout));
        expect(await transfer(database(), { table, from: guest, to: user })).toEqual({ sessions: 2 });
        expect(await of(user).replies?.read(id)).toMatchObject({ replyId: "r1", chunks: "<1><2>" });
        expect(await of(guest).replies?.read(id)).toBeNull();
        const next = of(guest).replies?.write(id, "r1", { n: 3, chunks: "<3>" });
        expect((await errorOf(next as Promise<unknown>)).code).toBe("not_found");
        expect(await of(other).replies?.read(kept)).toMatchObject({ chunks: "<1><2>" });
        await of(user).replies?.write(id, "r1", { n: 3, chunks: "<3>" });
        expect(await transfer(database(), { table, from: user, to: guest })).toEqual({ sessions: 2 });
        expect(await of(guest).replies?.read(id)).toMatchObject({ chunks: "<1><2><3>" });
        if (table === journeySessions) expect(await verify(database())).toEqual([]);
      });

      it("transfer leaves a reply where it is, if the other user has one of the same session", async () => {
        const [guest, user] = [newUser(), newUser()];
        const id = await replying(of(guest, layout));
        await database()
          .insert(replies)
          .values({
            userId: user,
            sessionId: id,
            id: "r2",
            state: "running",
            batches: 0,
            startedAt: sql`now()`,
            writtenAt: sql`now()`,
          } as never);
        expect(await transfer(database(), { table, from: guest, to: user })).toEqual({ sessions: 1 });
        expect(await of(user).replies?.read(id)).toMatchObject({ replyId: "r2" });
      });

      it("a session whose reply is running is converted to the other layout, and the reply goes on", async () => {
        await makeMessages();
        const sessions = of(newUser(), layout);
        const id = await replying(sessions);
        const to = layout === "rows" ? "column" : "rows";
        expect(await convertLayout(database(), { table, to })).toMatchObject({ sessions: 1, skipped: 0 });
        await sessions.replies?.write(id, "r1", { n: 3, chunks: "<3>" });
        expect(await sessions.replies?.read(id)).toMatchObject({ state: "running", chunks: "<1><2><3>" });
      });

      it.each<[string, (sessions: Sessions, id: string) => Promise<unknown>]>([
        ["delete", (sessions, id) => sessions.delete(id)],
        ["deleteAll", (sessions) => sessions.deleteAll()],
      ])("%s leaves nothing of a running reply, and the server that writes it is told", async (_, call) => {
        const sessions = of(newUser(), layout);
        const id = await replying(sessions);
        await call(sessions, id);
        expect(await left()).toEqual([0, 0]);
        const next = sessions.replies?.write(id, "r1", { n: 3, chunks: "<3>" });
        expect((await errorOf(next as Promise<unknown>)).code).toBe("not_found");
      });

      it("export has what is complete, and a fork has no reply", async () => {
        const sessions = of(newUser(), layout);
        const id = await replying(sessions);
        const exported = [];
        for await (const session of sessions.export()) exported.push(session);
        expect(exported).toMatchObject([{ id, messages: [text("m1")] }]);
        expect(JSON.stringify(exported)).not.toContain("<1>");
        const fork = await sessions.fork(id);
        expect((await sessions.get(fork.id))?.messages).toEqual([text("m1")]);
        expect(await sessions.replies?.read(fork.id)).toBeNull();
        expect(await left()).toEqual([1, 2]);
      });
    });
  });
});

describe("on a server", async () => {
  it("a lost reply is abandoned after 10 s, since the server has run for longer", async () => {
    const db = openPostgresJs(await migratedDatabase(), { max: 1 });
    await migrate(db, { with: ["durable-replies"] });
    const { replies } = replyTables(journeySessions);
    const sessions = defineJourney({ replies }).forUser(db, newUser());
    const { id } = await sessions.create();
    await sessions.replies?.start(id, "r1");
    const counts = async () => {
      const { running, abandoned } = (await stats(db)).replies;
      return [running, abandoned];
    };
    await db.update(replies).set({ writtenAt: sql`now() - interval '11 seconds'` } as never);
    // Not at once, if the server has just been started.
    await expect.poll(counts, { timeout: 12_000 }).toEqual([0, 1]);
  });

  it("without the tables, transfer sends one statement, and prune and stats say nothing of replies", async () => {
    const url = await migratedDatabase();
    const sent: string[] = [];
    const counting = openPostgresJs(url, { max: 1, debug: (_, query) => void sent.push(query) });
    const during = async (call: () => Promise<unknown>) => {
      await counting.execute(sql`select 1`);
      sent.length = 0;
      await call();
      return sent.filter((query) => query.includes("journey")).length;
    };
    const move = async () => {
      const [guest, user] = [newUser(), newUser()];
      await defineJourney()
        .forUser(openPostgresJs(url, { max: 1 }), guest)
        .create();
      return during(async () =>
        expect(await transfer(counting, { from: guest, to: user })).toEqual({ sessions: 1 }),
      );
    };
    expect(await move()).toBe(1);
    expect(await prune(counting, { inactiveFor: "90d" })).toEqual({ sessions: 0 });
    expect((await stats(counting)).replies).toEqual({ running: 0, abandoned: 0, bytes: 0 });
    await migrate(counting, { with: ["durable-replies"] });
    expect(await move()).toBe(2);
  });
});

import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { clockMoves, onEveryDriver } from "../support/drivers.js";
import { idsOf, text } from "../support/messages.js";

onEveryDriver((database, { forUser }) => {
  const newSessions = () => forUser(database(), newUser());

  /** Rows of the owner at these times, oldest first; raw, since no helper sets a time. */
  async function rowsAt(owner: string, times: string[]): Promise<void> {
    for (const time of times) {
      await database().execute(
        sql`insert into journey_sessions (user_id, created_at, updated_at) values (${owner}, ${time}::timestamptz, ${time}::timestamptz)`,
      );
    }
  }

  async function walk(
    owner: string,
    options: { limit?: number; orderBy?: "created" | "updated"; phase?: string },
  ) {
    const sessions = forUser(database(), owner);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await sessions.list({ ...options, cursor });
      pages.push(page.sessions.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    return pages;
  }

  describe("get, latest, count", () => {
    it("a user without sessions gets null, an empty page and zero", async () => {
      const sessions = newSessions();
      expect(await sessions.get(randomUUID())).toBeNull();
      expect(await sessions.latest()).toBeNull();
      expect(await sessions.list()).toEqual({ sessions: [] });
      expect(await sessions.count()).toBe(0);
    });

    it("latest is the session created last, whatever was written since", async () => {
      const sessions = newSessions();
      const first = await sessions.create({ messages: [text("m1")] });
      await clockMoves(database());
      const second = await sessions.create({ messages: [text("m2")] });
      await sessions.append(first.id, text("m3"));
      expect(await sessions.latest()).toEqual(second);
      expect(await sessions.count()).toBe(2);
    });

    it("of sessions created at the same time, latest returns the first one of list", async () => {
      const owner = newUser();
      await rowsAt(
        owner,
        Array.from({ length: 8 }, () => "2026-05-01"),
      );
      const sessions = forUser(database(), owner);
      expect((await sessions.latest())?.id).toBe((await sessions.list()).sessions[0]?.id);
    });

    it("a session id in capitals is the same session", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create();
      expect((await sessions.get(id.toUpperCase()))?.id).toBe(id);
    });
  });

  describe("list", () => {
    it("is a page of summaries, newest created first, without messages", async () => {
      const sessions = newSessions();
      const first = await sessions.create({ messages: [text("m1")], metadata: { title: "one" } });
      await clockMoves(database());
      const second = await sessions.create({ phase: "review" });
      await sessions.append(first.id, text("m2"));
      const page = await sessions.list();
      expect(idsOf(page.sessions as never)).toEqual([second.id, first.id]);
      expect(page).not.toHaveProperty("nextCursor");
      const { messages, ...summary } = second;
      expect(page.sessions[0]).toEqual(summary);
      expect(page.sessions[1]).toMatchObject({ metadata: { title: "one" } });
    });

    it.each(["created", "updated"] as const)(
      "pages %s order exactly: twelve in one microsecond, twelve one apart",
      async (orderBy) => {
        const owner = newUser();
        const same = Array.from({ length: 12 }, () => "2026-05-01T10:00:00.000001Z");
        const apart = Array.from(
          { length: 12 },
          (_, n) => `2026-05-01T10:00:00.0001${String(n).padStart(2, "0")}Z`,
        );
        await rowsAt(owner, [...same, ...apart]);
        const pages = await walk(owner, { limit: 5, orderBy });
        expect(pages.map((page) => page.length)).toEqual([5, 5, 5, 5, 4]);
        expect(new Set(pages.flat()).size).toBe(24);
        expect(pages.flat()).toEqual((await walk(owner, { limit: 100, orderBy })).flat());
      },
    );

    it("a page that ends with the last row has no next cursor", async () => {
      const owner = newUser();
      await rowsAt(owner, ["2026-05-01", "2026-05-02"]);
      expect((await forUser(database(), owner).list({ limit: 2 })).nextCursor).toBeUndefined();
      expect((await forUser(database(), owner).list({ limit: 1 })).nextCursor).toBeTypeOf("string");
    });

    it("pages through the ends of time", async () => {
      const owner = newUser();
      const times = [
        "-infinity",
        "4713-01-01 BC",
        "0044-03-15 BC",
        "0099-12-31",
        "9999-12-31",
        "294276-12-31",
        "infinity",
      ];
      await rowsAt(owner, times);
      const sessions = (await forUser(database(), owner).list()).sessions;
      expect((await walk(owner, { limit: 1 })).flat()).toEqual(sessions.map(({ id }) => id));
      expect(sessions.map(({ createdAt }) => createdAt.toISOString())).toEqual([
        "+275760-09-13T00:00:00.000Z",
        "+275760-09-13T00:00:00.000Z",
        "9999-12-31T00:00:00.000Z",
        "0099-12-31T00:00:00.000Z",
        "-000043-03-15T00:00:00.000Z",
        "-004712-01-01T00:00:00.000Z",
        "-271821-04-20T00:00:00.000Z",
      ]);
    });

    it("orders by the last update where asked", async () => {
      const sessions = newSessions();
      const [a, b] = [await sessions.create(), await sessions.create()];
      await clockMoves(database());
      await sessions.append(a.id, text("m1"));
      const ids = (await sessions.list({ orderBy: "updated" })).sessions.map(({ id }) => id);
      expect(ids).toEqual([a.id, b.id]);
    });

    it("keeps to one phase where asked, over all pages", async () => {
      const owner = newUser();
      const sessions = forUser(database(), owner);
      const review: string[] = [];
      for (const n of [1, 2, 3, 4, 5, 6]) {
        const { id } = await sessions.create({ phase: n % 2 ? "review" : "setup" });
        if (n % 2) review.unshift(id);
        await clockMoves(database());
      }
      expect(await walk(owner, { limit: 2, phase: "review" })).toEqual([review.slice(0, 2), review.slice(2)]);
      expect((await walk(owner, { limit: 2, phase: "review", orderBy: "updated" })).flat()).toEqual(review);
      expect(await walk(owner, { phase: "nowhere" })).toEqual([[]]);
    });

    it("a cursor finds nothing of anyone else's", async () => {
      const [owner, other] = [newUser(), newUser()];
      await rowsAt(owner, ["2026-05-01", "2026-05-02", "2026-05-03"]);
      await rowsAt(other, ["2026-05-01"]);
      const { nextCursor } = await forUser(database(), owner).list({ limit: 1 });
      const page = await forUser(database(), other).list({ cursor: nextCursor });
      expect(page.sessions.map(({ userId }) => userId)).toEqual([other]);
    });
  });

  describe("messages", () => {
    it("returns the newest page in conversation order, and pages back to the first message", async () => {
      const sessions = newSessions();
      const all = Array.from({ length: 7 }, (_, n) => text(`m${n + 1}`));
      const { messages: _, ...session } = await sessions.create({
        messages: all,
        metadata: { title: "Plan" },
      });
      const { id, revision } = session;
      const newest = await sessions.messages(id, { limit: 3 });
      expect(newest).toEqual({ session, messages: all.slice(4), hasMore: true, revision });
      const middle = await sessions.messages(id, { limit: 3, before: "m5" });
      expect(middle).toEqual({ session, messages: all.slice(1, 4), hasMore: true, revision });
      const oldest = await sessions.messages(id, { limit: 3, before: "m2" });
      expect(oldest).toEqual({ session, messages: all.slice(0, 1), hasMore: false, revision });
      expect(await sessions.messages(id, { before: "m1" })).toEqual({
        session,
        messages: [],
        hasMore: false,
        revision,
      });
    });

    it("a page that reaches the first message has no more", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ messages: [text("m1"), text("m2")] });
      expect((await sessions.messages(id, { limit: 2 })).hasMore).toBe(false);
      expect((await sessions.messages(id, { limit: 1 })).hasMore).toBe(true);
    });

    it("an empty conversation is an empty page", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create();
      expect(await sessions.messages(id)).toMatchObject({ messages: [], hasMore: false });
    });

    it("has 50 messages by default", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ messages: Array.from({ length: 51 }, (_, n) => text(`m${n}`)) });
      expect((await sessions.messages(id)).messages).toHaveLength(50);
    });

    it("an unknown session or message is not found", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ messages: [text("m1")] });
      await expect(sessions.messages(randomUUID())).rejects.toMatchObject({ code: "not_found" });
      await expect(sessions.messages(id, { before: "m9" })).rejects.toMatchObject({
        code: "not_found",
        message: "options.before: the session has no message with this id.",
      });
    });
  });
});

/** What each call of `sessions.replies` promises. */
import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it, vi } from "vitest";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney, type JourneyDbError } from "../../src/index.js";
import { durableDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { chats } from "../support/own-table.js";
import { type Before, durableFor, makeLost, replyOf } from "../support/replies.js";

const url = await durableDatabase();
const db = openPostgresJs(url);
const client = rawClient(url);
const open = async (before: Before) => {
  const owner = newUser();
  const sessions = durableFor(db, owner);
  return { owner, sessions, replies: sessions.replies, ...(await replyOf(sessions, db, before)) };
};
const notFound = { code: "not_found" };
const chunksIn = async (id: string) =>
  (await client`select n, chunks from journey_reply_chunks where session_id = ${id} order by n`).map(
    ({ n, chunks }) => `${n} ${chunks}`,
  );

it("a handle has the calls only where defineJourney is given the table of replies, of the same sessions", () => {
  expect(defineJourney().forUser(db, "user").replies).toBeUndefined();
  const { replies, chunks } = replyTables(chats);
  const invalid = expect.objectContaining({ code: "invalid_input" });
  for (const options of [{ replies }, { table: chats, replies: chunks }, { replies: {} }])
    expect(() => defineJourney(options as never)).toThrow(invalid);
  expect(defineJourney({ table: chats, replies }).forUser(db, "user").replies).toBeDefined();
});

describe("start", () => {
  it("of a session that is not there is refused, and leaves nothing behind", async () => {
    const id = randomUUID();
    await expect(durableFor(db, newUser()).replies.start(id, "r")).rejects.toMatchObject(notFound);
    expect(await client`select from journey_replies where session_id = ${id}`).toHaveLength(0);
  });

  it("makes a reply without batches", async () => {
    const { id, newReplyId, replies } = await open("none");
    expect(await replies.read(id)).toBeNull();
    expect(await replies.start(id, newReplyId, { continues: 3 })).toBeUndefined();
    expect(await replies.read(id)).toEqual({
      replyId: newReplyId,
      state: "running",
      isLost: false,
      continues: 3,
      batches: 0,
      after: 0,
      chunks: "",
    });
  });

  it.each<Before>(["running", "stopping", "lost", "closing"])(
    "is refused while another is %s",
    async (before) => {
      const { id, newReplyId, replyId, replies } = await open(before);
      await expect(replies.start(id, newReplyId)).rejects.toMatchObject({
        code: "conflict",
        retryable: false,
      });
      expect(await replies.read(id)).toMatchObject({ replyId, chunks: "one" });
    },
  );

  it.each<Before>(["stored", "ended"])(
    "takes the place of one that is %s, and its chunks are gone",
    async (before) => {
      const { id, newReplyId, replyId, replies } = await open(before);
      await replies.start(id, newReplyId);
      expect(await replies.read(id)).toMatchObject({ replyId: newReplyId, state: "running", chunks: "" });
      expect(await chunksIn(id)).toEqual([]);
      // What its producer writes yet goes nowhere.
      for (const state of [undefined, "ended"] as const)
        await expect(replies.write(id, replyId, { n: 2, chunks: "late", state })).rejects.toMatchObject(
          notFound,
        );
      expect(await chunksIn(id)).toEqual([]);
    },
  );

  it("again, after an unknown outcome, is the same reply, until it has written", async () => {
    const { id, replyId, replies } = await open("begun");
    await replies.start(id, replyId);
    await replies.write(id, replyId, { n: 1, chunks: "one" });
    await expect(replies.start(id, replyId)).rejects.toMatchObject({ code: "conflict" });
    expect(await chunksIn(id)).toEqual(["1 one"]);
  });

  it("takes the place of one that has written nothing for three seconds", async () => {
    const { id, newReplyId, replies } = await open("begun");
    await expect(replies.start(id, newReplyId)).rejects.toMatchObject({ code: "conflict" });
    await client`update journey_replies set started_at = now() - interval '4 seconds' where session_id = ${id}`;
    await replies.start(id, newReplyId);
    expect((await replies.read(id))?.replyId).toBe(newReplyId);
  });

  it("of twenty at once one wins", async () => {
    const { id, replies } = await open("none");
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const won = await Promise.all(
      ids.map((one) =>
        replies.start(id, one).then(
          () => one,
          (error: JourneyDbError) => error.code,
        ),
      ),
    );
    const { replyId } = (await replies.read(id)) ?? expect.fail();
    expect(won.filter((one) => one !== "conflict")).toEqual([replyId]);
  });
});

describe("write", () => {
  it("of the same number writes it once, also at once, and the first counts", async () => {
    const { id, replyId, replies } = await open("running");
    await Promise.all(Array.from({ length: 10 }, () => replies.write(id, replyId, { n: 2, chunks: "two" })));
    await replies.write(id, replyId, { n: 2, chunks: "other" });
    expect(await chunksIn(id)).toEqual(["1 one", "2 two"]);
    expect((await replies.read(id))?.batches).toBe(2);
  });

  it("without chunks writes none, and shows that the producer lives", async () => {
    const { id, replyId, replies } = await open("lost");
    expect((await replies.read(id))?.isLost).toBe(true);
    expect(await replies.write(id, replyId, { n: 1, chunks: "" })).toEqual({ isStopping: false });
    expect(await replies.read(id)).toMatchObject({ isLost: false, batches: 1 });
    expect(await replies.close(id, replyId)).toBe(false);
  });

  it("tells of a stop with every batch, until the message is stored", async () => {
    const { id, replyId, replies } = await open("stopping");
    for (const n of [2, 3])
      expect(await replies.write(id, replyId, { n, chunks: "x" })).toEqual({ isStopping: true });
    expect(await replies.write(id, replyId, { n: 3, chunks: "", state: "stored" })).toEqual({
      isStopping: false,
    });
    expect((await replies.read(id))?.state).toBe("stored");
  });

  it("of the end may be repeated, and nothing follows it", async () => {
    const { id, replyId, replies } = await open("running");
    for (const _ of [1, 2]) await replies.write(id, replyId, { n: 2, chunks: "end", state: "ended" });
    await expect(replies.write(id, replyId, { n: 3, chunks: "late" })).rejects.toMatchObject(notFound);
    await expect(replies.write(id, replyId, { n: 3, chunks: "", state: "stored" })).rejects.toMatchObject(
      notFound,
    );
    expect(await chunksIn(id)).toEqual(["1 one", "2 end"]);
  });

  it("after close is refused to the producer, and after delete to all", async () => {
    const { id, replyId, replies } = await open("closing");
    for (const state of [undefined, "stored", "ended"] as const)
      await expect(replies.write(id, replyId, { n: 2, chunks: "x", state })).rejects.toMatchObject(notFound);
    await replies.write(id, replyId, { n: 2, chunks: "end", state: "ended", closes: true });
    await expect(replies.write(id, replyId, { n: 2, chunks: "x" })).rejects.toMatchObject(notFound);
    await expect(replies.write(id, replyId, { n: 3, chunks: "x", state: "stored" })).rejects.toMatchObject(
      notFound,
    );
    expect(await chunksIn(id)).toEqual(["1 one", "2 end"]);
    expect(await replies.delete(id, replyId)).toBe(true);
    for (const closes of [true, false])
      await expect(
        replies.write(id, replyId, { n: 3, chunks: "x", state: "ended", closes }),
      ).rejects.toMatchObject(notFound);
    expect(await chunksIn(id)).toEqual([]);
  });

  it("that closes is refused where nobody has taken the reply over", async () => {
    const { id, replyId, replies } = await open("running");
    const batch = { n: 2, chunks: "x", state: "ended", closes: true } as const;
    await expect(replies.write(id, replyId, batch)).rejects.toMatchObject(notFound);
  });

  it("while its session is deleted writes nothing that stays", async () => {
    for (let n = 0; n < 20; n++) {
      const { id, replyId, replies, sessions } = await open("running");
      const writes = [2, 3, 4].map((n) =>
        replies.write(id, replyId, { n, chunks: "x" }).catch((error) => error),
      );
      const [deleted, ...written] = await Promise.all([sessions.delete(id), ...writes]);
      expect(deleted).toBe(true);
      for (const one of written)
        expect(one).toMatchObject(one instanceof Error ? notFound : { isStopping: false });
      expect(await client`select from journey_replies where session_id = ${id}`).toHaveLength(0);
      expect(await chunksIn(id)).toEqual([]);
    }
  });
});

describe("read", () => {
  it("gives what was written since, and everything of another reply", async () => {
    const { id, replyId, replies } = await open("running");
    await replies.write(id, replyId, { n: 2, chunks: "two" });
    expect(await replies.read(id, { replyId, after: 1 })).toMatchObject({ chunks: "two", after: 2 });
    expect(await replies.read(id, { replyId, after: 2 })).toMatchObject({ chunks: "", after: 2, batches: 2 });
    expect(await replies.read(id, { replyId: "another", after: 2 })).toMatchObject({
      chunks: "onetwo",
      after: 2,
    });
    expect(await replies.read(id, { after: 2 })).toMatchObject({ chunks: "onetwo", after: 2 });
  });

  it("gives a long reply in several parts, none twice", async () => {
    const { id, replyId, replies } = await open("running");
    for (let n = 2; n <= 250; n++) await replies.write(id, replyId, { n, chunks: `${n},` });
    let all = "";
    let after = 0;
    let parts = 0;
    for (;;) {
      const part = (await replies.read(id, { replyId, after })) ?? expect.fail();
      if (part.chunks === "") break;
      [all, after] = [all + part.chunks, part.after];
      parts++;
    }
    expect(parts).toBeGreaterThan(1);
    expect(all).toBe(`one${Array.from({ length: 249 }, (_, n) => `${n + 2},`).join("")}`);
  });

  it("does not wait for what is there, nor for an end that is read, nor without a reply", async () => {
    const ended = await open("ended");
    const none = await open("none");
    const begun = performance.now();
    const { replyId } = ended;
    expect(await ended.replies.read(ended.id, { waitMs: 10_000 })).toMatchObject({ chunks: "one" });
    expect(await ended.replies.read(ended.id, { replyId, after: 1, waitMs: 10_000 })).toMatchObject({
      state: "ended",
    });
    expect(await none.replies.read(none.id, { waitMs: 10_000 })).toBeNull();
    // Far less than a wait.
    expect(performance.now() - begun).toBeLessThan(9_000);
  });

  it.each<[string, (one: Awaited<ReturnType<typeof open>>) => Promise<unknown>, object | null]>([
    [
      "a batch",
      ({ id, replyId, replies }) => replies.write(id, replyId, { n: 2, chunks: "x" }),
      { chunks: "x" },
    ],
    [
      "the end",
      ({ id, replyId, replies }) => replies.write(id, replyId, { n: 1, chunks: "", state: "ended" }),
      { chunks: "", state: "ended" },
    ],
    ["the loss of its producer", ({ id }) => makeLost(db, id), { isLost: true }],
    ["its removal", ({ id, replyId, replies }) => replies.delete(id, replyId), null],
    ["the end of its session", ({ id, sessions }) => sessions.delete(id), null],
  ])("waits for %s", async (_, change, expected) => {
    const one = await open("running");
    const read = one.replies.read(one.id, { replyId: one.replyId, after: 1, waitMs: 10_000 });
    await change(one);
    if (expected) expect(await read).toMatchObject(expected);
    else expect(await read).toBeNull();
  });

  it("of another reply than it knows gives that at once", async () => {
    const { id, replyId, newReplyId, replies } = await open("ended");
    await replies.start(id, newReplyId);
    expect(await replies.read(id, { replyId, after: 1, waitMs: 10_000 })).toMatchObject({
      replyId: newReplyId,
      after: 0,
    });
  });
});

describe("stop", () => {
  it.each<[Before, object | null]>([
    ["none", null],
    ["begun", { state: "stopping" }],
    ["running", { state: "stopping", batches: 1, isLost: false, continues: null }],
    ["stopping", { state: "stopping" }],
    ["lost", { state: "stopping", isLost: true }],
    ["closing", { state: "closing" }],
    ["stored", null],
    ["ended", null],
  ])("of one that is %s", async (before, expected) => {
    const { id, replyId, replies } = await open(before);
    const stopped = await replies.stop(id);
    if (expected) expect(stopped).toMatchObject({ replyId, ...expected });
    else expect(stopped).toBeNull();
  });
});

describe("close", () => {
  it.each<Before>(["none", "begun", "running", "stopping", "closing", "ended"])(
    "does not take over one that is %s",
    async (before) => {
      const { id, replyId, replies } = await open(before);
      const was = await replies.read(id);
      expect(await replies.close(id, replyId)).toBe(false);
      expect(await replies.read(id)).toEqual(was);
    },
  );

  it("does not take over another reply than it names", async () => {
    const { id, newReplyId, replies } = await open("lost");
    expect(await replies.close(id, newReplyId)).toBe(false);
  });

  it("of ten at once one takes it over, and another if that one is lost", async () => {
    const { id, replyId, replies, owner } = await open("lost");
    const others = Array.from({ length: 10 }, () => durableFor(db, owner).replies);
    const closeAll = () => Promise.all(others.map((one) => one.close(id, replyId)));
    for (const _ of [1, 2]) {
      expect((await closeAll()).filter(Boolean)).toHaveLength(1);
      expect((await closeAll()).filter(Boolean)).toHaveLength(0);
      expect(await replies.read(id)).toMatchObject({ state: "closing", isLost: false });
      await makeLost(db, id);
    }
  });

  it("takes nobody for lost while the server is new: it may have been away", async () => {
    const { id, replyId, replies, owner } = await open("lost");
    // As it is for a server that was started a moment ago.
    await client.unsafe(`create schema young; create function young.pg_postmaster_start_time() returns timestamptz
      language sql as 'select now() - interval ''9 seconds'''`);
    const young = openPostgresJs(url, { connection: { search_path: "young, pg_catalog, public" } });
    const seen = durableFor(young, owner).replies;
    expect(await seen.read(id)).toMatchObject({ isLost: false });
    expect(await seen.close(id, replyId)).toBe(false);
    expect(await replies.close(id, replyId)).toBe(true);
  });

  it("really takes ten seconds without a sign of life", { timeout: 60_000 }, async () => {
    const { id, replyId, replies } = await open("running");
    await makeLost(db, (await open("running")).id);
    // The server is old enough from here on.
    await replies.write(id, replyId, { n: 1, chunks: "" });
    const begun = performance.now();
    const isLost = async () => (await replies.read(id))?.isLost;
    await vi.waitUntil(isLost, { timeout: 30_000, interval: 50 });
    expect(performance.now() - begun).toBeGreaterThan(9_900);
    expect(await replies.close(id, replyId)).toBe(true);
  });
});

describe("delete", () => {
  it("removes the reply with its chunks, whatever its state, once", async () => {
    for (const before of ["begun", "running", "stopping", "lost", "closing", "stored", "ended"] as const) {
      const { id, replyId, newReplyId, replies } = await open(before);
      expect(await replies.delete(id, newReplyId)).toBe(false);
      const all = await Promise.all(Array.from({ length: 5 }, () => replies.delete(id, replyId)));
      expect(all.filter(Boolean)).toHaveLength(1);
      expect(await replies.read(id)).toBeNull();
      expect(await chunksIn(id)).toEqual([]);
    }
  });
});

it("a session's reply follows it to another owner, and goes with it", async () => {
  const { id, replyId, replies } = await open("running");
  const other = newUser();
  await client`update journey_sessions set user_id = ${other} where id = ${id}`;
  // As transfer does.
  await client`update journey_replies set user_id = ${other} where session_id = ${id}`;
  expect(await replies.read(id)).toBeNull();
  await expect(replies.write(id, replyId, { n: 2, chunks: "x" })).rejects.toMatchObject(notFound);
  const sessions = durableFor(db, other);
  expect(await sessions.replies.read(id)).toMatchObject({ replyId, chunks: "one" });
  expect(await sessions.deleteAll()).toBe(1);
  expect(await client`select from journey_replies where session_id = ${id}`).toHaveLength(0);
  expect(await chunksIn(id)).toEqual([]);
});

it("a fork copies nothing of a reply that is running", async () => {
  const { id, sessions, replies } = await open("running");
  const fork = await sessions.fork(id);
  expect(await replies.read(fork.id)).toBeNull();
  expect((await sessions.get(fork.id))?.messages).toEqual([text("m1"), text("m2")]);
});

it("a thousand readers of one user: at most a hundred wait, the others are told, and other users are not kept from theirs", async () => {
  const one = await open("running");
  const read = (after: number) => one.replies.read(one.id, { replyId: one.replyId, after, waitMs: 10_000 });
  const outcomes = Array.from({ length: 1_000 }, () =>
    read(1).then(
      (reply) => reply?.chunks,
      (error: JourneyDbError) => error,
    ),
  );
  const refused = (await Promise.all(outcomes.slice(100))) as JourneyDbError[];
  for (const error of refused) expect(error).toMatchObject({ code: "unavailable", retryable: true });
  // What does not wait is not refused; nor is another user.
  expect(await one.replies.read(one.id)).toMatchObject({ chunks: "one" });
  const other = await open("running");
  const others = other.replies.read(other.id, { replyId: other.replyId, after: 1, waitMs: 10_000 });
  await other.replies.write(other.id, other.replyId, { n: 2, chunks: "x" });
  expect(await others).toMatchObject({ chunks: "x" });
  await one.replies.write(one.id, one.replyId, { n: 2, chunks: "two" });
  expect(new Set(await Promise.all(outcomes.slice(0, 100)))).toEqual(new Set(["two"]));
  // All of them have made room.
  const again = Array.from({ length: 100 }, () => read(2));
  await one.replies.write(one.id, one.replyId, { n: 3, chunks: "three" });
  for (const reply of await Promise.all(again)) expect(reply?.chunks).toBe("three");
});

it("a database without the migrations of durable replies is told apart", async () => {
  const own = openPostgresJs(await durableDatabase());
  await own.execute(sql`drop table journey_reply_chunks, journey_replies`);
  const sessions = durableFor(own, newUser());
  const { id } = await sessions.create();
  await expect(sessions.replies.start(id, "r")).rejects.toMatchObject({ code: "migration" });
});

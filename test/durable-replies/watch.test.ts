/** `sessions.watch`, with notifications of the server and by polling. */
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { connect } from "../../src/connection/connect.js";
import { type Database, defineJourney, forUser, type JourneyDbError } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import type { SessionChange } from "../../src/sessions/watch.js";
import { first } from "../support/answer.js";
import {
  durableDatabase,
  newUser,
  openConnected,
  openPooled,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { OPTIONAL } from "../support/layout.js";
import { text } from "../support/messages.js";
import { startOwnServer } from "../support/own-server.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { runCode, temporaryFolder } from "../support/program.js";
import { durableFor, durably, makeLost, type Sessions } from "../support/replies.js";

const url = await durableDatabase();
const client = rawClient(url);

/** A handle of a user, as each way of waiting needs it. */
type For = (user: string, options?: object) => Sessions;
const overDb =
  (db: Database): For =>
  (user, options) =>
    durableFor(db, user, options);

/** All are within the time of a test, and the safety look of a listener that missed a change is not. */
const WAYS: Record<string, () => Promise<For>> = {
  "connect()": async () => overDb(await openConnected(url)),
  "a listener that the application brought": async () => {
    const listener = postgres(url, { max: 1 });
    onTestFinished(() => listener.end());
    const db = openPostgresJs(url);
    return (user, options) => durably(defineJourney, { listener })(db, user, options);
  },
  polling: async () => overDb(openPostgresJs(url)),
};

/** Follows a session, and collects what it gives. */
function follow(sessions: Sessions, id: string, options: { signal?: AbortSignal } = {}) {
  const seen: SessionChange[] = [];
  const ended = (async () => {
    for await (const change of sessions.watch(id, options)) seen.push(change);
  })();
  ended.catch(() => {});
  const until = (is: (last: SessionChange) => boolean) =>
    vi.waitUntil(
      () => {
        const last = seen.at(-1);
        return last !== undefined && is(last) && last;
      },
      { timeout: 20_000, interval: 5 },
    ) as Promise<SessionChange>;
  const begun = until(() => true);
  // Of some nobody waits for it.
  begun.catch(() => {});
  return { seen, ended, until, begun };
}

/** A session that is followed; the watch ends with the test. */
async function followed(sessionsFor: For) {
  const user = newUser();
  const sessions = sessionsFor(user);
  const { id, revision } = await sessions.create({ messages: [text("m1")] });
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const watch = follow(sessions, id, { signal: abort.signal });
  expect(await watch.begun).toEqual({ revision, reply: null });
  return { user, sessions, id, watch, abort };
}

describe.each(Object.entries(WAYS))("%s", (name, open) => {
  it("gives the session as it is, and again after each change, by any call or program", async () => {
    const sessionsFor = await open();
    const { user, id, watch } = await followed(sessionsFor);
    const elsewhere = forUser(openPostgresJs(url), user);
    const changes: (() => Promise<unknown>)[] = [
      () => elsewhere.append(id, text("m2")),
      () => elsewhere.append(id, text("m2", "grown")),
      () => elsewhere.setPhase(id, "review"),
      () => elsewhere.mergeMetadata(id, { a: 1 }),
      () => elsewhere.update(id, { metadata: { b: 1 } }),
      () => elsewhere.truncate(id, { from: "m2" }),
      () => elsewhere.replaceMessages(id, [text("m3")]),
      () => client`update journey_sessions set phase = 'by SQL' where id = ${id}`,
    ];
    // Each look is two seconds after the one before.
    const some = name === "polling" ? changes.slice(-1) : changes;
    for (const change of some) {
      await change();
      const stored = (await elsewhere.get(id)) ?? expect.fail();
      await watch.until(({ revision }) => revision === stored.revision);
    }
    const revisions = watch.seen.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].toSorted());
    expect(revisions).toHaveLength(some.length + 1);
  });

  it("ends when the session is deleted", async () => {
    const { sessions, id, watch } = await followed(await open());
    await sessions.delete(id);
    await watch.ended;
    expect(watch.seen).toHaveLength(1);
  });

  it("ends, without an error, when its signal or that of the handle is aborted", async () => {
    const sessionsFor = await open();
    const one = await followed(sessionsFor);
    one.abort.abort();
    await one.watch.ended;
    const abort = new AbortController();
    const { user, id } = one;
    const other = follow(sessionsFor(user, { signal: abort.signal }), id);
    await other.begun;
    abort.abort();
    await other.ended;
    expect(await first(sessionsFor(user).watch(id, { signal: AbortSignal.abort() }))).toEqual([]);
  });

  it("of a session of another user, or of nobody, is empty", async () => {
    const sessionsFor = await open();
    const { id } = await followed(sessionsFor);
    const stranger = sessionsFor(newUser());
    expect(await first(stranger.watch(id))).toEqual([]);
    expect(await first(stranger.watch(crypto.randomUUID()))).toEqual([]);
  });

  it("reads a batch when it is written, and wakes nobody else", async () => {
    const { user, sessions, id } = await followed(await open());
    await sessions.replies.start(id, "r1");
    const other = durableFor(openPostgresJs(url), user).replies;
    for (const n of [1, 2, 3]) {
      const read = sessions.replies.read(id, { replyId: "r1", after: n - 1, waitMs: 10_000 });
      await other.write(id, "r1", { n, chunks: `${n}` });
      expect(await read).toMatchObject({ chunks: `${n}`, after: n });
    }
  });
});

it("tells of a reply: its beginning, a stop, the loss of its producer, its end; but not of its batches", async () => {
  const { user, id, watch } = await followed(overDb(await openConnected(url)));
  const { replies } = durableFor(openPostgresJs(url), user);
  const status = {
    replyId: "r1",
    messageId: "a1",
    state: "running",
    isLost: false,
    continues: null,
    batches: 0,
  };
  await replies.start(id, "r1", { messageId: "a1" });
  expect((await watch.until(({ reply }) => reply !== null)).reply).toEqual(status);
  const count = watch.seen.length;
  for (const n of [1, 2, 3]) await replies.write(id, "r1", { n, chunks: "x" });
  await replies.stop(id);
  const { reply } = await watch.until(({ reply }) => reply?.state === "stopping");
  expect(reply).toEqual({ ...status, state: "stopping", batches: 3 });
  expect(watch.seen).toHaveLength(count + 1);
  await replies.write(id, "r1", { n: 3, chunks: "", state: "stored" });
  await watch.until(({ reply }) => reply === null);
  await replies.write(id, "r1", { n: 3, chunks: "", state: "ended" });
  await replies.start(id, "r2", { messageId: "a2" });
  await watch.until(({ reply }) => reply?.replyId === "r2");
  await replies.delete(id, "r2");
  await watch.until(({ reply }) => reply === null);
  expect(watch.seen).toHaveLength(6);
  expect(new Set(watch.seen.map(({ revision }) => revision)).size).toBe(1);
});

it("a session's id in capitals is the same session, also for notifications", async () => {
  const { user, id } = await followed(await (WAYS["connect()"] as () => Promise<For>)());
  const sessions = durableFor(await openConnected(url), user);
  const abort = new AbortController();
  const watch = follow(sessions, id.toUpperCase(), { signal: abort.signal });
  const { revision } = await watch.begun;
  await sessions.setPhase(id, "review");
  await watch.until((last) => last.revision !== revision);
  abort.abort();
  await watch.ended;
});

it("a change between the look and the wait is not missed", async () => {
  const db = await openConnected(url);
  const sessions = durableFor(db, newUser());
  const { id } = await sessions.create();
  const iterator = sessions.watch(id)[Symbol.asyncIterator]();
  await iterator.next();
  // Nobody waits while the caller is at work.
  const { revision } = await sessions.setPhase(id, "review");
  expect((await iterator.next()).value).toMatchObject({ revision });
  await iterator.return?.();
});

it("tells of a producer that is lost without any notification", { timeout: 60_000 }, async () => {
  const db = openPostgresJs(url);
  const sessions = durableFor(db, newUser());
  const { id } = await sessions.create();
  await sessions.replies.start(id, "r1", { messageId: "a1" });
  await makeLost(db, id);
  const watch = follow(sessions, id);
  expect((await watch.begun).reply).toMatchObject({ isLost: true });
  await sessions.delete(id);
  await watch.ended;
});

describe("connections", () => {
  const listening = async (own: string) =>
    (
      await client`select pid from pg_stat_activity where datname = ${new URL(own).pathname.slice(1)} and query like 'listen%'`
    ).map(({ pid }) => Number(pid));

  it("one for many watches and readers, none before, and none a while after", {
    timeout: 60_000,
  }, async () => {
    const own = await durableDatabase();
    const db = await openConnected(own);
    const users = Array.from({ length: 20 }, newUser);
    const abort = new AbortController();
    await durableFor(db, newUser()).count();
    expect(await listening(own)).toEqual([]);
    const watches = await Promise.all(
      users.map(async (user) => {
        const sessions = durableFor(db, user);
        const { id } = await sessions.create();
        const all = [1, 2, 3].map(() => follow(sessions, id, { signal: abort.signal }));
        await Promise.all(all.map(({ begun }) => begun));
        return all;
      }),
    );
    await expect.poll(() => listening(own), { timeout: 10_000 }).toHaveLength(1);
    abort.abort();
    await Promise.all(watches.flat().map(({ ended }) => ended));
    // It stays for a moment, for the next page.
    expect(await listening(own)).toHaveLength(1);
    await expect.poll(() => listening(own), { timeout: 20_000, interval: 100 }).toEqual([]);
    // And is opened again.
    const sessions = durableFor(db, newUser());
    const { id } = await sessions.create();
    const iterator = sessions.watch(id)[Symbol.asyncIterator]();
    await iterator.next();
    await expect.poll(() => listening(own), { timeout: 10_000 }).toHaveLength(1);
    await iterator.return?.();
  });

  it("a listener whose connection is terminated goes on: changes meanwhile and after are seen", async () => {
    const own = await durableDatabase();
    const db = await openConnected(own);
    const { sessions, id, watch } = await followed(overDb(db));
    for (const phase of ["one", "two", "three"]) {
      await expect.poll(() => listening(own), { timeout: 10_000 }).toHaveLength(1);
      const [pid] = await listening(own);
      await client`select pg_terminate_backend(${pid as number})`;
      const { revision } = await sessions.setPhase(id, phase);
      await watch.until((last) => last.revision === revision);
      const reading = sessions.replies.read(id, { waitMs: 0 });
      expect(await reading).toBeNull();
      await expect.poll(async () => (await listening(own)).filter((one) => one !== pid)).toHaveLength(1);
      const after = await sessions.mergeMetadata(id, { phase });
      await watch.until((last) => last.revision === after.revision);
    }
  });

  it("a pooler has none: its watches poll", async () => {
    const own = await durableDatabase();
    const pooler = await startPgbouncer();
    const db = await openPooled(pooler.through(own));
    const { sessions, id, watch } = await followed(overDb(db));
    const { revision } = await sessions.setPhase(id, "review");
    await watch.until((last) => last.revision === revision);
    expect(await listening(own)).toEqual([]);
  });

  it("a thousand watches of one user: a hundred wait, the others are told, and other users' go on", async () => {
    const db = await openConnected(url);
    const sessions = durableFor(db, newUser());
    const { id } = await sessions.create();
    const abort = new AbortController();
    const all = Array.from({ length: 1_000 }, () => follow(sessions, id, { signal: abort.signal }));
    const errors = (await Promise.all(
      all.slice(100).map(({ ended }) =>
        ended.then(
          () => undefined,
          (error) => error,
        ),
      ),
    )) as JourneyDbError[];
    for (const error of errors) expect(error).toMatchObject({ code: "unavailable", retryable: true });
    const other = await followed(overDb(db));
    const { revision } = await other.sessions.setPhase(other.id, "review");
    await other.watch.until((last) => last.revision === revision);
    const own = await sessions.setPhase(id, "review");
    await Promise.all(all.slice(0, 100).map(({ until }) => until((last) => last.revision === own.revision)));
    abort.abort();
    await Promise.all(all.slice(0, 100).map(({ ended }) => ended));
    expect(await first(sessions.watch(id))).toHaveLength(1);
  });

  it("what is not read to its end makes room", async () => {
    const sessions = durableFor(await openConnected(url), newUser());
    const { id } = await sessions.create();
    for (let n = 0; n < 150; n++) expect(await first(sessions.watch(id))).toHaveLength(1);
    for (let n = 0; n < 150; n++) sessions.watch(id);
    expect(await first(sessions.watch(id))).toHaveLength(1);
  });
});

describe("close()", () => {
  it("ends a watch and a read with a typed error, at once", async () => {
    const { db, close } = await connect({ url });
    const sessions = durableFor(db, newUser());
    const { id } = await sessions.create();
    await sessions.replies.start(id, "r1");
    const watch = follow(sessions, id);
    const read = sessions.replies.read(id, { replyId: "r1", waitMs: 10_000 });
    const failed = read.catch((error: JourneyDbError) => error);
    await watch.begun;
    // Until both wait.
    await delay(100);
    const begun = performance.now();
    await close();
    await expect(watch.ended).rejects.toMatchObject({ code: "unavailable" });
    expect(await failed).toMatchObject({ code: "unavailable" });
    // Far less than any look.
    expect(performance.now() - begun).toBeLessThan(4_000);
  });

  it("lets the process end, whoever watches", { timeout: 60_000 }, async () => {
    const program = runCode(
      `import { connect, defineJourney } from "#/src/index.ts";
       import { journeyReplies } from "#/src/durable-replies/declared.ts";
       const { db, close } = await connect({ url: process.argv[1] ?? process.env.URL });
       const sessions = defineJourney({ replies: journeyReplies }).forUser(db, "somebody");
       const { id } = await sessions.create();
       const errors = [];
       const watch = async () => { for await (const one of sessions.watch(id)) console.log("watching"); };
       const watching = watch().catch(({ code }) => console.log(code));
       await new Promise((resolve) => setTimeout(resolve, 500));
       await close();
       await watching;
       console.log("closed");`,
      temporaryFolder(),
      { URL: url },
    );
    await program.printed("closed");
    const begun = performance.now();
    expect(await program.ended).toBe(0);
    expect(performance.now() - begun).toBeLessThan(9_000);
    expect(program.stdout()).toBe("watching\nunavailable\nclosed\n");
  });
});

it("a server that is restarted in the middle: watches and reads go on, by notifications and by polling", {
  timeout: 120_000,
}, async () => {
  const server = await startOwnServer();
  const direct = openPostgresJs(server.url);
  await migrate(direct, { with: [...OPTIONAL, "durable-replies"] });
  const listening = await followed(overDb(await openConnected(server.url)));
  const polling = await followed(overDb(openPostgresJs(server.url)));
  for (const how of ["stop", "crash"] as const) {
    await server[how]();
    await server.start();
    for (const { sessions, id, watch } of [listening, polling]) {
      const write = () => sessions.mergeMetadata(id, { how }).catch(() => undefined);
      const written = await vi.waitUntil(write, { timeout: 20_000 });
      await watch.until((last) => last.revision === written.revision);
    }
  }
  for (const { abort, watch } of [listening, polling]) {
    abort.abort();
    await watch.ended;
  }
});

it("options that are wrong are refused", async () => {
  const sessions = durableFor(openPostgresJs(url), newUser());
  for (const options of [{ signal: {} }, { signal: null }, { more: 1 }, null, 1, []])
    await expect(first(sessions.watch(crypto.randomUUID(), options as never))).rejects.toMatchObject({
      code: "invalid_input",
    });
  for (const listener of [1, {}, { listen: 1 }, null])
    expect(() => defineJourney({ listener: listener as never })).toThrow(
      expect.objectContaining({ code: "invalid_input" }),
    );
});

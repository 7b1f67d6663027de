import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { createConnection } from "node:net";
import { sql } from "drizzle-orm";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ConnectOptions, connect } from "../../src/connection/connect.js";
import type { Database } from "../../src/model/database.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { migratedDatabase, newUser, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { serverThat } from "../support/network.js";
import { CASES, unstored } from "../support/verbs.js";

const url = await migratedDatabase();
const admin = rawClient(url);
const holder = rawClient(url, { max: 1 });

async function open(options: ConnectOptions) {
  // The server must not cancel a statement first.
  const { db, close } = await connect({ url, statementTimeoutMs: 3_600_000, ...options });
  onTestFinished(close);
  return db;
}

const WAITING = admin`from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

/** Waits until that many statements wait for a lock. */
const waiting = (statements: number) =>
  expect.poll(() => admin`select ${WAITING}`, { timeout: 10_000 }).toHaveLength(statements);

const cancelWaiting = () => admin`select pg_cancel_backend(pid) ${WAITING}`;
const cancelled = { code: "timeout", sqlState: "57014" };

/** Runs `body` while another transaction locks the row of a session. */
async function whileRowHeld(db: Database, body: (owner: string, id: string) => Promise<void>) {
  const owner = newUser();
  const { id } = await forUser(db, owner).create();
  await holder.begin(async (tx) => {
    await tx`select from journey_sessions where id = ${id} for update`;
    await body(owner, id);
  });
}

describe("a call that has ended early", () => {
  it.each(CASES.map((one) => [one.name, one] as const))(
    "%s, is cancelled on the server, and leaves its connection to the next",
    async (_, { call }) => {
      const db = await open({ max: 1 });
      await holder.begin(async (tx) => {
        await tx`lock table journey_sessions`;
        const ending = new AbortController();
        const sessions = forUser(db, newUser(), { signal: ending.signal });
        const ended = expect(call(sessions, unstored())).rejects.toMatchObject({ code: "timeout" });
        await waiting(1);
        ending.abort();
        await ended;
        await waiting(0);
        await db.execute(sql`select 1`);
      });
    },
  );

  it("by its time, likewise", async () => {
    const db = await open({ max: 1 });
    await whileRowHeld(db, async (owner, id) => {
      const sessions = forUser(db, owner, { timeoutMs: 500 });
      await expect(sessions.setPhase(id, "review")).rejects.toMatchObject({ code: "timeout" });
      expect(await forUser(db, newUser()).count()).toBe(0);
      await waiting(0);
    });
  });

  it("before its turn came, is never sent", async () => {
    const db = await open({ max: 1 });
    const ending = new AbortController();
    await whileRowHeld(db, async (owner, id) => {
      const first = expect(forUser(db, owner).setPhase(id, "review")).rejects.toMatchObject(cancelled);
      await waiting(1);
      const second = forUser(db, owner, { signal: ending.signal }).append(id, text("m1"));
      ending.abort();
      await expect(second).rejects.toMatchObject({ code: "timeout" });
      await cancelWaiting();
      await first;
      expect((await forUser(db, owner).get(id))?.messages).toEqual([]);
    });
  });

  it("while it asks why nothing was written, is cancelled too", async () => {
    const db = await open({ max: 1 });
    const owner = newUser();
    const { id, revision } = await forUser(db, owner).create();
    const ending = new AbortController();
    const sessions = forUser(db, owner, { signal: ending.signal });
    const [changing, locking] = await Promise.all([admin.reserve(), admin.reserve()]);
    await changing`begin`;
    await changing`update journey_sessions set phase = 'review' where id = ${id}`;
    const call = expect(sessions.setPhase(id, "done", { ifRevision: revision })).rejects.toMatchObject({
      code: "timeout",
    });
    await waiting(1);
    await locking`begin`;
    // It gets the lock between the two statements of the call.
    const locked = locking`lock table journey_sessions`.execute();
    await waiting(2);
    await changing`commit`;
    await locked;
    await waiting(1);
    ending.abort();
    await call;
    await waiting(0);
    await locking`commit`;
    for (const connection of [changing, locking]) connection.release();
  });

  it("in a transaction, fails it, and no other", async () => {
    const db = await open({ max: 1 });
    await whileRowHeld(db, async (owner, id) => {
      const ending = new AbortController();
      const transaction = db.transaction(async (tx) => {
        const call = forUser(tx, owner, { signal: ending.signal }).setPhase(id, "review");
        await waiting(1);
        ending.abort();
        await call.catch(() => {});
      });
      await expect(transaction).rejects.toThrow();
      expect(await forUser(db, owner).count()).toBe(1);
    });
  });

  it.each<[string, (db: Database, owner: string, id: string, signal: AbortSignal) => Promise<unknown>]>([
    ["a call", (db, owner, id, signal) => forUser(db, owner, { signal }).setPhase(id, "review")],
    [
      "two calls of one transaction",
      (db, owner, id, signal) =>
        db.transaction(async (tx) => {
          const sessions = forUser(tx, owner, { signal });
          await Promise.all([sessions.setPhase(id, "review"), sessions.count()]);
        }),
    ],
  ])("%s, never ends another in its place, however late the cancellation arrives", async (_, make) => {
    const cancellation = new EventEmitter();
    const arrived = once(cancellation, "arrived");
    const delivered = once(cancellation, "delivered");
    const server = new URL(url);
    let held = false;
    const port = await serverThat((client) =>
      client.once("data", async (first) => {
        if (first.length === 16 && first.readUInt32BE(4) === 80877102 && !held) {
          held = true;
          cancellation.emit("arrived");
          await delivered;
        }
        const upstream = createConnection(Number(server.port), server.hostname, () => upstream.write(first));
        client
          .on("close", () => upstream.end())
          .pipe(upstream.on("error", () => {}))
          .pipe(client);
      }),
    );
    const db = await open({ max: 1, url: url.replace(`:${server.port}`, `:${port}`) });
    await whileRowHeld(db, async (owner, id) => {
      const ending = new AbortController();
      const call = expect(make(db, owner, id, ending.signal)).rejects.toThrow();
      await waiting(1);
      ending.abort();
      await arrived;
      await cancelWaiting();
      await call;
    });
    let next: Promise<unknown> = Promise.resolve();
    await whileRowHeld(db, async (owner, id) => {
      next = forUser(db, owner).mergeMetadata(id, { step: 1 });
      await waiting(1);
      cancellation.emit("delivered");
      // The server has processed the cancellation when it accepts another connection.
      await rawClient(url, { max: 1 })`select 1`;
    });
    expect(await next).toMatchObject({ metadata: { step: 1 } });
  });
});

it("a call that finds every connection busy takes the first that is free, and waits for no slow one", async () => {
  const db = await open({ max: 2 });
  await whileRowHeld(db, async (owner, id) => {
    const slow = expect(forUser(db, owner).setPhase(id, "review")).rejects.toMatchObject(cancelled);
    await waiting(1);
    const calls = Array.from({ length: 10 }, () => forUser(db, newUser()).count());
    expect(await Promise.all(calls)).toEqual(calls.map(() => 0));
    await cancelWaiting();
    await slow;
  });
});

it("a transaction of which a statement failed is not taken for committed, though its failure was swallowed", async () => {
  const db = await open({ max: 1 });
  const owner = newUser();
  const id = randomUUID();
  const transaction = db.transaction(async (tx) => {
    await forUser(tx, owner).create({ id });
    await tx.execute(sql`select 1 / 0`).catch(() => {});
  });
  await expect(transaction).rejects.toMatchObject({ code: "22012" });
  expect(await forUser(db, owner).get(id)).toBeNull();
});

it.each(["begin", "start transaction", "select 1; begin", "commit; begin"])(
  "a transaction that is begun by hand, with %s, is refused, and nothing is lost in it",
  async (statement) => {
    const db = await open({ max: 1 });
    const owner = newUser();
    await expect(db.execute(statement)).rejects.toMatchObject({ cause: { code: "25001" } });
    const { id } = await forUser(db, owner).create();
    expect(await admin`select from journey_sessions where id = ${id}`).toHaveLength(1);
    await db.execute("begin; select 1; commit");
  },
);

it("COPY is refused, and the connection then works for the next call", async () => {
  const db = await open({ max: 1 });
  await expect(db.execute("copy journey_sessions from stdin")).rejects.toMatchObject({
    cause: { code: "0A000" },
  });
  expect(await forUser(db, newUser()).count()).toBe(0);
});

it("a transaction that has ended takes no more calls", async () => {
  const db = await open({ max: 1 });
  const owner = newUser();
  const late = await db.transaction(async (tx) => forUser(tx, owner));
  await expect(late.create()).rejects.toMatchObject({ code: "internal", sqlState: "25P01" });
  expect(await forUser(db, owner).count()).toBe(0);
});

it("a savepoint that failed is undone alone", async () => {
  const db = await open({ max: 1 });
  const owner = newUser();
  const [kept, undone] = [randomUUID(), randomUUID()];
  await db.transaction(async (tx) => {
    await forUser(tx, owner).create({ id: kept });
    const nested = tx.transaction(async (inner) => {
      await forUser(inner, owner).create({ id: undone });
      throw new Error("no");
    });
    await expect(nested).rejects.toThrow("no");
  });
  expect(await forUser(db, owner).get(undone)).toBeNull();
  expect(await forUser(db, owner).get(kept)).not.toBeNull();
});

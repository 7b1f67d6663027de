import { sql } from "drizzle-orm";
import { beforeEach, expect, it } from "vitest";
import { convertMessages, prune, repairJson } from "../../src/admin.js";
import { connect, forUser, type JourneyDbError } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { agedSessions, storedIds } from "../support/aged-sessions.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { idsOf, text } from "../support/messages.js";

const url = await migratedDatabase();
const raw = rawClient(url);
const writing = openPostgresJs(url, { max: 4 });
/** Waiting for a lock is an error here. */
const pruning = openPostgresJs(url, { max: 1, connection: { lock_timeout: 250 } });

const DUE = "91 days";
const owner = newUser();

// prune looks at all sessions of the database, which is this file's own.
beforeEach(async () => {
  await writing.delete(journeySessions);
});

/** Runs the call while an open transaction has written to the session. */
async function whileAppending(id: string, call: () => Promise<void>, end: "commit" | "rollback") {
  const rolledBack = new Error("rolled back");
  await writing
    .transaction(async (tx: Database) => {
      await forUser(tx, owner).append(id, text("m1"));
      await call();
      if (end === "rollback") throw rolledBack;
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error;
    });
}

it("a session that is being written to is neither waited for nor deleted", async () => {
  const [id = ""] = await agedSessions(writing, { userId: owner, age: DUE }, { age: DUE });
  const pruneNow = async () => expect(await prune(pruning, { inactiveFor: "90d" })).toEqual({ sessions: 1 });
  await whileAppending(id, pruneNow, "commit");
  expect(idsOf((await forUser(writing, owner).get(id))?.messages ?? [])).toEqual(["m1"]);
  expect(await prune(pruning, { inactiveFor: "90d" })).toEqual({ sessions: 0 });
});

it("a session whose write came to nothing is deleted by the next call", async () => {
  const [id = ""] = await agedSessions(writing, { userId: owner, age: DUE });
  const pruneNow = async () => expect(await prune(pruning, { inactiveFor: "90d" })).toEqual({ sessions: 0 });
  await whileAppending(id, pruneNow, "rollback");
  expect(await storedIds(writing)).toEqual([id]);
  expect(await prune(pruning, { inactiveFor: "90d" })).toEqual({ sessions: 1 });
});

it("a session that was written to after the statement began is not deleted", async () => {
  const [first, second = ""] = await agedSessions(
    writing,
    { id: "10000000-0000-4000-8000-000000000000", age: DUE },
    { id: "20000000-0000-4000-8000-000000000000", userId: owner, age: DUE },
  );
  // The statement stops where it reads the first session; it already has a snapshot of the second.
  await raw.unsafe(`
    create schema slow;
    create function slow.waits(id uuid) returns boolean language plpgsql as $$
    begin
      if id = '${first}' then perform pg_advisory_xact_lock_shared(1); end if;
      return true;
    end $$;
    create view slow.journey_sessions as select * from public.journey_sessions where slow.waits(id)`);
  const slow = openPostgresJs(url, { max: 1, connection: { search_path: "slow" } });
  let call: Promise<unknown> | undefined;
  await raw.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(1)`;
    call = prune(slow, { inactiveFor: "90d" });
    const waiting = () => raw`select from pg_locks where locktype = 'advisory' and not granted`;
    await expect.poll(waiting).toHaveLength(1);
    await forUser(writing, owner).append(second, text("m1"));
  });
  expect(await call).toEqual({ sessions: 1 });
  expect(await storedIds(writing)).toEqual([second]);
});

it("of sessions that are pruned and written to at once, each is gone or has what was written", async () => {
  const SESSIONS = 600;
  await raw`
    insert into journey_sessions (user_id, updated_at)
    select ${owner}, now() - interval '1 year' from generate_series(1, ${SESSIONS}::int)`;
  const ids = await storedIds(writing);
  const sessions = forUser(writing, owner);
  const appended: string[] = [];
  const gone: string[] = [];
  const append = (id: string) =>
    sessions.append(id, text("m1")).then(
      () => void appended.push(id),
      ({ code }: JourneyDbError) => (code === "not_found" ? void gone.push(id) : expect.fail(code)),
    );
  // From the end, so that prune, which starts at the beginning, meets them.
  const write = async (part: number) => {
    for (let n = ids.length - 1 - part; n >= 0; n -= 4) await append(ids[n] ?? "");
  };
  const [pruned] = await Promise.all([
    prune(pruning, { inactiveFor: "90d", batchSize: 5 }),
    ...[0, 1, 2, 3].map(write),
  ]);
  expect(pruned.sessions).toBe(gone.length);
  expect(appended.length + gone.length).toBe(SESSIONS);
  expect(appended.length * gone.length).toBeGreaterThan(0);
  expect(await storedIds(writing)).toEqual(appended.sort());
  const [row] = await writing
    .select({ kept: sql<number>`count(*)::int` })
    .from(journeySessions)
    .where(sql`messages -> 0 ->> 'id' = 'm1'`);
  expect(row?.kept).toBe(appended.length);
});

it("two calls at once delete each session once", async () => {
  await raw`
    insert into journey_sessions (user_id, updated_at)
    select 'user_' || n, now() - interval '1 year' from generate_series(1, 500) n`;
  const other = openPostgresJs(url, { max: 1, connection: { lock_timeout: 250 } });
  const calls = [pruning, other].map((db) => prune(db, { inactiveFor: "90d", batchSize: 7 }));
  const [one, two] = await Promise.all(calls);
  expect((one?.sessions ?? 0) + (two?.sessions ?? 0)).toBe(500);
  expect(await storedIds(writing)).toEqual([]);
});

it.each([
  ["prune", (db: Database, signal: AbortSignal) => prune(db, { inactiveFor: "90d", signal })],
  ["convertMessages", (db: Database, signal: AbortSignal) => convertMessages(db, { signal })],
  ["repairJson", (db: Database, signal: AbortSignal) => repairJson(db, { signal })],
] as const)("the signal of %s ends the statement under way", async (_, call) => {
  const connection = await connect({ url });
  const waiting = () =>
    raw`select from pg_locks where not granted and relation = 'journey_sessions'::regclass`.then(
      ({ length }) => length,
    );
  await raw.begin(async (tx) => {
    await tx`lock table journey_sessions`;
    const controller = new AbortController();
    const ended = errorOf(call(connection.db, controller.signal));
    await expect.poll(waiting).toBe(1);
    controller.abort();
    expect(await ended).toMatchObject({
      code: "timeout",
      message: expect.stringMatching(
        /^The signal was aborted after at least 0 sessions were (deleted|converted|repaired); the call may be repeated\.$/,
      ),
      retryable: true,
    });
    await expect.poll(waiting).toBe(0);
  });
  await connection.close();
});

import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeEach, describe, expect, it } from "vitest";
import { type PruneOptions, type PruneProgress, prune } from "../../src/admin.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { type Aged, agedSessions, storedIds } from "../support/aged-sessions.js";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf, SECRET } from "../support/errors.js";
import { createMessages } from "../support/message-rows.js";
import { text } from "../support/messages.js";

const DUE = "91 days";
const NOT_DUE = "89 days";

/** Calls prune, and returns its result with the progress of each statement. */
async function watched(db: Database, options: PruneOptions) {
  const told: PruneProgress[] = [];
  const answer = await prune(db, { ...options, onProgress: (progress) => void told.push(progress) });
  return { answer, told };
}

/** The progress of each statement alone. */
const steps = (told: PruneProgress[]) =>
  told.map(({ sessions, examined }, n) => ({
    sessions: sessions - (told[n - 1]?.sessions ?? 0),
    examined: examined - (told[n - 1]?.examined ?? 0),
  }));

onEveryDriver((database, { defineJourney, forUser }) => {
  it("messages in rows are deleted with their sessions, and each is found by an index", async () => {
    await createMessages(database(), journeySessions);
    const sessions = defineJourney({ messages: messagesTable(journeySessions) }).forUser(
      database(),
      newUser(),
    );
    const kept = await sessions.create({ messages: [text("m1")] });
    await database().execute(sql`
      with due as (
        insert into journey_sessions (user_id, messages, updated_at)
        select 'user_' || n, '{"rows": 4, "last": "4"}', now() - case when n <= 100 then ${DUE}::interval else '0' end from generate_series(1, 3000) n returning *
      ) insert into journey_messages (user_id, session_id, id, appended_at, n, message)
        select user_id, id, m, updated_at, m, '{}' from due, generate_series(1, 4) m`);
    await database().execute(sql`analyze journey_messages`);
    // What the foreign key sends for each deleted session. Both indexes begin with the session.
    const plan = await database().execute(
      sql`explain delete from only journey_messages where session_id = ${kept.id}::uuid`,
    );
    expect(JSON.stringify(plan)).toMatch(
      /Scan (using|on) (journey_messages_pkey|idx_journey_messages_order).*Index Cond: \(session_id = /,
    );
    expect(await prune(database(), { inactiveFor: "90d", batchSize: 30, dryRun: true })).toEqual({
      sessions: 100,
    });
    expect(await prune(database(), { inactiveFor: "90d", batchSize: 30 })).toEqual({ sessions: 100 });
    expect(await database().$count(messagesTable(journeySessions))).toBe(2900 * 4 + 1);
    expect((await sessions.get(kept.id))?.messages).toEqual([text("m1")]);
  });

  // prune looks at all sessions of the database, which is this file's own.
  beforeEach(async () => {
    await database().delete(journeySessions);
  });

  const stored = (sessions: Aged[]) => agedSessions(database(), ...sessions);
  const times = <T>(count: number, make: (n: number) => T) =>
    Array.from({ length: count }, (_, n) => make(n));

  describe("what is deleted", () => {
    it("the sessions of all users that have been inactive for so long, and no other", async () => {
      const [first, second] = [newUser(), newUser()];
      const [, kept, , , young] = await stored([
        { userId: first, age: "90 days 1 minute" },
        { userId: first, age: "89 days 23 hours 59 minutes" },
        { userId: second, age: "20 years" },
        { userId: second, age: "-infinity" },
        { userId: second, age: "0" },
      ]);
      const future = await stored([{ age: "infinity" }, { age: "-1 day" }]);
      expect(await prune(database(), { inactiveFor: "90d" })).toEqual({ sessions: 3 });
      expect(await storedIds(database())).toEqual([kept, young, ...future].sort());
    });

    it.each([
      ["1h", "59 minutes", "61 minutes"],
      ["12 hours", "719 minutes", "721 minutes"],
      ["2w", "13 days", "15 days"],
      ["1.5y", "547 days", "548 days"],
      ["100y", "99 years", "101 years"],
    ])("for %s, %s is too short and %s is enough", async (inactiveFor, kept, deleted) => {
      const [id] = await stored([{ age: kept }, { age: deleted }]);
      expect(await prune(database(), { inactiveFor })).toEqual({ sessions: 1 });
      expect(await storedIds(database())).toEqual([id]);
    });

    it("what counts is the last write, not the age", async () => {
      const userId = newUser();
      const [id = "", other = ""] = await stored([
        { userId, age: DUE },
        { userId, age: DUE },
      ]);
      await forUser(database(), userId).append(id, text("m1"));
      await forUser(database(), userId).setPhase(other, "review");
      expect(await prune(database(), { inactiveFor: "90d" })).toEqual({ sessions: 0 });
    });

    it("rows of any shape", async () => {
      const table = "alter table journey_sessions";
      const checks = {
        messages_is_array: "messages",
        metadata_is_object: "metadata",
        user_id_not_empty: "user_id",
      };
      for (const check of Object.keys(checks)) {
        await database().execute(sql.raw(`${table} drop constraint if exists journey_sessions_${check}`));
      }
      await database().execute(sql`
        insert into journey_sessions (user_id, messages, metadata, updated_at)
        values ('', '"[]"', 'null', now() - interval '1 year')`);
      expect(await prune(database(), { inactiveFor: "90d" })).toEqual({ sessions: 1 });
    });

    it("nothing where there is nothing", async () => {
      const { answer, told } = await watched(database(), { inactiveFor: "90d" });
      expect(answer).toEqual({ sessions: 0 });
      expect(told).toEqual([{ sessions: 0, examined: 0 }]);
    });

    it.each([1, 500])("the first id and the last that there can be, %i a statement", async (batchSize) => {
      const ids = ["0", "f"].map((digit) => "8-4-4-4-12".replace(/\d+/g, (n) => digit.repeat(Number(n))));
      await stored(ids.map((id) => ({ id, age: DUE })));
      expect(await prune(database(), { inactiveFor: "90d", batchSize })).toEqual({ sessions: 2 });
    });
  });

  describe("the walk", () => {
    const mixtures: [string, (n: number) => boolean][] = [
      ["all due", () => true],
      ["every other due", (n) => n % 2 === 0],
      ["few due", (n) => n % 9 === 3],
      ["none due", () => false],
      ["the due ones first", (n) => n < 7],
      ["the due ones last", (n) => n >= 7],
    ];
    const SESSIONS = 20;
    const BATCHES = [1, 3, SESSIONS];
    const cases = mixtures.flatMap(([name, isDue]) =>
      BATCHES.map((batchSize) => [name, batchSize, isDue] as const),
    );

    it.each(cases)("%s, %i a statement: passes each session once", async (_, batchSize, isDue) => {
      const ids = times(SESSIONS, () => randomUUID()).sort();
      const aged = ids.map((id, n) => ({ id, age: isDue(n) ? DUE : NOT_DUE }));
      await stored(aged);
      const due = aged.filter(({ age }) => age === DUE).length;

      const dry = await watched(database(), { inactiveFor: "90d", batchSize, dryRun: true });
      expect(dry.answer).toEqual({ sessions: due });
      expect(await storedIds(database())).toEqual(ids);

      const { answer, told } = await watched(database(), { inactiveFor: "90d", batchSize });
      expect(answer).toEqual({ sessions: due });
      expect(await storedIds(database())).toEqual(aged.filter(({ age }) => age !== DUE).map(({ id }) => id));
      expect(told).toEqual(dry.told);
      expect(told.at(-1)).toEqual({ sessions: due, examined: SESSIONS });
      for (const step of steps(told)) {
        expect(step.sessions).toBeLessThanOrEqual(batchSize);
        expect(step.examined).toBeLessThanOrEqual(4 * batchSize);
        expect(step.examined).toBeGreaterThan(0);
      }
    });

    it("takes 500 a statement unless told otherwise", async () => {
      await database().execute(sql`
        insert into journey_sessions (user_id, updated_at)
        select 'user_' || n, now() - interval '1 year' from generate_series(1, 1200) n`);
      const { told } = await watched(database(), { inactiveFor: "90d" });
      expect(steps(told).map(({ sessions }) => sessions)).toEqual([500, 500, 200]);
    });

    it("waits for what onProgress does", async () => {
      await stored(times(3, () => ({ age: DUE })));
      const left: number[] = [];
      await prune(database(), {
        inactiveFor: "90d",
        batchSize: 1,
        onProgress: async () => void left.push((await storedIds(database())).length),
      });
      expect(left).toEqual([2, 1, 0]);
    });
  });

  describe("the signal", () => {
    it("stops it between two statements, and the call repeated does the rest", async () => {
      await stored(times(10, () => ({ age: DUE })));
      const controller = new AbortController();
      const stopAfter = ({ sessions }: PruneProgress) => void (sessions >= 6 && controller.abort());
      const options = { inactiveFor: "90d", batchSize: 3 };
      const call = prune(database(), { ...options, signal: controller.signal, onProgress: stopAfter });
      expect(await errorOf(call)).toMatchObject({
        code: "timeout",
        message: "The signal was aborted after 6 sessions were deleted; the call may be repeated.",
        retryable: true,
      });
      expect(await storedIds(database())).toHaveLength(4);
      expect(await prune(database(), options)).toEqual({ sessions: 4 });
      expect(await prune(database(), options)).toEqual({ sessions: 0 });
    });

    it("already aborted, nothing is deleted", async () => {
      await stored([{ age: DUE }]);
      const call = prune(database(), { inactiveFor: "90d", signal: AbortSignal.abort() });
      expect(await errorOf(call)).toMatchObject({
        code: "timeout",
        message: expect.stringContaining(" after 0 sessions"),
      });
      expect(await storedIds(database())).toHaveLength(1);
    });

    it("stops a dry run, which has deleted nothing", async () => {
      await stored(times(3, () => ({ age: DUE })));
      const controller = new AbortController();
      const call = prune(database(), {
        ...{ inactiveFor: "90d", batchSize: 1, dryRun: true, signal: controller.signal },
        onProgress: () => controller.abort(),
      });
      expect((await errorOf(call)).message).toContain(" after 0 sessions were deleted");
    });

    it("too late to stop anything, it changes nothing", async () => {
      await stored([{ age: DUE }]);
      const controller = new AbortController();
      const { signal } = controller;
      const call = prune(database(), { inactiveFor: "90d", signal, onProgress: () => controller.abort() });
      expect(await call).toEqual({ sessions: 1 });
    });
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error(SECRET);
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error(SECRET);
      },
    ],
  ] as const)(
    "an onProgress that %s ends the call with invalid_input, and what was deleted stays so",
    async (_, onProgress) => {
      await stored(times(3, () => ({ age: DUE })));
      const call = prune(database(), { inactiveFor: "90d", batchSize: 1, onProgress });
      expect(await errorOf(call)).toMatchObject({
        code: "invalid_input",
        message: expect.stringMatching(
          /^options\.onProgress: threw an error; what was deleted stays deleted/,
        ),
      });
      expect(await storedIds(database())).toHaveLength(2);
    },
  );
});

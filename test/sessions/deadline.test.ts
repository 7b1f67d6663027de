import { randomUUID } from "node:crypto";
import { getEventListeners } from "node:events";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";
import { CATALOGUES } from "../support/verbs.js";

const url = await migratedDatabase();
const db = openPostgresJs(url, { max: 8 });
const raw = rawClient(url);

/** Runs `body` while another transaction holds the table, so that every call waits. */
async function whileLocked(body: () => Promise<void>, table = "journey_sessions"): Promise<void> {
  await raw.begin(async (tx) => {
    await tx.unsafe(`lock table ${table} in access exclusive mode`);
    await body();
  });
}

describe("a call that takes longer than timeoutMs ends with timeout", () => {
  describe.each(Object.entries(CATALOGUES))("%s", (_, catalogue) => {
    beforeAll(() => catalogue.createIn(db));
    const sessionsOf = catalogue.forUser(defineJourney);

    it.each(catalogue.cases)("$name, retryable: $retryable", async ({ retryable, call }) => {
      const owner = newUser();
      const given = await catalogue.conversation(sessionsOf(db, owner));
      await whileLocked(async () => {
        await expect(call(sessionsOf(db, owner, { timeoutMs: 50 }), given)).rejects.toMatchObject({
          name: "JourneyDbError",
          code: "timeout",
          message: "No answer within 50 ms; whether the call takes effect is unknown.",
          retryable,
        });
      }, catalogue.sqlName);
    });
  });

  it("the journey's timeoutMs applies if the handle has none", async () => {
    const owner = newUser();
    const { id } = await forUser(db, owner).create();
    await whileLocked(async () => {
      const sessions = defineJourney({ timeoutMs: 40 }).forUser(db, owner);
      await expect(sessions.setPhase(id, "review")).rejects.toThrow("No answer within 40 ms");
    });
  });
});

describe("the handle's signal", () => {
  it("ends a call that is under way", async () => {
    const owner = newUser();
    const { id } = await forUser(db, owner).create();
    const controller = new AbortController();
    await whileLocked(async () => {
      const call = forUser(db, owner, { signal: controller.signal }).setPhase(id, "review");
      const waiting = sql`pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      await expect.poll(() => db.select({ n: sql<number>`count(*)::int` }).from(waiting)).toEqual([{ n: 1 }]);
      controller.abort();
      await expect(call).rejects.toMatchObject({ code: "timeout", retryable: true });
    });
  });

  it("already aborted, nothing is sent", async () => {
    const owner = newUser();
    const sessions = forUser(db, owner, { signal: AbortSignal.abort() });
    await expect(sessions.append(randomUUID(), text("m1"), { create: true })).rejects.toMatchObject({
      code: "timeout",
      message: "The signal was already aborted; nothing was sent.",
      retryable: true,
    });
    expect(await forUser(db, owner).count()).toBe(0);
  });

  it("ends any number of calls, of several handles, and Node does not warn of a leak", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    const ending = new AbortController();
    await whileLocked(async () => {
      const handles = Array.from({ length: 4 }, () => forUser(db, newUser(), { signal: ending.signal }));
      const calls = handles.flatMap((sessions) => Array.from({ length: 5 }, () => sessions.count()));
      const ended = Promise.allSettled(calls);
      ending.abort();
      expect(await ended).toEqual(
        calls.map(() => ({ status: "rejected", reason: expect.objectContaining({ code: "timeout" }) })),
      );
    });
    // Warnings are told in a later tick.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("is let go after each call", async () => {
    const { signal } = new AbortController();
    const sessions = forUser(db, newUser(), { signal });
    for (const _ of [1, 2, 3]) await sessions.count();
    await expect(sessions.setPhase(randomUUID(), "review")).rejects.toMatchObject({ code: "not_found" });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

it("a call that has ended leaves no timer behind, which would keep the process alive", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
  const sessions = forUser(db, newUser());
  await sessions.count();
  const before = timers();
  for (let call = 0; call < 20; call++) await sessions.count();
  expect(timers()).toBeLessThan(before + 20);
});

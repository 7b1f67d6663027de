import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { idsOf, text } from "../support/messages.js";

const SESSIONS = 10_000;
const OTHERS = 500;
const LOCK_TIMEOUT = "55P03";

const url = await migratedDatabase();
const raw = rawClient(url);
const erasing = openPostgresJs(url, { max: 1 });
/** Where a wait for a lock is an error. */
const meanwhile = openPostgresJs(url, { max: 1, connection: { lock_timeout: 250 } });

/** Sessions of the owner, the other owner's between them on the same pages. */
async function sessionsOf(owner: string, other: string): Promise<void> {
  await raw`
    insert into journey_sessions (user_id, messages, metadata)
    select case when n % 21 = 0 then ${other} else ${owner} end,
      '[{"id":"m1","role":"user","parts":[{"type":"text","text":"Where to begin?"}]}]', '{"title":"Trip"}'
    from generate_series(1, ${SESSIONS + OTHERS}::int) n`;
}

/** Erases the owner's sessions and keeps the transaction open for the call. */
async function whileErasing<T>(
  owner: string,
  call: () => Promise<T>,
  end: "commit" | "rollback",
): Promise<T> {
  const rolledBack = new Error("rolled back");
  let answer: T | undefined;
  await erasing
    .transaction(async (tx: Database) => {
      expect(await forUser(tx, owner).deleteAll()).toBe(SESSIONS);
      answer = await call();
      if (end === "rollback") throw rolledBack;
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error;
    });
  return answer as T;
}

it.each(["commit", "rollback"] as const)(
  "an erasure of 10,000 sessions that is not over keeps no other owner waiting, until its %s",
  async (end) => {
    const [owner, other] = [newUser(), newUser()];
    await sessionsOf(owner, other);
    const sessions = forUser(meanwhile, other);
    const [first, second] = (await sessions.list()).sessions.map(({ id }) => id) as [string, string];

    const seen = await whileErasing(
      owner,
      async () => {
        const created = randomUUID();
        await sessions.append(created, text("m1"), { create: true });
        await sessions.append(created, text("m2"), { create: true });
        await sessions.append(first, text("m2"));
        await sessions.setPhase(first, "review");
        await sessions.mergeMetadata(first, { step: 1 });
        await sessions.replaceMessages(second, [text("m9")]);
        const fork = await sessions.fork(second);
        expect(await sessions.delete(second)).toBe(true);
        await sessions.create();
        expect((await sessions.messages(fork.id)).messages).toEqual([text("m9")]);
        // Nothing of the erasure shows before it is committed.
        expect(await forUser(meanwhile, owner).count()).toBe(SESSIONS);
        return { get: await sessions.get(first), count: await sessions.count() };
      },
      end,
    );
    expect(idsOf(seen.get?.messages ?? [])).toEqual(["m1", "m2"]);
    expect(seen.get).toMatchObject({ phase: "review", metadata: { title: "Trip", step: 1 } });
    // One of append, one of fork and one of create; one deleted.
    expect(seen.count).toBe(OTHERS + 2);
    expect(await sessions.count()).toBe(OTHERS + 2);
    expect(await forUser(meanwhile, owner).count()).toBe(end === "commit" ? 0 : SESSIONS);
    expect(await sessions.deleteAll()).toBe(OTHERS + 2);
  },
);

it("two owners' erasures do not wait for each other", async () => {
  const [owner, other] = [newUser(), newUser()];
  await sessionsOf(owner, other);
  const erased = await whileErasing(owner, () => forUser(meanwhile, other).deleteAll(), "commit");
  expect(erased).toBe(OTHERS);
  const left =
    await raw`select count(*)::int as n from journey_sessions where user_id in (${owner}, ${other})`;
  expect(left).toEqual([{ n: 0 }]);
});

it("the erased owner's own writes wait, and read what was there", async () => {
  const [owner, other] = [newUser(), newUser()];
  await sessionsOf(owner, other);
  const sessions = forUser(meanwhile, owner);
  const { id } = (await sessions.list({ limit: 1 })).sessions[0] ?? expect.fail();
  await whileErasing(
    owner,
    async () => {
      const writes = [
        () => sessions.append(id, text("m2")),
        () => sessions.append(id, text("m2"), { create: true }),
        () => sessions.setPhase(id, "review"),
        () => sessions.delete(id),
        () => sessions.deleteAll(),
      ];
      for (const write of writes) {
        expect(await errorOf(write()), String(write)).toMatchObject({ sqlState: LOCK_TIMEOUT });
      }
      expect((await sessions.get(id))?.messages).toHaveLength(1);
      // A session that is new is none of those that are erased.
      expect((await sessions.append(randomUUID(), text("m1"), { create: true })).created).toBe(true);
    },
    "commit",
  );
  expect(await sessions.count()).toBe(1);
});

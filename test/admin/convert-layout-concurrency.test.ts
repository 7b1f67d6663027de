import { sql } from "drizzle-orm";
import { beforeEach, expect, it } from "vitest";
import { convertLayout } from "../../src/admin.js";
import { defineJourney, forUser } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { createMessages } from "../support/message-rows.js";
import { idsOf, text } from "../support/messages.js";
import { runCode, temporaryFolder } from "../support/program.js";

const WRITERS = 16;
const SESSIONS = 20;

const url = await migratedDatabase();
const raw = rawClient(url);
const writing = openPostgresJs(url, { max: WRITERS });
const converting = openPostgresJs(url, { max: 1 });
await createMessages(writing, journeySessions);
const owner = newUser();
const journey = defineJourney({ messages: messagesTable(journeySessions) });
const rows = journey.forUser(writing, owner);
const column = forUser(writing, owner);

beforeEach(async () => {
  await writing.delete(journeySessions);
});

async function createSessions(): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < SESSIONS; n++) ids.push((await column.create({ messages: [text("first")] })).id);
  return ids;
}

/** Writers that append and change metadata until they are stopped. */
function startWriters(ids: readonly string[]) {
  let stopped = false;
  /** By session, what each writer was told is stored, in its order. */
  const stored = new Map(ids.map((id) => [id, Array.from({ length: WRITERS }, () => [] as string[])]));
  const write = async (writer: number) => {
    for (let n = 0; !stopped; n++) {
      const id = ids[(writer + n) % ids.length] as string;
      const message = text(`w${writer}-${n}`);
      await rows.append(id, message);
      stored.get(id)?.[writer]?.push(message.id);
      if (n % 3 === 0) await rows.mergeMetadata(id, { [`w${writer}`]: n });
      // The answer grows.
      if (n % 4 === 0) await rows.append(id, text(message.id, "grown"));
    }
  };
  const ended = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  const count = () => [...stored.values()].flat(2).length;
  return {
    goesOn: (appends: number) => {
      const aim = count() + appends;
      return expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(aim);
    },
    async stop() {
      stopped = true;
      await ended;
    },
    /** Each message is there once, and those of each writer are in its order. */
    async expectAll(of: typeof rows | typeof column) {
      for (const [id, writers] of stored) {
        const found = idsOf((await of.get(id))?.messages ?? []);
        expect(found[0]).toBe("first");
        expect(found).toHaveLength(writers.flat().length + 1);
        for (const [writer, told] of writers.entries())
          expect(found.filter((one) => one.startsWith(`w${writer}-`))).toEqual(told);
      }
    },
  };
}

const inColumn = () => writing.$count(journeySessions, sql`jsonb_typeof(messages) = 'array'`);

it("16 writers lose nothing while their sessions are moved to and fro, by two calls at once", {
  timeout: 120_000,
}, async () => {
  const writers = startWriters(await createSessions());
  const other = openPostgresJs(url, { max: 1 });
  for (let n = 0; n < 6; n++) {
    await writers.goesOn(50);
    const [one, two] = await Promise.all([
      convertLayout(converting, { to: n % 2 ? "rows" : "column", batchSize: 3 }),
      convertLayout(other, { to: n % 3 ? "rows" : "column", batchSize: 7 }),
    ]);
    // What keeps changing is left; nothing else is.
    for (const { reason } of [...one.left, ...two.left]) expect(reason).toBe("changing");
  }
  await writers.stop();
  expect((await convertLayout(converting, { to: "rows" })).skipped).toBe(0);
  expect(await inColumn()).toBe(0);
  await writers.expectAll(rows);
  expect(await convertLayout(converting, { to: "column" })).toEqual({
    sessions: SESSIONS,
    skipped: 0,
    left: [],
  });
  await writers.expectAll(column);
  expect(await writing.$count(messagesTable(journeySessions))).toBe(0);
});

it("two calls at once move each session once", async () => {
  await createSessions();
  const other = openPostgresJs(url, { max: 1 });
  for (const to of ["rows", "column"] as const) {
    const [one, two] = await Promise.all([convertLayout(converting, { to }), convertLayout(other, { to })]);
    expect(one.sessions + two.sessions).toBe(SESSIONS);
    expect(one.skipped + two.skipped).toBe(0);
  }
});

it("kill -9 leaves every session whole, and the next call moves the others", {
  timeout: 120_000,
}, async () => {
  const writers = startWriters(await createSessions());
  for (let n = 0; n < 4; n++) {
    const program = runCode(
      `import { convertLayout } from "#/src/admin.ts";
      import { connect } from "#/src/index.ts";
      const { db } = await connect({ url: ${JSON.stringify(url)}, max: 1 });
      for (let n = 0; ; n++) {
        await convertLayout(db, { to: n % 2 ? "column" : "rows" });
        console.log("walk " + n + ".");
      }`,
      temporaryFolder(),
    );
    await program.printed("walk 2.");
    await writers.goesOn(1 + Math.floor(Math.random() * 30));
    program.child.kill("SIGKILL");
    expect(await program.ended).toBe("SIGKILL");
  }
  await writers.stop();
  await writers.expectAll(rows);
  const { sessions, skipped } = await convertLayout(converting, { to: "column" });
  expect(skipped).toBe(0);
  expect(sessions).toBeGreaterThan(0);
  await writers.expectAll(column);
});

const waiting = () =>
  raw`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;

/** A transaction that appends, and is committed when it is told. */
function appendAndHold(id: string, message: string) {
  let commit = () => {};
  const told = new Promise<void>((resolve) => {
    commit = resolve;
  });
  let ended: Promise<unknown> | undefined;
  const appended = new Promise<void>((resolve) => {
    ended = writing.transaction(async (tx: Database) => {
      await journey.forUser(tx, owner).append(id, text(message));
      resolve();
      await told;
    });
  });
  return { appended, commit, ended };
}

it("a session that others change during each attempt stays in rows, and is listed", async () => {
  const { id } = await rows.create({ messages: [text("first")] });
  let held = appendAndHold(id, "m0");
  await held.appended;
  let isDone = false;
  const call = convertLayout(converting, { to: "column" }).finally(() => {
    isDone = true;
  });
  const reached = (statements: number) =>
    expect
      .poll(async () => isDone || (await waiting()).length === statements, { timeout: 20_000 })
      .toBe(true);
  const all = [held];
  for (let n = 1; n <= 10; n++) {
    await reached(1);
    const next = appendAndHold(id, `m${n}`);
    await reached(2);
    held.commit();
    all.push(next);
    held = next;
  }
  held.commit();
  await Promise.all(all.map(({ ended }) => ended));
  // Once in a while an attempt is faster than the append that waits behind it, and moves the session.
  const answer = await call;
  expect(answer).toEqual(
    answer.sessions > 0
      ? { sessions: 1, skipped: 0, left: [] }
      : { sessions: 0, skipped: 1, left: [{ id, reason: "changing" }] },
  );
  expect((await rows.get(id))?.messages).toHaveLength(12);
});

it.each(["read committed", "repeatable read", "serializable"] as const)(
  "at %s, a message that is appended at the same moment moves with its session",
  async (level) => {
    const converting = openPostgresJs(url, { max: 1, connection: { default_transaction_isolation: level } });
    const { id } = await column.create({ messages: [text("first")] });
    for (const to of ["rows", "column"] as const) {
      let call: Promise<unknown> | undefined;
      await writing.transaction(async (tx: Database) => {
        const sessions = (to === "rows" ? { forUser } : journey).forUser(tx, owner);
        await sessions.append(id, text(`before ${to}`));
        call = convertLayout(converting, { to });
        await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(1);
      });
      expect(await call).toEqual({ sessions: 1, skipped: 0, left: [] });
    }
    expect(idsOf((await column.get(id))?.messages ?? [])).toEqual(["first", "before rows", "before column"]);
    // One that grows changes neither the number nor the last id.
    await convertLayout(converting, { to: "rows" });
    let call: Promise<unknown> | undefined;
    await writing.transaction(async (tx: Database) => {
      await journey.forUser(tx, owner).append(id, text("first", "grown"));
      call = convertLayout(converting, { to: "column" });
      await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(1);
    });
    await call;
    expect((await column.get(id))?.messages[0]).toEqual(text("first", "grown"));
  },
);

it.each([
  ["deleted", (tx: Database, id: string) => forUser(tx, owner).delete(id)],
  ["emptied", (tx: Database, id: string) => forUser(tx, owner).replaceMessages(id, [])],
])("a session that is %s meanwhile is not brought back", async (_, change) => {
  const { id } = await column.create({ messages: [text("first")] });
  let call: Promise<{ skipped: number }> | undefined;
  await writing.transaction(async (tx: Database) => {
    await change(tx, id);
    call = convertLayout(converting, { to: "rows" });
    await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(1);
  });
  expect((await call)?.skipped).toBe(0);
  expect((await rows.get(id))?.messages ?? []).toEqual([]);
  expect(await writing.$count(messagesTable(journeySessions))).toBe(0);
});

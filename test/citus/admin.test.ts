import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { bigserial, integer, text as textColumn } from "drizzle-orm/pg-core";
import { drizzle as drizzleProxy } from "drizzle-orm/pg-proxy";
import { beforeEach, describe, expect, it } from "vitest";
import { convertLayout, convertMessages, prune, repairJson, stats, transfer } from "../../src/admin.js";
import { fromAiSdk4 } from "../../src/ai-sdk.js";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney, type JourneyDbError, type JourneyMessage } from "../../src/index.js";
import { distribute } from "../../src/maintenance/distribute.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions, journeyTable } from "../../src/schema-zod.js";
import { older } from "../support/ai-sdk-4.js";
import { citusDatabase, clusterDatabase } from "../support/citus.js";
import { newUser, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { LAYOUTS } from "../support/message-rows.js";
import { idsOf, text } from "../support/messages.js";
import { createTables } from "../support/own-table.js";

const url = await citusDatabase();
const raw = rawClient(url);
const db = openPostgresJs(url, { max: 8 });
const other = openPostgresJs(url, { max: 1 });

const messages = messagesTable(journeySessions);
const { replies, chunks } = replyTables(journeySessions);
const column = defineJourney({ replies, distributed: true });
const rows = defineJourney({ messages, replies, distributed: true });
const of = (layout: (typeof LAYOUTS)[number]) =>
  (layout === "rows" ? (rows as never) : column) as typeof column;

/** Connections that wait for a lock, on all servers. */
const waiting = async () => {
  const found = await raw`select result::int as n from run_command_on_all_nodes(
    $$select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()$$)`;
  return found.reduce((sum, { n }) => sum + n, 0);
};
const somebodyWaits = () => expect.poll(waiting).toBeGreaterThan(0);

// The calls look at all sessions of the database, which is this file's own.
beforeEach(async () => {
  await db.delete(journeySessions);
});

/** Sessions of that age, all with one id if it is given. Answers their owners. */
async function aged(age: string, count: number, id?: string): Promise<string[]> {
  const stored = await raw`insert into journey_sessions (id, user_id, updated_at)
    select coalesce(${id ?? null}::uuid, gen_random_uuid()), ${newUser()} || n, now() - ${age}::interval from generate_series(1, ${count}::int) n
    returning user_id`;
  return stored.map(({ user_id }) => user_id);
}
const storedOwners = async () =>
  (await raw`select user_id from journey_sessions`).map(({ user_id }) => user_id);

describe("stats", () => {
  it("has the figures of all servers", async () => {
    const [one, two] = [newUser(), newUser()];
    const { id } = await column.forUser(db, one).create({ messages: [text("m1", "long ".repeat(100))] });
    await column.forUser(db, two).create({ phase: "review" });
    await rows.forUser(db, two).create({ messages: [text("m1"), text("m2")] });
    await column.forUser(db, one).replies?.start(id, "r1");
    const sizeOf = async (table: string) => {
      const [found] = await raw`select sum(result::float8) as bytes
        from run_command_on_shards(${table}, 'select pg_total_relation_size(%L::regclass)')`;
      return found?.bytes;
    };
    const found = await stats(db);
    expect(found).toMatchObject({
      sessions: 3,
      owners: 2,
      phases: [
        { phase: "setup", sessions: 2 },
        { phase: "review", sessions: 1 },
      ],
      bytes: await sizeOf("journey_sessions"),
      largest: { id },
      messageRows: { sessions: 1, messages: 2, bytes: await sizeOf("journey_messages") },
      replies: {
        running: 1,
        abandoned: 0,
        bytes: (await sizeOf("journey_replies")) + (await sizeOf("journey_reply_chunks")),
      },
    });
    expect(found.bytes).toBeGreaterThan(0);
    const [stored] =
      await raw`select max(pg_column_size(messages)) as largest, round(avg(pg_column_size(messages)))::float8 as mean
      from journey_sessions where jsonb_typeof(messages) = 'array'`;
    expect(found.appendBytes).toEqual({ ...stored });
    const [times] =
      await raw`select min(created_at) as a, min(updated_at) as b, max(updated_at) as c from journey_sessions`;
    expect([found.oldestCreatedAt, found.oldestUpdatedAt, found.newestUpdatedAt]).toEqual(
      Object.values(times ?? {}),
    );
  });

  it("counts dead rows on all servers", async () => {
    await aged("1 day", 400);
    await raw`delete from journey_sessions`;
    // A server tells of them once it has been idle for ten seconds.
    await expect
      .poll(async () => (await stats(db)).deadRows, { timeout: 25_000 })
      .toBeGreaterThanOrEqual(400);
  });

  it("of a table that is on one server of the cluster, it has the size of that", async () => {
    const alone = journeyTable("alone");
    await createTables(db, { alone }, false);
    const [size] = await raw`select pg_total_relation_size('alone')::float8 as bytes`;
    expect(await stats(db, { table: alone })).toMatchObject({ sessions: 0, bytes: size?.bytes });
  });
});

describe("prune", () => {
  const ID = "77777777-7777-4777-8777-777777777777";

  it.each([1, 3, 500])(
    "deletes what is due, also of users who have one id, %i a statement",
    async (batchSize) => {
      await aged("91 days", 10, ID);
      await aged("91 days", 10);
      const kept = [...(await aged("89 days", 9, ID)), ...(await aged("89 days", 9))];
      const seen: number[] = [];
      const call = { inactiveFor: "90d", batchSize };
      expect(await prune(db, { ...call, dryRun: true })).toEqual({ sessions: 20, replies: 0 });
      expect(await prune(db, { ...call, onProgress: ({ examined }) => void seen.push(examined) })).toEqual({
        sessions: 20,
        replies: 0,
      });
      expect(seen.at(-1)).toBe(38);
      expect((await storedOwners()).sort()).toEqual(kept.sort());
    },
  );

  it("removes replies that a crash has left", async () => {
    const sessions = column.forUser(db, newUser());
    const replying = async (age: string, state: string) => {
      const { id } = await sessions.create();
      await sessions.replies?.start(id, "r1");
      await sessions.replies?.write(id, "r1", { n: 1, chunks: "<1>" });
      await raw`update journey_replies set state = ${state}, written_at = now() - ${age}::interval where session_id = ${id}`;
    };
    for (const [age, state] of [
      ["59 minutes", "ended"],
      ["61 minutes", "ended"],
      ["61 minutes", "stored"],
      ["89 days", "running"],
      ["91 days", "running"],
    ] as const)
      await replying(age, state);
    expect(await prune(db, { inactiveFor: "90d", dryRun: true })).toEqual({ sessions: 0, replies: 3 });
    expect(await prune(db, { inactiveFor: "90d", batchSize: 2 })).toEqual({ sessions: 0, replies: 3 });
    expect([await db.$count(replies), await db.$count(chunks)]).toEqual([2, 2]);
  });

  it("counts no reply that goes with its session", async () => {
    const sessions = column.forUser(db, newUser());
    const { id } = await sessions.create();
    await sessions.replies?.start(id, "r1");
    await raw`update journey_replies set written_at = now() - interval '1 year'`;
    await raw`delete from journey_sessions`;
    const [owner = ""] = await aged("91 days", 1, id);
    await raw`insert into journey_replies values (${owner}, ${id}, 'r1', null, 'running', null, 0, now(), now() - interval '1 year')`;
    // Another user's session of the same id, which stays with its reply.
    const [stays = ""] = await aged("1 day", 1, id);
    await raw`insert into journey_replies values (${stays}, ${id}, 'r1', null, 'running', null, 0, now(), now() - interval '1 year')`;
    expect(await prune(db, { inactiveFor: "90d", dryRun: true })).toEqual({ sessions: 1, replies: 1 });
    expect(await prune(db, { inactiveFor: "90d" })).toEqual({ sessions: 1, replies: 1 });
  });

  it.each([
    ["is stored, the session stays", 1],
    ["comes to nothing, it is deleted", 0],
  ])("waits for a writer; if the write %s", async (_, stored) => {
    const [owner = ""] = await aged("91 days", 1, ID);
    await aged("91 days", 3);
    let call: Promise<unknown> | undefined;
    const rolledBack = new Error("rolled back");
    await db
      .transaction(async (tx: Database) => {
        await column.forUser(tx, owner).append(ID, text("m1"));
        call = prune(other, { inactiveFor: "90d" });
        await somebodyWaits();
        if (!stored) throw rolledBack;
      })
      .catch((error: unknown) => {
        if (error !== rolledBack) throw error;
      });
    expect(await call).toEqual({ sessions: 4 - stored, replies: 0 });
    expect(await storedOwners()).toEqual(stored ? [owner] : []);
  });

  it("calls at once delete each session once", async () => {
    await aged("91 days", 600);
    const calls = [1, 2, 3].map(() =>
      prune(openPostgresJs(url, { max: 1 }), { inactiveFor: "90d", batchSize: 40 }),
    );
    const counts = (await Promise.all(calls)).map(({ sessions }) => sessions);
    expect(counts.reduce((sum, sessions) => sum + sessions)).toBe(600);
    expect(await storedOwners()).toEqual([]);
  });

  it("of a call and a transaction that wait for each other, the server ends one, and the call goes on", async () => {
    const owner = newUser();
    const ids = ["10000000-0000-4000-8000-000000000000", "20000000-0000-4000-8000-000000000000"] as const;
    for (const id of ids)
      await raw`insert into journey_sessions (id, user_id, updated_at) values (${id}, ${owner}, now() - interval '1 year')`;
    await aged("91 days", 3);
    let call: Promise<unknown> | undefined;
    const ended = await db
      .transaction(async (tx: Database) => {
        // So that it is mostly the call.
        await tx.execute(sql`set local citus.propagate_set_commands = 'local'`);
        await tx.execute(sql`set local deadlock_timeout = '1min'`);
        await column.forUser(tx, owner).append(ids[1], text("m1"));
        call = prune(other, { inactiveFor: "90d" });
        await somebodyWaits();
        await column.forUser(tx, owner).append(ids[0], text("m1"));
        return false;
      })
      .catch((error: JourneyDbError) => error.sqlState === "40P01" || expect.fail(error.message));
    expect(await call).toEqual({ sessions: ended ? 5 : 3, replies: 0 });
    expect(await storedOwners()).toEqual(ended ? [] : [owner, owner]);
  });

  it("of sessions that are pruned and written to at once, each is gone or has what was written", async () => {
    const SESSIONS = 200;
    await aged("91 days", SESSIONS);
    const stored = await raw`select id, user_id as "userId" from journey_sessions order by id desc`;
    const appended: string[] = [];
    let gone = 0;
    const write = async (part: number) => {
      for (let n = part; n < SESSIONS; n += 4) {
        const { id, userId } = stored[n] as unknown as { id: string; userId: string };
        await column
          .forUser(db, userId)
          .append(id, text("m1"))
          .then(
            () => void appended.push(userId),
            ({ code }: JourneyDbError) => (code === "not_found" ? void gone++ : expect.fail(code)),
          );
      }
    };
    const [pruned] = await Promise.all([
      prune(other, { inactiveFor: "90d", batchSize: 5 }),
      ...[0, 1, 2, 3].map(write),
    ]);
    expect(pruned.sessions).toBe(gone);
    expect((await storedOwners()).sort()).toEqual(appended.sort());
    expect(appended.length * gone).toBeGreaterThan(0);
  });

  it("a session that a foreign key keeps is counted, and the others are deleted", async () => {
    await raw.unsafe(
      "create table kept_by (user_id text, session_id uuid); select create_distributed_table('kept_by', 'user_id', colocate_with => 'journey_sessions')",
    );
    await raw.unsafe(
      "alter table kept_by add constraint kept_by_session foreign key (user_id, session_id) references journey_sessions (user_id, id)",
    );
    const [owner = ""] = await aged("91 days", 5);
    await raw`insert into kept_by select user_id, id from journey_sessions where user_id = ${owner}`;
    expect(await prune(db, { inactiveFor: "90d", batchSize: 4 })).toMatchObject({
      sessions: 4,
      left: { sessions: 1, constraints: ["kept_by_session"] },
    });
    expect(await storedOwners()).toEqual([owner]);
    await raw.unsafe("drop table kept_by");
  });
});

describe.each(LAYOUTS)("transfer, %s", (layout) => {
  const { forUser } = of(layout);

  it("moves all of the guest's sessions, as they were, and no other", async () => {
    const [guest, user, third] = [newUser(), newUser(), newUser()];
    const first = await forUser(db, guest).create({
      messages: [text("m1"), text("m2")],
      metadata: { a: 1 },
      phase: "review",
    });
    const { id } = await forUser(db, guest).create();
    const own = await forUser(db, user).create({ messages: [text("m1")] });
    const foreign = await forUser(db, third).create({ id: first.id, messages: [text("m9")] });
    expect(await transfer(db, { from: guest, to: user })).toEqual({ sessions: 2 });
    const moved = await forUser(db, user).get(first.id);
    expect(moved).toEqual({
      ...first,
      userId: user,
      revision: expect.any(String),
      updatedAt: expect.any(Date),
    });
    expect(moved?.revision).not.toBe(first.revision);
    expect((await forUser(db, user).append(first.id, text("m3"))).messageCount).toBe(3);
    expect(await forUser(db, user).get(id)).toMatchObject({ id, messages: [] });
    expect(await forUser(db, user).get(own.id)).toEqual(own);
    expect(await forUser(db, third).get(first.id)).toEqual(foreign);
    expect(await forUser(db, guest).count()).toBe(0);
    expect(await db.$count(messages, eq(messages.userId, guest))).toBe(0);
    expect(await transfer(db, { from: guest, to: user })).toEqual({ sessions: 0 });
    const late = forUser(db, guest).append(first.id, text("m4"));
    expect(await errorOf(late)).toMatchObject({ code: "not_found" });
  });

  it("moves the reply and its chunks, and the server that writes it is told", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(db, guest).create();
    const writing = forUser(db, guest).replies;
    await writing?.start(id, "r1");
    for (const n of [1, 2]) await writing?.write(id, "r1", { n, chunks: `<${n}>` });
    expect(await transfer(db, { from: guest, to: user })).toEqual({ sessions: 1 });
    const moved = forUser(db, user).replies;
    expect(await moved?.read(id)).toMatchObject({ replyId: "r1", state: "running", chunks: "<1><2>" });
    const next = writing?.write(id, "r1", { n: 3, chunks: "<3>" }) as Promise<unknown>;
    expect(await errorOf(next)).toMatchObject({ code: "not_found" });
    await moved?.write(id, "r1", { n: 3, chunks: "<3>" });
    expect(await moved?.read(id)).toMatchObject({ chunks: "<1><2><3>" });
  });

  it("an append at the same moment is waited for, and one that comes later finds nothing", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(db, guest).create();
    let call: Promise<unknown> | undefined;
    await db.transaction(async (tx: Database) => {
      await forUser(tx, guest).append(id, text("m1"));
      call = transfer(other, { from: guest, to: user });
      await somebodyWaits();
    });
    expect(await call).toEqual({ sessions: 1 });
    expect(idsOf((await forUser(db, user).get(id))?.messages ?? [])).toEqual(["m1"]);
    await db.transaction(async (tx: Database) => {
      await transfer(tx, { from: user, to: guest });
      call = errorOf(forUser(other, user).append(id, text("m2")));
      await somebodyWaits();
    });
    expect(await call).toMatchObject({ code: "not_found" });
    expect(idsOf((await forUser(db, guest).get(id))?.messages ?? [])).toEqual(["m1"]);
  });

  it("a batch of a reply at the same moment is waited for", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(db, guest).create();
    await forUser(db, guest).replies?.start(id, "r1");
    let call: Promise<unknown> | undefined;
    await db.transaction(async (tx: Database) => {
      await forUser(tx, guest).replies?.write(id, "r1", { n: 1, chunks: "<1>" });
      call = transfer(other, { from: guest, to: user });
      await somebodyWaits();
    });
    expect(await call).toEqual({ sessions: 1 });
    expect(await forUser(db, user).replies?.read(id)).toMatchObject({ chunks: "<1>" });
  });

  it("all that eight writers have stored until then moves, and what they write later finds nothing", async () => {
    const [guest, user] = [newUser(), newUser()];
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await forUser(db, guest).create()).id);
    const stored: string[] = [];
    const write = async (writer: number) => {
      for (let n = 0; ; n++) {
        try {
          await forUser(db, guest).append(ids[(writer + n) % ids.length] as string, text(`w${writer}-${n}`));
          stored.push(`w${writer}-${n}`);
        } catch (error) {
          expect(error).toMatchObject({ code: "not_found" });
          return;
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, writer) => write(writer));
    await expect.poll(() => stored.length, { timeout: 20_000 }).toBeGreaterThan(60);
    expect(await transfer(other, { from: guest, to: user })).toEqual({ sessions: ids.length });
    await Promise.all(writers);
    const found: string[] = [];
    for (const id of ids) found.push(...idsOf((await forUser(db, user).get(id))?.messages ?? []));
    expect(found.toSorted()).toEqual(stored.toSorted());
  });

  it("an id that the other user has is a conflict, and nothing is moved", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(db, guest).create({ messages: [text("m1")] });
    await forUser(db, guest).create({ messages: [text("m1")] });
    const own = await forUser(db, user).create({ id, messages: [text("m2")] });
    expect(await errorOf(transfer(db, { from: guest, to: user }))).toMatchObject({
      code: "conflict",
      message: "The other user already has a session with the id of one of these; nothing was moved.",
    });
    expect(await forUser(db, guest).count()).toBe(2);
    expect(idsOf((await forUser(db, guest).get(id))?.messages ?? [])).toEqual(["m1"]);
    expect(await forUser(db, user).get(id)).toEqual(own);
    expect(await forUser(db, user).count()).toBe(1);
  });
});

describe("transfer", () => {
  it("in the caller's transaction takes effect with it", async () => {
    const [guest, user] = [newUser(), newUser()];
    await column.forUser(db, guest).create();
    const rolledBack = new Error("rolled back");
    const undone = db.transaction(async (tx: Database) => {
      expect(await transfer(tx, { from: guest, to: user })).toEqual({ sessions: 1 });
      expect(await column.forUser(tx, user).count()).toBe(1);
      throw rolledBack;
    });
    await expect(undone).rejects.toBe(rolledBack);
    expect(await column.forUser(db, guest).count()).toBe(1);
  });

  it("is refused while a foreign key of another table references a session or a message", async () => {
    const [guest, user] = [newUser(), newUser()];
    await column.forUser(db, guest).create();
    for (const [table, key, referenced] of [
      ["steps", "user_id, session_id", "journey_sessions (user_id, id)"],
      ["stars", "session_id, message_id, user_id", "journey_messages (session_id, id, user_id)"],
    ]) {
      await raw.unsafe(
        `create table ${table} (user_id text, session_id uuid, message_id text); select create_distributed_table('${table}', 'user_id', colocate_with => 'journey_sessions')`,
      );
      await raw.unsafe(
        `alter table ${table} add constraint "Of ${table}" foreign key (${key}) references ${referenced} on delete cascade`,
      );
      expect(await errorOf(transfer(db, { from: guest, to: user }))).toMatchObject({
        code: "configuration",
        message: expect.stringContaining(`: "Of ${table}" of ${table}. Nothing was moved.`),
      });
      await raw.unsafe(`drop table ${table}`);
    }
    expect(await column.forUser(db, guest).count()).toBe(1);
    expect(await transfer(db, { from: guest, to: user })).toEqual({ sessions: 1 });
  });

  it("over a driver without transactions is refused", async () => {
    const [guest, user] = [newUser(), newUser()];
    await column.forUser(db, guest).create();
    const proxy = drizzleProxy(async (statement, params, method) => {
      const found = await raw.unsafe(statement, params as never[]);
      return { rows: method === "all" ? found.map((row) => Object.values(row)) : found };
    });
    expect(await errorOf(transfer(proxy, { from: guest, to: user }))).toMatchObject({
      code: "configuration",
      message: expect.stringContaining("does not support transactions"),
    });
    expect(await column.forUser(db, guest).count()).toBe(1);
  });

  it("keeps every column of the table, and raises the revision as an update does", async () => {
    const notes = journeyTable("notes", {
      label: textColumn("Own label"),
      touched: integer("touched").$onUpdateFn(() => 7),
      number: bigserial("number", { mode: "number" }),
      twice: textColumn("twice").generatedAlwaysAs(sql`phase || phase`),
    });
    await createTables(db, { notes, ...replyTables(notes) }, true);
    await raw`alter table notes add column undeclared text`;
    await distribute(db, { table: notes });
    const [guest, user] = [newUser(), newUser()];
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    for (const [n, at] of ["2999-01-01 00:00:00.123456+00", "infinity", "2020-01-01 00:00:00+00"].entries())
      await raw`insert into notes (id, user_id, "Own label", undeclared, created_at, updated_at)
        values (${ids[n] as string}, ${guest}, 'own', 'kept', '2019-01-01', ${at}::text::timestamptz)`;
    await raw`insert into notes_messages values (${guest}, ${ids[0] as string}, 'm1', now(), 1, '{"a":  1.10}')`;
    const read = () =>
      raw`select id, "Own label", undeclared, number, twice, created_at, touched, updated_at::text,
        updated_at between now() - interval '1 minute' and now() as is_now from notes order by array_position(${ids}::uuid[], id)`;
    const before = await read();
    expect(await transfer(db, { table: notes, from: guest, to: user })).toEqual({ sessions: 3 });
    const after = await read();
    expect(after.map(({ updated_at, is_now, touched, ...row }) => row)).toEqual(
      before.map(({ updated_at, is_now, touched, ...row }) => row),
    );
    expect(after.map(({ touched }) => touched)).toEqual([7, 7, 7]);
    expect(after[0]?.updated_at).toBe("2999-01-01 00:00:00.123457+00");
    expect(after.map(({ is_now }) => is_now)).toEqual([false, true, true]);
    expect(await raw`select user_id, message::text from notes_messages`).toEqual([
      { user_id: user, message: '{"a":  1.10}' },
    ]);
  });
});

describe("conversions of sessions that several users have under one id", () => {
  const ID = "88888888-8888-4888-8888-888888888888";
  const CONVERTED = older.map((message) => fromAiSdk4<JourneyMessage>(message));
  const owners = () => Array.from({ length: 5 }, newUser);

  it.each([1, 2, 100])("convertMessages, in the column and in rows, %i a statement", async (batchSize) => {
    const [inColumn, inRows] = [owners(), owners()];
    for (const owner of [...inColumn, ...inRows])
      await raw`insert into journey_sessions (id, user_id, messages) values (${ID}, ${owner}, ${raw.json(older)})`;
    for (const owner of inRows) {
      await raw`insert into journey_messages select ${owner}, ${ID}, n::text, now(), n, message
        from json_array_elements(${JSON.stringify(older)}::text::json) with ordinality as of (message, n)`;
      await raw`update journey_sessions set messages = jsonb_build_object('rows', ${older.length}::int, 'last', ${`${older.length}`}::text) where user_id = ${owner}`;
    }
    const kept = newUser();
    await rows.forUser(db, kept).create({ id: ID, messages: [text("m1")] });
    const expected = { sessions: 10, messages: 10 * older.length, skipped: 0 };
    expect(await convertMessages(db, { batchSize, dryRun: true })).toEqual(expected);
    expect(await convertMessages(db, { batchSize })).toEqual(expected);
    for (const owner of inColumn)
      expect((await column.forUser(db, owner).get(ID))?.messages).toEqual(CONVERTED);
    for (const owner of inRows) {
      const parts = (await rows.forUser(db, owner).get(ID))?.messages.map((message) => message.parts);
      expect(parts).toEqual(CONVERTED.map((message) => message.parts));
    }
    expect((await rows.forUser(db, kept).get(ID))?.messages).toEqual([text("m1")]);
    expect(await convertMessages(db, { batchSize })).toEqual({ sessions: 0, messages: 0, skipped: 0 });
  });

  it.each([1, 2, 100])("repairJson, %i a statement", async (batchSize) => {
    await raw`alter table journey_sessions drop constraint journey_sessions_messages_is_array`;
    const encoded = owners();
    for (const [n, owner] of encoded.entries())
      await raw`insert into journey_sessions (id, user_id, messages)
        values (${ID}, ${owner}, to_jsonb(${JSON.stringify([text(`m${n}`)])}::text))`;
    const kept = newUser();
    await column.forUser(db, kept).create({ id: ID, messages: [text("m9")] });
    expect(await repairJson(db, { batchSize, dryRun: true })).toEqual({ sessions: 5, skipped: 0 });
    expect(await repairJson(db, { batchSize })).toEqual({ sessions: 5, skipped: 0 });
    for (const [n, owner] of encoded.entries())
      expect((await column.forUser(db, owner).get(ID))?.messages).toEqual([text(`m${n}`)]);
    expect((await column.forUser(db, kept).get(ID))?.messages).toEqual([text("m9")]);
    await raw`alter table journey_sessions add constraint journey_sessions_messages_is_array
      check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number')`;
  });

  it.each([1, 2, 100])("convertLayout there and back, %i a statement", async (batchSize) => {
    const users = owners();
    for (const [n, owner] of users.entries())
      await column
        .forUser(db, owner)
        .create({ id: ID, messages: [text("m1"), text(`n${n}`, `of ${owner}`)] });
    const read = async () => {
      const found = [];
      for (const owner of users) found.push((await rows.forUser(db, owner).get(ID))?.messages);
      return found;
    };
    const before = await read();
    expect(await convertLayout(db, { to: "rows", batchSize })).toEqual({ sessions: 5, skipped: 0, left: [] });
    expect(await db.$count(messages)).toBe(10);
    expect(await read()).toEqual(before);
    expect(await convertLayout(db, { to: "column", batchSize })).toEqual({
      sessions: 5,
      skipped: 0,
      left: [],
    });
    expect(await db.$count(messages)).toBe(0);
    expect(await read()).toEqual(before);
  });
});

it("sessions of all servers are converted while others write to them, and nothing is lost", async () => {
  const SESSIONS = 40;
  const users = Array.from({ length: SESSIONS }, newUser);
  const ids: string[] = [];
  for (const user of users) {
    const { id } = await column.forUser(db, user).create();
    await raw`update journey_sessions set messages = ${raw.json(older)} where user_id = ${user}`;
    ids.push(id);
  }
  let ended = false;
  const appended = new Map<string, string[]>(users.map((user) => [user, []]));
  const write = async (writer: number) => {
    for (let n = writer; !ended; n += 3) {
      const user = users[n % SESSIONS] as string;
      await rows.forUser(db, user).append(ids[n % SESSIONS] as string, text(`w${writer}-${n}`));
      appended.get(user)?.push(`w${writer}-${n}`);
    }
  };
  const convert = async () => {
    const found = [await convertMessages(other, { batchSize: 7 })];
    await convertLayout(other, { to: "rows", batchSize: 7 });
    found.push(await convertMessages(other, { batchSize: 7 }));
    ended = true;
    return found.reduce((sum, { sessions }) => sum + sessions, 0);
  };
  const [sessions] = await Promise.all([convert(), ...[0, 1, 2].map(write)]);
  expect(sessions).toBe(SESSIONS);
  for (const [n, user] of users.entries()) {
    const stored = (await rows.forUser(db, user).get(ids[n] as string))?.messages ?? [];
    expect(stored.slice(0, older.length).map((message) => message.parts)).toEqual(
      older.map((message) => fromAiSdk4<JourneyMessage>(message).parts),
    );
    expect(idsOf(stored.slice(older.length)).toSorted()).toEqual(appended.get(user)?.toSorted());
  }
});

it("every call works without the optional tables", async () => {
  const alone = openPostgresJs(await clusterDatabase([]), { max: 2 });
  const [guest, user] = [newUser(), newUser()];
  const { forUser } = defineJourney({ distributed: true });
  const { id } = await forUser(alone, guest).create({ messages: [text("m1")] });
  expect(await transfer(alone, { from: guest, to: user })).toEqual({ sessions: 1 });
  expect((await forUser(alone, user).get(id))?.messages).toEqual([text("m1")]);
  expect(await stats(alone)).toMatchObject({
    sessions: 1,
    messageRows: { sessions: 0, messages: 0, bytes: 0 },
    replies: { running: 0, abandoned: 0, bytes: 0 },
  });
  expect(await convertMessages(alone)).toEqual({ sessions: 0, messages: 0, skipped: 0 });
  expect(await repairJson(alone)).toEqual({ sessions: 0, skipped: 0 });
  const missing = errorOf(convertLayout(alone, { to: "rows" }));
  expect(await missing).toMatchObject({ code: "migration" });
  await alone.execute(
    sql`insert into journey_sessions (user_id, updated_at) values (${guest}, now() - interval '1 year')`,
  );
  expect(await prune(alone, { inactiveFor: "90d" })).toEqual({ sessions: 1 });
});

import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { moveToColumn } from "../../src/message-rows/move.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions, type SessionTable } from "../../src/schema.js";
import { LARGEST_JSONB } from "../../src/validation/options.js";
import { newUser, openPostgresJs, rawClient, rowsDatabase } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";

/**
 * What a write reads of other rows is as of the beginning of its statement. Here it begins before another writer's commit
 * and waits for its lock, so that it would not see what the other has written.
 */
const url = await rowsDatabase();
const client = rawClient(url, { max: 8 });
const db = openPostgresJs(url, { max: 8 });
const journey = defineJourney({ messages: messagesTable(journeySessions) });

/** What the column says of the session, and what the rows are. */
const stored = async (id: string) => {
  const [row] = await client`
    select s.messages ->> 'rows' as rows, s.messages ->> 'last' as last, jsonb_typeof(s.messages) as form,
      (select array_agg(m.id order by appended_at, n) from journey_messages m where m.session_id = s.id) as ids
    from journey_sessions s where s.id = ${id}`;
  return row;
};

const waiting = () =>
  client`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

/** Makes `late` begin while another writer's append of `m3` is not committed, and commits that. */
async function during(late: (db: Database, userId: string, id: string) => Promise<unknown>): Promise<string> {
  const userId = newUser();
  const { id } = await journey.forUser(db, userId).create({ messages: [text("m1"), text("m2")] });
  let running: Promise<unknown> | undefined;
  await db.transaction(async (tx) => {
    await journey.forUser(tx as Database, userId).append(id, text("m3"));
    running = late(db, userId, id);
    running.catch(() => {});
    await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(1);
  });
  await running;
  return id;
}

describe("a write that waits for an append", () => {
  it.each<[string, (of: ReturnType<typeof journey.forUser>, id: string) => Promise<unknown>, string[]]>([
    ["truncate", (of, id) => of.truncate(id, { from: "m2" }), ["m1"]],
    ["append with from", (of, id) => of.append(id, text("n"), { from: "m2" }), ["m1", "n"]],
    [
      "append of several with from",
      (of, id) => of.append(id, [text("n"), text("m2")], { from: "m2" }),
      ["m1", "n", "m2"],
    ],
    ["replaceMessages", (of, id) => of.replaceMessages(id, [text("m2"), text("q")]), ["m2", "q"]],
    ["append that replaces", (of, id) => of.append(id, text("m1", "new")), ["m1", "m2", "m3"]],
    ["append", (of, id) => of.append(id, [text("m3", "new"), text("m4")]), ["m1", "m2", "m3", "m4"]],
  ])("%s: leaves nothing that it should have dropped, and counts what there is", async (_, call, ids) => {
    const id = await during((db, userId, id) => call(journey.forUser(db, userId), id));
    expect(await stored(id)).toEqual({
      form: "object",
      rows: String(ids.length),
      last: ids.at(-1),
      ids,
    });
  });

  it("after a message that the call has, too: is refused by what came last", async () => {
    // m2 is in the call, so what comes before it counts: m1 when it begins, m3 when it writes.
    const again = (db: Database, userId: string, id: string) =>
      journey.forUser(db, userId).append(id, text("m2"), { after: "m1" });
    await expect(during(again)).rejects.toMatchObject({ code: "conflict" });
  });

  it("a move to the column: writes nothing, so that no message is lost", async () => {
    const table = journeySessions as unknown as SessionTable;
    const id = await during(async (db, userId, id) => {
      expect(
        await moveToColumn(table).statement.run(db, { userId, id, maxBytes: LARGEST_JSONB }, false),
      ).toEqual([]);
    });
    expect(await stored(id)).toMatchObject({ form: "object", rows: "3", ids: ["m1", "m2", "m3"] });
    const [{ userId } = { userId: "" }] = await client<{ userId: string }[]>`
      select user_id as "userId" from journey_sessions where id = ${id}`;
    expect(
      await moveToColumn(table).statement.run(db, { userId, id, maxBytes: LARGEST_JSONB }, false),
    ).toHaveLength(1);
    expect(await stored(id)).toEqual({ form: "array", rows: null, last: null, ids: null });
    const { messages } = (await journey.forUser(db, userId).get(id)) ?? expect.fail();
    expect(idsOf(messages)).toEqual(["m1", "m2", "m3"]);
  });
});

it("32 writers that append, edit and replace leave a count and a last message that are right", async () => {
  const db = openPostgresJs(url, { max: 32 });
  const sessions = journey.forUser(db, newUser());
  const { id } = await sessions.create({ messages: [text("m0")] });
  await Promise.all(
    Array.from({ length: 32 }, async (_, writer) => {
      for (let turn = 0; turn < 10; turn++) {
        const name = `w${writer}-${turn}`;
        await sessions.append(id, [text("m0", name), text(name)]);
        if (writer % 8 === 1)
          await sessions.append(id, text(`${name}-again`), { from: name }).catch((error) => {
            expect(error).toMatchObject({ code: "not_found" });
          });
        if (writer % 16 === 2) await sessions.mergeMetadata(id, { turn });
      }
    }),
  );
  const { rows, last, ids } = (await stored(id)) ?? expect.fail();
  expect({ rows, last }).toEqual({ rows: String(ids.length), last: ids.at(-1) });
  const { messages } = (await sessions.get(id)) ?? expect.fail();
  expect(idsOf(messages)).toEqual(ids);
});

it("writers of different sessions under SERIALIZABLE are never refused", async () => {
  const serializable = openPostgresJs(url, {
    max: 16,
    connection: { default_transaction_isolation: "serializable" },
  });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 16 }, async () => {
      const sessions = journey.forUser(serializable, newUser());
      const id = randomUUID();
      for (let turn = 0; turn < 30; turn++)
        await sessions.append(id, text(`m${turn}`), { create: turn === 0 });
    }),
  );
  expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([]);
});

it("under SERIALIZABLE a transaction of the caller's that is refused fails with its first error", async () => {
  const serializable = openPostgresJs(url, {
    max: 2,
    connection: { default_transaction_isolation: "serializable" },
  });
  const userId = newUser();
  const { id } = await journey.forUser(db, userId).create({ messages: [text("m1")] });
  const late = serializable.transaction(async (tx) => {
    await tx.execute(sql`select 1 from journey_sessions where id = ${id}`);
    await journey.forUser(db, userId).append(id, text("m2"));
    await journey.forUser(tx as Database, userId).append(id, text("m3"));
  });
  await expect(late).rejects.toMatchObject({ sqlState: "40001" });
  expect(await stored(id)).toMatchObject({ ids: ["m1", "m2"] });
});

describe("a write that a trigger of the application's suppresses", () => {
  it.each<[string, (of: ReturnType<typeof journey.forUser>, id: string) => Promise<unknown>]>([
    ["append", (of, id) => of.append(id, text("d"))],
    ["append with create", (of, id) => of.append(id, text("d"), { create: true })],
    ["append of several", (of, id) => of.append(id, [text("d"), text("a", "new")])],
    ["append with from", (of, id) => of.append(id, text("d"), { from: "b" })],
    ["replaceMessages", (of, id) => of.replaceMessages(id, [text("only")])],
    ["truncate", (of, id) => of.truncate(id, { from: "b" })],
  ])("%s: is a conflict, and changes no message either", async (_, call) => {
    await client.unsafe(`
      create or replace function keep_archived() returns trigger language plpgsql as
        'begin if old.phase = ''archived'' then return null; end if; return new; end';
      create or replace trigger keep_archived before update on journey_sessions for each row execute function keep_archived()`);
    const userId = newUser();
    const sessions = journey.forUser(db, userId);
    const { id } = await sessions.create({ phase: "archived", messages: [text("a"), text("b")] });
    const before = await sessions.get(id);
    await expect(call(sessions, id)).rejects.toMatchObject({ code: "conflict" });
    expect(await sessions.get(id)).toEqual(before);
    // So it is while its messages are in the column.
    const column = await forUser(db, userId).create({ phase: "archived", messages: [text("a"), text("b")] });
    await expect(call(sessions, column.id)).rejects.toMatchObject({ code: "conflict" });
    expect(await stored(column.id)).toMatchObject({ form: "array", ids: null });
    await client`drop trigger keep_archived on journey_sessions`;
  });
});

it("a session whose messages are hidden or gone is corrupt, and is not overwritten", async () => {
  const sessions = journey.forUser(db, newUser());
  const { id } = await sessions.create({ messages: [text("a"), text("b")] });
  await client`delete from journey_messages where session_id = ${id}`;
  for (const call of [
    () => sessions.get(id),
    () => sessions.messages(id),
    () => sessions.latest(),
    () => sessions.replaceMessages(id, []),
    () => sessions.fork(id),
  ])
    await expect(call()).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining("number of messages"),
    });
  expect(await stored(id)).toMatchObject({ rows: "2" });
});

it("a role that may read sessions and not update them is told so at once", async () => {
  const role = `reader_${randomUUID().slice(0, 8)}`;
  await client.unsafe(`
    create role ${role} login;
    grant select, insert, update, delete on journey_sessions, journey_messages to ${role};
    create policy read_only on journey_sessions for select to ${role} using (true);
    create policy all_messages on journey_messages to ${role} using (true)`);
  const limited = openPostgresJs(url.replace(/postgres(@[^/]*)/, `${role}$1`), { max: 1 });
  const sent: string[] = [];
  const logged = drizzle({
    client: rawClient(url.replace(/postgres(@[^/]*)/, `${role}$1`), { max: 1 }),
    logger: { logQuery: (query) => void sent.push(query) },
  });
  const userId = newUser();
  const { id } = await journey.forUser(db, userId).create({ messages: [text("a")] });
  await expect(journey.forUser(limited, userId).append(id, text("b"))).rejects.toMatchObject({
    code: "conflict",
  });
  await expect(journey.forUser(logged, userId).setPhase(id, "x")).rejects.toMatchObject({ code: "conflict" });
  expect(sent).toHaveLength(2);
  await client.unsafe(`
    drop policy read_only on journey_sessions;
    drop policy all_messages on journey_messages;
    drop owned by ${role};
    drop role ${role}`);
});

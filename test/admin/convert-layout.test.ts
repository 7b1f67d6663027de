import { eq, sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { convertLayout, type LayoutConverted, stats } from "../../src/admin.js";
import { defineJourney, forUser } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { type JourneyTable, journeySessions, journeyTable } from "../../src/schema.js";
import { CANARIES, CANARY } from "../support/canary.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { createMessages } from "../support/message-rows.js";
import { idsOf, text, uiMessages } from "../support/messages.js";
import { chats, createChats, createTables } from "../support/own-table.js";

const messages = messagesTable(journeySessions);
const journey = defineJourney({ messages });
const moved = (sessions: number): LayoutConverted => ({ sessions, skipped: 0, left: [] });

onEveryDriver((database, entry) => {
  const db = () => database();
  beforeAll(() => createMessages(db(), journeySessions));
  const isMarked = sql<boolean>`jsonb_typeof(messages) = 'object'`;
  const layouts = async (userId: string) =>
    (await db().select({ isMarked }).from(journeySessions).where(eq(journeySessions.userId, userId))).map(
      (row) => row.isMarked,
    );

  it("moves all messages of all users into rows and back, and changes nothing else", async () => {
    const users = [newUser(), newUser()];
    const column = users.map((userId) => entry.forUser(db(), userId));
    const rows = users.map((userId) => entry.defineJourney({ messages }).forUser(db(), userId));
    const conversations = [[], [text("m1")], uiMessages.slice(0, 20)];
    const sessions: ({ id: string } | undefined)[] = [];
    for (const [n, conversation] of [...conversations, ...conversations].entries())
      sessions.push(
        await column[n % 2]?.create({ messages: conversation, phase: "review", metadata: { n: 1.5 } }),
      );
    const all = async (of: typeof rows | typeof column) => {
      const found = await Promise.all(sessions.map((session, n) => of[n % 2]?.get(session?.id as string)));
      return found.map((session) => ({ ...session, revision: "", updatedAt: null }));
    };
    const before = await all(column);

    expect(await convertLayout(db(), { to: "rows", dryRun: true })).toEqual(moved(6));
    expect(await layouts(users[0] as string)).toEqual([false, false, false]);
    expect(await convertLayout(db(), { to: "rows" })).toEqual(moved(6));
    expect(await layouts(users[0] as string)).toEqual([true, true, true]);
    expect(await all(rows)).toEqual(before);
    expect(await convertLayout(db(), { to: "rows" })).toEqual(moved(0));

    expect(await convertLayout(db(), { to: "column", dryRun: true })).toEqual(moved(6));
    expect(await convertLayout(db(), { to: "column" })).toEqual(moved(6));
    expect(await layouts(users[1] as string)).toEqual([false, false, false]);
    expect(await all(column)).toEqual(before);
    expect(await db().$count(messages)).toBe(0);
    expect(await convertLayout(db(), { to: "column" })).toEqual(moved(0));
  });

  it("works on a table with own columns alone, and changes its columns with $onUpdate", async () => {
    await createChats(db());
    await createMessages(db(), chats);
    const [userId] = [newUser()];
    const sessions = entry
      .defineJourney({ table: chats, messages: messagesTable(chats) })
      .forUser(db(), userId);
    const { id } = await entry
      .defineJourney({ table: chats })
      .forUser(db(), userId)
      .create({ runId: userId, messages: [text("m1")] });
    await entry.forUser(db(), userId).create({ messages: [text("m1")] });
    expect(await convertLayout(db(), { to: "rows", table: chats })).toEqual(moved(1));
    expect(await sessions.get(id)).toMatchObject({ runId: userId, touched: 7, messages: [text("m1")] });
    expect(await db().$count(messagesTable(chats))).toBe(1);
    expect(await layouts(userId)).toEqual([false]);
    expect(await convertLayout(db(), { to: "column", table: chats })).toEqual(moved(1));
    await entry.forUser(db(), userId).deleteAll();
  });
});

describe("on one database", async () => {
  const url = await migratedDatabase();
  const db = openPostgresJs(url);
  const raw = rawClient(url);
  await createMessages(db, journeySessions);
  beforeEach(async () => {
    await db.delete(journeySessions);
  });

  it("each user's sessions keep their order of the last change", async () => {
    const users = [newUser(), newUser()];
    await raw`
      insert into journey_sessions (user_id, updated_at)
      select user_id, now() - random() * interval '90 days' from unnest(${users}::text[]) as user_id, generate_series(1, 40)`;
    const orders = () =>
      Promise.all(
        users.map(async (userId) => {
          const page = await forUser(db, userId).list({ orderBy: "updated", limit: 100 });
          return page.sessions.map(({ id }) => id);
        }),
      );
    const before = await orders();
    expect(before[0]).toHaveLength(40);
    expect(await convertLayout(db, { to: "rows", batchSize: 7 })).toEqual(moved(80));
    expect(await orders()).toEqual(before);
    expect(await convertLayout(db, { to: "column", batchSize: 7 })).toEqual(moved(80));
    expect(await orders()).toEqual(before);
  });

  it("tells the progress, and an aborted signal ends it between two sessions; a repeated call moves the others", async () => {
    await raw`insert into journey_sessions (user_id) select 'user_1' from generate_series(1, 10)`;
    const stop = new AbortController();
    const progress: { examined: number; sessions: number }[] = [];
    const call = convertLayout(db, {
      to: "rows",
      batchSize: 4,
      signal: stop.signal,
      onProgress: ({ examined, sessions }) => {
        progress.push({ examined, sessions });
        if (examined === 8) stop.abort();
      },
    });
    expect(await errorOf(call)).toMatchObject({
      code: "timeout",
      message: "The signal was aborted after 8 sessions were converted; the call may be repeated.",
    });
    expect(progress).toEqual([
      { examined: 4, sessions: 4 },
      { examined: 8, sessions: 8 },
    ]);
    expect(await convertLayout(db, { to: "rows", batchSize: 4 })).toEqual(moved(2));
  });

  /** Sessions that cannot be moved into rows, as an older program may have stored them. */
  const COLUMN: Record<string, { messages: string; updatedAt?: string; metadata?: string }> = {
    "ids of a message that has none": { messages: `[{"id": "a"}, {"role": "user", "text": "${CANARY}"}]` },
    "ids of two with the same": { messages: `[{"id": "${CANARY}"}, {"id": "${CANARY}"}]` },
    "ids of a number": { messages: `[{"id": 7}]` },
    "ids of the empty text": { messages: `[{"id": ""}]` },
    "ids of one that is too long": { messages: JSON.stringify([{ id: CANARY.repeat(100) }]) },
    "ids of an element that is no object": { messages: `["${CANARY}"]` },
    "time of infinity": { messages: "[]", updatedAt: "infinity" },
    "time after 294275": { messages: "[]", updatedAt: "294276-01-01 00:00:00+00" },
    "row of a text": { messages: `"${CANARY}"` },
    "row of metadata": { messages: `[{"id": "a"}]`, metadata: `["${CANARY}"]` },
  };

  it.each(Object.entries(COLUMN))(
    "a session stays in the column for %s, and the others move",
    async (why, given) => {
      await raw`insert into journey_sessions (user_id, messages) select 'user_1', '[{"id": "a"}]' from generate_series(1, 3)`;
      for (const check of ["messages_is_array", "metadata_is_object"])
        await raw.unsafe(`alter table journey_sessions drop constraint if exists journey_sessions_${check}`);
      const [row] = await raw`
      insert into journey_sessions (user_id, messages, metadata, updated_at)
      values ('user_2', ${given.messages}::text::jsonb, ${given.metadata ?? "{}"}::text::jsonb, ${given.updatedAt ?? "now"}::text::timestamptz)
      returning id`;
      await raw`alter table journey_sessions
      add constraint journey_sessions_messages_is_array check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number') not valid,
      add constraint journey_sessions_metadata_is_object check (jsonb_typeof(metadata) = 'object') not valid`;
      const stored = () => raw`select * from journey_sessions where id = ${row?.id}`;
      const before = await stored();
      const left = { skipped: 1, left: [{ id: row?.id, reason: why.split(" ")[0] }] };
      expect(await convertLayout(db, { to: "rows" })).toEqual({ sessions: 3, ...left });
      expect(await convertLayout(db, { to: "rows" })).toEqual({ sessions: 0, ...left });
      expect(await stored()).toEqual(before);
      for (const canary of CANARIES) expect(JSON.stringify(left)).not.toContain(canary);
    },
  );

  it("a session that cannot be moved still reads and writes with message rows", async () => {
    const userId = newUser();
    const [row] = await raw`
      insert into journey_sessions (user_id, messages) values (${userId}, '[{"id": "a", "role": "user", "parts": [{"type": "text"}]}, {"id": "a", "role": "user", "parts": [{"type": "text"}]}]') returning id`;
    const sessions = journey.forUser(db, userId);
    expect(await convertLayout(db, { to: "rows" })).toMatchObject({ sessions: 0, skipped: 1 });
    expect((await sessions.append(row?.id, text("b"))).messageCount).toBe(3);
    expect(idsOf((await sessions.get(row?.id))?.messages ?? [])).toEqual(["a", "a", "b"]);
  });

  it("a session stays in rows if it has not as many as it should, or PostgreSQL cannot convert one", async () => {
    const sessions = journey.forUser(db, newUser());
    const made = [];
    for (let n = 0; n < 3; n++) made.push(await sessions.create({ messages: [text("m1"), text("m2")] }));
    const [missing, odd, whole] = made.map(({ id }) => id);
    await raw`delete from journey_messages where session_id = ${missing as string} and id = 'm1'`;
    await raw`update journey_messages set message = ${'{"id": "m1", "text": "\\u0000"}'}::text::json where session_id = ${odd as string} and id = 'm1'`;
    const { left, ...counts } = await convertLayout(db, { to: "column" });
    expect(counts).toEqual({ sessions: 1, skipped: 2 });
    expect(left).toEqual([
      { id: missing, reason: "rows" },
      { id: odd, reason: "row" },
    ]);
    expect(
      (await forUser(db, (await sessions.get(whole as string))?.userId as string).get(whole as string))
        ?.messages,
    ).toHaveLength(2);
  });

  it("a session stays in rows if its messages are too large for one value", { timeout: 60_000 }, async () => {
    const { id } = await journey.forUser(db, newUser()).create();
    await raw`
      insert into journey_messages (user_id, session_id, id, appended_at, n, message)
      select user_id, id, n::text, updated_at, n, ('"' || repeat('x', 1024 * 1024) || '"')::json from journey_sessions, generate_series(1, 257) n`;
    await raw`update journey_sessions set messages = '{"rows": 257, "last": "257"}'`;
    expect(await convertLayout(db, { to: "column" })).toEqual({
      sessions: 0,
      skipped: 1,
      left: [{ id, reason: "size" }],
    });
  });

  it.each(["no action", "restrict"])(
    "a session stays in rows while another table references a message, on delete %s",
    async (action) => {
      const sessions = journey.forUser(db, newUser());
      const [kept] = [await sessions.create({ messages: [text("m1")] }), await sessions.create()];
      await raw.unsafe(`
        create table stars (session_id uuid, user_id text, id text,
          foreign key (session_id, user_id, id) references journey_messages (session_id, user_id, id) on delete ${action});
        insert into stars select session_id, user_id, id from journey_messages where session_id = '${kept.id}'`);
      expect(await convertLayout(db, { to: "column" })).toEqual({
        sessions: 1,
        skipped: 1,
        left: [{ id: kept.id, reason: "reference" }],
      });
      expect((await sessions.get(kept.id))?.messages).toEqual([text("m1")]);
      await raw`drop table stars`;
      expect(await convertLayout(db, { to: "column" })).toEqual(moved(1));
    },
  );

  it.each(["1e30", "5.5", "-1"])("a session whose marker says %s rows stays", async (rows) => {
    const { id } = await journey.forUser(db, newUser()).create({ messages: [text("m1")] });
    await raw`update journey_sessions set messages = jsonb_build_object('rows', ${rows}::text::jsonb, 'last', 'm1') where id = ${id}`;
    expect(await convertLayout(db, { to: "column" })).toEqual({
      sessions: 0,
      skipped: 1,
      left: [{ id, reason: "rows" }],
    });
  });

  it("rows that are left of a session in the column keep it there", async () => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create({ messages: [text("m1")] });
    await raw`insert into journey_messages (user_id, session_id, id, appended_at, n, message) values (${userId}, ${id}, 'm1', now(), 1, '{}')`;
    expect(await convertLayout(db, { to: "rows" })).toMatchObject({ left: [{ id, reason: "rows" }] });
    expect((await journey.forUser(db, userId).get(id))?.messages).toEqual([text("m1")]);
  });

  it("at most 1,000 of those that stay are listed, and all are counted", async () => {
    await raw`insert into journey_sessions (user_id, messages) select 'user_1', '[1]' from generate_series(1, 1002)`;
    const { left, ...counts } = await convertLayout(db, { to: "rows" });
    expect(counts).toEqual({ sessions: 0, skipped: 1002 });
    expect(left).toHaveLength(1000);
  });

  it("any name of a table is quoted, and a missing table of messages is named with its remedy", async () => {
    const odd = journeyTable("it's a table");
    await createTables(db, { odd });
    for (const [table, name, remedy] of [
      [
        odd,
        '"it\'s a table_messages"',
        "apply the application's migrations, with what journey-db sql --with message-rows prints",
      ],
      [
        chats,
        '"app"."chats_messages"',
        "apply the application's migrations, with what journey-db sql --with message-rows prints",
      ],
    ] as [JourneyTable, string, string][])
      expect(await errorOf(convertLayout(db, { to: "rows", table }))).toMatchObject({
        code: "migration",
        message: `The table ${name} is missing; ${remedy}.`,
      });
    await createMessages(db, odd);
    await defineJourney({ table: odd })
      .forUser(db, newUser())
      .create({ messages: [text("m1")] });
    expect(await convertLayout(db, { to: "rows", table: odd })).toEqual(moved(1));
    expect(await convertLayout(db, { to: "column", table: odd })).toEqual(moved(1));
  });

  it("without the table of messages it says to migrate", async () => {
    const plain = openPostgresJs(await migratedDatabase(), { max: 1 });
    for (const to of ["rows", "column"] as const)
      expect(await errorOf(convertLayout(plain, { to }))).toMatchObject({
        code: "migration",
        message:
          'The table "journey_messages" is missing; run journey-db migrate --with message-rows, or for the embedded database pass with: ["message-rows"] to connect.',
      });
  });

  it("a table of the application's that has the name is not taken for the table of messages", async () => {
    const url = await migratedDatabase();
    const other = openPostgresJs(url, { max: 1 });
    await rawClient(
      url,
    )`create table journey_messages (id text, user_id text, message text, created_at timestamptz)`;
    await forUser(other, newUser()).create({ messages: [text("m1")] });
    for (const to of ["rows", "column"] as const)
      expect(await errorOf(convertLayout(other, { to }))).toMatchObject({ code: "migration" });
    expect(await stats(other)).toMatchObject({
      sessions: 1,
      messageRows: { sessions: 0, messages: 0, bytes: 0 },
    });
  });

  it.each([
    [undefined, "options: expected object"],
    [{}, 'options.to: expected "rows" or "column"'],
    [{ to: "row" }, 'options.to: expected "rows" or "column"'],
    [{ to: "rows", batchSize: 0 }, "options.batchSize: expected at least 1"],
    [{ to: "rows", all: true }, 'options: has a key that is not expected here: "all"'],
  ])("%o is refused", async (options, message) => {
    expect(await errorOf(convertLayout(db, options as never))).toMatchObject({
      code: "invalid_input",
      message,
    });
  });
});

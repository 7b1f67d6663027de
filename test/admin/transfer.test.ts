import { eq, sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { transfer } from "../../src/admin.js";
import {
  defineJourney,
  type JourneyMessage,
  type JourneyMetadata,
  type UserSessions,
} from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf, SECRET } from "../support/errors.js";
import { createMessages, LAYOUTS } from "../support/message-rows.js";
import { text } from "../support/messages.js";

/** Of the handle, where messages are kept in rows. */
const messages = messagesTable(journeySessions);
const optionsOf = (layout: (typeof LAYOUTS)[number]) => (layout === "rows" ? { messages } : {});

onEveryDriver((database, entry) => {
  describe.each(LAYOUTS)("%s", (layout) => {
    beforeAll(() => (layout === "rows" ? createMessages(database(), journeySessions) : undefined));
    sessionsAreMoved(database, (userId) =>
      entry.defineJourney(optionsOf(layout)).forUser(database(), userId),
    );
  });
});

/** With both layouts' answers. */
type Of = (
  userId: string,
) => UserSessions<JourneyMessage, JourneyMetadata, string, typeof journeySessions, "column" | "rows">;

function sessionsAreMoved(database: () => Database, of: Of) {
  it("all sessions of the guest become the user's, and are as they were", async () => {
    const [guest, user, other] = [newUser(), newUser(), newUser()];
    const first = await of(guest).create({ messages: [text("m1")], metadata: { a: 1 }, phase: "review" });
    const second = await of(guest).create();
    const own = await of(user).create();
    const foreign = await of(other).create();

    expect(await transfer(database(), { from: guest, to: user })).toEqual({ sessions: 2 });

    const moved = await of(user).get(first.id);
    expect(moved).toEqual({
      ...first,
      userId: user,
      revision: expect.any(String),
      updatedAt: expect.any(Date),
    });
    expect(moved?.revision).not.toBe(first.revision);
    expect(await of(user).get(second.id)).toMatchObject({ id: second.id, createdAt: second.createdAt });
    expect(await of(user).count()).toBe(3);
    expect(await of(user).get(own.id)).toEqual(own);
    expect(await of(other).get(foreign.id)).toEqual(foreign);
  });

  it("a repeated transfer moves nothing", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await of(guest).create();
    expect(await transfer(database(), { from: guest, to: user })).toEqual({ sessions: 1 });
    const moved = await of(user).get(id);
    expect(await transfer(database(), { from: guest, to: user })).toEqual({ sessions: 0 });
    expect(await of(user).get(id)).toEqual(moved);
  });

  it("afterwards the guest finds nothing, and a session that the guest creates then needs another transfer", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await of(guest).create({ messages: [text("m1")] });
    await transfer(database(), { from: guest, to: user });
    expect(await of(guest).get(id)).toBeNull();
    for (const options of [{}, { create: true }]) {
      const call = of(guest).append(id, text("m2"), options);
      expect((await errorOf(call)).code).toBe("not_found");
    }
    await of(guest).create();
    expect(await of(user).count()).toBe(1);
    expect(await transfer(database(), { from: guest, to: user })).toEqual({ sessions: 1 });
  });

  it("a row of another shape is corrupt, and nothing is moved", async () => {
    const [guest, user] = [newUser(), newUser()];
    await of(guest).create();
    const table = "alter table journey_sessions";
    const check = "constraint journey_sessions_messages_is_array";
    await database().execute(sql.raw(`${table} drop ${check}`));
    await database().execute(
      sql`insert into journey_sessions (user_id, messages) values (${guest}, ${`"${SECRET}"`}::text::jsonb)`,
    );
    await database().execute(
      sql.raw(`${table} add ${check} check (jsonb_typeof(messages) in ('array', 'object')) not valid`),
    );
    expect(await errorOf(transfer(database(), { from: guest, to: user }))).toMatchObject({
      code: "corrupt",
      retryable: false,
      constraint: "journey_sessions_messages_is_array",
    });
    expect(await of(user).count()).toBe(0);
    expect(await of(guest).count()).toBe(2);
    await of(guest).deleteAll();
  });
}

describe.each(LAYOUTS)("an append of the guest at the same moment, %s", async (layout) => {
  const url = await migratedDatabase();
  const [writing, moving] = [openPostgresJs(url), openPostgresJs(url)];
  if (layout === "rows") await createMessages(writing, journeySessions);
  const { forUser } = defineJourney(optionsOf(layout));

  const waiting = sql`pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  const somebodyWaits = () =>
    expect.poll(() => writing.select({ n: sql<number>`count(*)::int` }).from(waiting)).toEqual([{ n: 1 }]);

  it("is waited for, and moves with the session", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(writing, guest).create();
    let call: Promise<unknown> | undefined;
    await writing.transaction(async (tx: Database) => {
      await forUser(tx, guest).append(id, text("m1"));
      call = transfer(moving, { from: guest, to: user });
      await somebodyWaits();
    });
    expect(await call).toEqual({ sessions: 1 });
    expect((await forUser(moving, user).get(id))?.messages).toEqual([text("m1")]);
  });

  it("that comes later finds nothing", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await forUser(writing, guest).create();
    let call: Promise<unknown> | undefined;
    await moving.transaction(async (tx: Database) => {
      await transfer(tx, { from: guest, to: user });
      call = errorOf(forUser(writing, guest).append(id, text("m1")));
      await somebodyWaits();
    });
    expect(await call).toMatchObject({ code: "not_found" });
    expect((await forUser(moving, user).get(id))?.messages).toEqual([]);
  });
});

describe("sessions in rows", async () => {
  const url = await migratedDatabase();
  const db = openPostgresJs(url, { max: 16 });
  await createMessages(db, journeySessions);
  const column = defineJourney();
  const rows = defineJourney({ messages });
  const ofOwner = (userId: string) => db.$count(messages, eq(messages.userId, userId));

  it("move with those in the column, and so do their messages", async () => {
    const [guest, user] = [newUser(), newUser()];
    const { id } = await column.forUser(db, guest).create({ messages: [text("m1")] });
    const [one, two] = [text("m1"), text("m2")];
    const inRows = await rows.forUser(db, guest).create({ messages: [one, two] });
    expect(await transfer(db, { from: guest, to: user })).toEqual({ sessions: 2 });
    expect((await rows.forUser(db, user).get(inRows.id))?.messages).toEqual([one, two]);
    expect((await rows.forUser(db, user).append(inRows.id, text("m3"))).messageCount).toBe(3);
    expect((await column.forUser(db, user).get(id))?.messages).toEqual([one]);
    expect(await ofOwner(guest)).toBe(0);
  });

  it("of a statement that is refused stay as they are, and so do all others of the user", async () => {
    const [guest, user] = [newUser(), newUser()];
    await rows.forUser(db, guest).create({ messages: [text("m1")] });
    await column.forUser(db, guest).create();
    await db.execute(
      sql`alter table journey_messages add constraint of_test check (user_id <> ${sql.raw(`'${user}'`)})`,
    );
    expect(await errorOf(transfer(db, { from: guest, to: user }))).toMatchObject({ sqlState: "23514" });
    await db.execute(sql`alter table journey_messages drop constraint of_test`);
    expect(await rows.forUser(db, user).count()).toBe(0);
    expect(await ofOwner(guest)).toBe(1);
  });

  it.each(["read committed", "repeatable read", "serializable"] as const)(
    "at %s, all that 16 writers have stored until then moves, and what they write later finds nothing",
    async (level) => {
      const moving = openPostgresJs(url, { max: 1, connection: { default_transaction_isolation: level } });
      const [guest, user] = [newUser(), newUser()];
      const ids: string[] = [];
      for (let n = 0; n < 3; n++) ids.push((await rows.forUser(db, guest).create()).id);
      const stored: string[] = [];
      const write = async (writer: number) => {
        for (let n = 0; ; n++) {
          const id = ids[(writer + n) % ids.length] as string;
          try {
            await rows.forUser(db, guest).append(id, text(`w${writer}-${n}`));
            stored.push(`w${writer}-${n}`);
          } catch (error) {
            expect(error).toMatchObject({ code: "not_found" });
            return;
          }
        }
      };
      const writers = Array.from({ length: 16 }, (_, writer) => write(writer));
      await expect.poll(() => stored.length).toBeGreaterThan(100);
      expect(await transfer(moving, { from: guest, to: user })).toEqual({ sessions: ids.length });
      await Promise.all(writers);
      expect(await ofOwner(guest)).toBe(0);
      const found: string[] = [];
      for (const id of ids) {
        const session = await rows.forUser(db, user).get(id);
        found.push(...(session?.messages ?? []).map((message) => message.id));
        expect((await rows.forUser(db, user).append(id, text("last"))).messageCount).toBe(
          (session?.messages.length ?? 0) + 1,
        );
      }
      expect(found.toSorted()).toEqual(stored.toSorted());
    },
  );
});

describe("refused before anything is sent", async () => {
  const db = openPostgresJs(await migratedDatabase(), { max: 1 });
  const USER = "expected 1 to 255 characters of well-formed text without surrounding white space or U+0000";
  it.each([
    [{ from: "a", to: "a" }, "options.to: expected another user than options.from"],
    [{ from: "", to: "b" }, `options.from: ${USER}`],
    [{ from: "a", to: " b" }, `options.to: ${USER}`],
    [{ from: "a", to: "b\0" }, `options.to: ${USER}`],
    [{ from: "a\ud800", to: "b" }, `options.from: ${USER}`],
    [{ from: "a" }, "options.to: expected string"],
    [{ to: "b" }, "options.from: expected string"],
    [{ from: null, to: "b" }, "options.from: expected string"],
    [{ from: "a", to: "b", timeoutMs: "1" }, "options.timeoutMs: expected number"],
    [{ from: "a", to: "b", all: true }, 'options: has a key that is not expected here: "all"'],
    [undefined, "options: expected object"],
  ])("%o", async (options, message) => {
    await db.insert(journeySessions).values({ userId: "a" });
    const error = await errorOf(transfer(db, options as never));
    expect(error).toMatchObject({ code: "invalid_input", message, retryable: false });
    expect(await db.$count(journeySessions, eq(journeySessions.userId, "b"))).toBe(0);
  });
});

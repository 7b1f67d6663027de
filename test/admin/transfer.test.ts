import { eq, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { transfer } from "../../src/admin.js";
import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf, SECRET } from "../support/errors.js";
import { text } from "../support/messages.js";

onEveryDriver((database, entry) => {
  const of = (userId: string) => entry.forUser(database(), userId);

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
      sql.raw(`${table} add ${check} check (jsonb_typeof(messages) = 'array') not valid`),
    );
    expect(await errorOf(transfer(database(), { from: guest, to: user }))).toMatchObject({
      code: "corrupt",
      retryable: false,
      constraint: "journey_sessions_messages_is_array",
    });
    expect(await of(user).count()).toBe(0);
    expect(await of(guest).count()).toBe(2);
  });
});

describe("an append of the guest at the same moment", async () => {
  const url = await migratedDatabase();
  const [writing, moving] = [openPostgresJs(url), openPostgresJs(url)];

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

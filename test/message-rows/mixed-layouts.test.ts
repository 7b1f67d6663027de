import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient, rowsDatabase } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";
import { createChats } from "../support/own-table.js";
import { CATALOGUES, conversation } from "../support/verbs.js";

const url = await rowsDatabase();
const client = rawClient(url);
const db = openPostgresJs(url);
const inRows = defineJourney({ messages: messagesTable(journeySessions) });

const formOf = async (id: string) => {
  const [row] =
    await client`select jsonb_typeof(messages) as form, updated_at::text as revision from journey_sessions where id = ${id}`;
  return row?.form;
};
const rowOf = async (id: string) => (await client`select * from journey_sessions where id = ${id}`)[0];

const owners = new Map<string, string>();

/** Raw JSON in the column, as older programs wrote it. */
async function stored(userId: string, messages: string): Promise<string> {
  const [row] = await client`
    insert into journey_sessions (user_id, messages) values (${userId}, ${messages}::text::jsonb) returning id`;
  return row?.id;
}

describe("a program of the column layout", () => {
  const READS_MESSAGES = [
    "get",
    "messages",
    "latest",
    "getBy",
    "search",
    "export",
    "append",
    "replaceMessages",
    "truncate",
    "fork",
  ];
  const cases = CATALOGUES["the default table"].cases.filter(({ verb }) => READS_MESSAGES.includes(verb));

  it.each(cases)("is told where the messages are: $name", async ({ call, name }) => {
    const userId = newUser();
    const given = await conversation(inRows.forUser(db, userId) as never);
    const before = await rowOf(given.id);
    // A new session is its own.
    if (/new session/.test(name)) await call(forUser(db, userId), given);
    else
      await expect(Promise.resolve().then(() => call(forUser(db, userId), given))).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringContaining("messagesTable"),
      });
    expect(await rowOf(given.id)).toEqual(before);
  });

  it("lists, counts, deletes such a session, and changes its phase and metadata", async () => {
    const userId = newUser();
    const { id } = await inRows.forUser(db, userId).create({ messages: [text("m1")] });
    const sessions = forUser(db, userId);
    expect((await sessions.list()).sessions.map((one) => one.id)).toEqual([id]);
    await sessions.setPhase(id, "review");
    await sessions.mergeMetadata(id, { a: 1 });
    await sessions.update(id, { metadata: { b: 2 } });
    await expect(sessions.setPhase(id, "done", { from: "setup" })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await inRows.forUser(db, userId).get(id)).toMatchObject({
      phase: "review",
      metadata: { a: 1, b: 2 },
      messages: [text("m1")],
    });
    expect(await sessions.delete(id)).toBe(true);
    expect(await client`select from journey_messages where session_id = ${id}`).toHaveLength(0);
  });

  it("cannot store rows where the database has not been told of them", async () => {
    const narrow = openPostgresJs(await migratedDatabase());
    await expect(inRows.forUser(narrow, newUser()).create()).rejects.toMatchObject({ code: "migration" });
    await createChats(narrow);
  });
});

describe("a session in the column", () => {
  it("is read in one statement", async () => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create({ messages: [text("m1"), text("m2"), text("m3")] });
    const sessions = inRows.forUser(db, userId);
    expect(idsOf((await sessions.get(id))?.messages ?? [])).toEqual(["m1", "m2", "m3"]);
    expect(idsOf((await sessions.latest())?.messages ?? [])).toEqual(["m1", "m2", "m3"]);
    expect(await sessions.messages(id, { limit: 1, before: "m3" })).toMatchObject({
      messages: [text("m2")],
      hasMore: true,
    });
    await expect(sessions.messages(id, { before: "none" })).rejects.toMatchObject({ code: "not_found" });
    expect((await sessions.search("text of m2"))[0]?.messageId).toBe("m2");
    for await (const session of sessions.export())
      expect(idsOf(session.messages)).toEqual(["m1", "m2", "m3"]);
    expect(await formOf(id)).toBe("array");
  });

  it.each<
    [
      string,
      (of: ReturnType<typeof inRows.forUser>, id: string, ifRevision: string) => Promise<unknown>,
      string[],
    ]
  >([
    ["append", (of, id, ifRevision) => of.append(id, text("m3"), { ifRevision }), ["m1", "m2", "m3"]],
    [
      "append with from",
      (of, id, ifRevision) => of.append(id, text("n"), { from: "m2", ifRevision }),
      ["m1", "n"],
    ],
    [
      "append after",
      (of, id, ifRevision) => of.append(id, text("n"), { after: "m2", ifRevision }),
      ["m1", "m2", "n"],
    ],
    ["append that may create", (of, id) => of.append(id, text("m3"), { create: true }), ["m1", "m2", "m3"]],
    ["replaceMessages", (of, id, ifRevision) => of.replaceMessages(id, [text("q")], { ifRevision }), ["q"]],
    ["truncate", (of, id, ifRevision) => of.truncate(id, { from: "m2", ifRevision }), ["m1"]],
  ])("is moved by its next write: %s", async (_, call, ids) => {
    const userId = newUser();
    const { id, revision } = await forUser(db, userId).create({ messages: [text("m1"), text("m2")] });
    const sessions = inRows.forUser(db, userId);
    await call(sessions, id, revision);
    expect(await formOf(id)).toBe("object");
    expect(idsOf((await sessions.get(id))?.messages ?? [])).toEqual(ids);
  });

  it("is moved although it is too large for the column", async () => {
    const userId = newUser();
    const small = { maxSessionBytes: 2_000, maxMessageBytes: 10_000 };
    const { id } = await forUser(db, userId).create({ messages: [text("m1", "x".repeat(1_500))] });
    await expect(
      defineJourney(small)
        .forUser(db, userId)
        .append(id, text("m2", "x".repeat(1_500))),
    ).rejects.toMatchObject({
      code: "too_large",
    });
    await defineJourney({ ...small, messages: messagesTable(journeySessions) })
      .forUser(db, userId)
      .append(id, text("m2", "x".repeat(1_500)));
    expect(await formOf(id)).toBe("object");
  });

  it.each<[string, (of: ReturnType<typeof inRows.forUser>, id: string) => Promise<unknown>, string]>([
    [
      "another revision",
      (of, id) => of.append(id, text("m3"), { ifRevision: "2020-01-01T00:00:00" }),
      "conflict",
    ],
    ["another last message", (of, id) => of.append(id, text("m3"), { after: "m1" }), "conflict"],
    ["no such message", (of, id) => of.truncate(id, { from: "none" }), "not_found"],
    [
      "too large a message",
      (_, id) =>
        defineJourney({ messages: messagesTable(journeySessions), maxMessageBytes: 1_000 })
          .forUser(db, owners.get(id) ?? "")
          .append(id, text("m3", "x".repeat(2_000))),
      "too_large",
    ],
  ])("that refuses the write stays as it is, with its revision: %s", async (_, call, code) => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create({ messages: [text("m1"), text("m2")] });
    owners.set(id, userId);
    const before = await rowOf(id);
    await expect(call(inRows.forUser(db, userId), id)).rejects.toMatchObject({ code });
    expect(await rowOf(id)).toEqual(before);
  });

  it("is forked there, and stays as it is", async () => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create({ messages: [text("m1"), text("m2")] });
    const before = await rowOf(id);
    const copy = await inRows.forUser(db, userId).fork(id, { through: "m1" });
    expect(copy.messages).toEqual([text("m1")]);
    expect(await rowOf(id)).toEqual(before);
    expect(await formOf(copy.id)).toBe("array");
  });

  it.each([
    ["an id twice", JSON.stringify([text("m1"), text("m1")])],
    ["no id", '[{"role":"user","parts":[]}]'],
    ["no objects", '["m1", 2, null]'],
    ["an id that is no text", '[{"id":1}]'],
    ["an id longer than 256 characters", JSON.stringify([text("x".repeat(257))])],
  ])("whose elements cannot be rows stays there, and is read and written to: %s", async (_, messages) => {
    const userId = newUser();
    const id = await stored(userId, messages);
    const sessions = inRows.forUser(db, userId);
    const appended = await sessions.append(id, text("new"));
    expect(appended.messageCount).toBe(JSON.parse(messages).length + 1);
    expect(await formOf(id)).toBe("array");
    expect((await sessions.get(id))?.messages).toEqual([...JSON.parse(messages), text("new")]);
  });

  it.each(["{}", '"text"', "null", "7", '{"rows": "2"}'])(
    "that is %s is corrupt in both layouts",
    async (messages) => {
      await client`alter table journey_sessions drop constraint journey_sessions_messages_is_array`;
      const userId = newUser();
      const id = await stored(userId, messages);
      await client.unsafe(
        "alter table journey_sessions add constraint journey_sessions_messages_is_array check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number') not valid",
      );
      for (const sessions of [forUser(db, userId), inRows.forUser(db, userId)]) {
        await expect(sessions.get(id)).rejects.toMatchObject({ code: "corrupt" });
        await expect(sessions.messages(id)).rejects.toMatchObject({ code: "corrupt" });
        await expect(sessions.append(id, text("m1"))).rejects.toMatchObject({ code: "corrupt" });
        expect(await sessions.search("text")).toEqual([]);
      }
    },
  );
});

describe("defineJourney", () => {
  it("refuses the messages of another table", () => {
    const others = journeyTable("others");
    expect(() => defineJourney({ table: others, messages: messagesTable(journeySessions) as never })).toThrow(
      'messages: expected the messages of the table "others"',
    );
    expect(() => defineJourney({ messages: others as never })).toThrow(
      "messages: expected a table that messagesTable",
    );
  });

  it("declares one table for each table", () => {
    expect(messagesTable(journeySessions)).toBe(messagesTable(journeySessions));
    expect(() => messagesTable({} as never)).toThrow("messagesTable");
  });
});

describe("the limit", () => {
  it("is of each message, and not of the conversation", async () => {
    const sessions = defineJourney({
      messages: messagesTable(journeySessions),
      maxSessionBytes: 1_000,
      maxMessageBytes: 5_000,
    }).forUser(db, newUser());
    const id = randomUUID();
    for (let n = 0; n < 10; n++)
      await sessions.append(id, text(`m${n}`, "x".repeat(4_000)), { create: true });
    const largest = text("large", "x".repeat(5_000 - JSON.stringify(text("large", "")).length));
    await sessions.append(id, largest);
    const tooLarge = { code: "too_large", message: expect.stringContaining("maxMessageBytes") };
    const larger = text("large", `${largest.parts[0]?.text}x`);
    const before = await rowOf(id);
    await expect(sessions.append(id, larger)).rejects.toMatchObject(tooLarge);
    await expect(sessions.append(id, [text("small"), larger])).rejects.toMatchObject(tooLarge);
    await expect(sessions.append(id, [larger], { from: "m5" })).rejects.toMatchObject(tooLarge);
    await expect(sessions.append(randomUUID(), larger, { create: true })).rejects.toMatchObject(tooLarge);
    await expect(sessions.create({ messages: [larger] })).rejects.toMatchObject(tooLarge);
    await expect(sessions.replaceMessages(id, [larger])).rejects.toMatchObject(tooLarge);
    expect(await rowOf(id)).toEqual(before);
    await expect(sessions.mergeMetadata(id, { a: "x".repeat(1_000) })).rejects.toMatchObject({
      code: "too_large",
    });
  });
});

it.each(["infinity", "294276-01-01 00:00:00+00"])(
  "where updated_at is %s, no message can follow",
  async (time) => {
    const userId = newUser();
    const { id } = await inRows.forUser(db, userId).create({ messages: [text("m1")] });
    await client`alter table journey_sessions disable trigger user`;
    await client`update journey_sessions set updated_at = ${time}::text::timestamptz where id = ${id}`;
    await client`alter table journey_sessions enable trigger user`;
    const sessions = inRows.forUser(db, userId);
    for (const write of [
      () => sessions.append(id, text("m2")),
      () => sessions.append(id, [text("m2"), text("m3")]),
      () => sessions.append(id, text("m2"), { create: true }),
      () => sessions.append(id, text("m2"), { from: "m1" }),
      () => sessions.replaceMessages(id, []),
      () => sessions.truncate(id, { from: "m1" }),
    ])
      await expect(write()).rejects.toMatchObject({
        code: "corrupt",
        message: expect.stringContaining("updated_at"),
      });
    const copy = await sessions.fork(id);
    await sessions.append(copy.id, text("m2"));
    expect(idsOf((await sessions.get(copy.id))?.messages ?? [])).toEqual(["m1", "m2"]);
  },
);

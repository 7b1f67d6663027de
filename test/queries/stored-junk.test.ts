import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { MARKER_CONDITION } from "../../src/maintenance/table-sql.js";
import { newUser } from "../support/database.js";
import { clockMoves, onOneDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { IN_ROWS } from "../support/layout.js";
import { text } from "../support/messages.js";
import { CASES, unstored } from "../support/verbs.js";

const MESSAGES_CHECK = IN_ROWS ? MARKER_CONDITION : "jsonb_typeof(messages) = 'array'";

/** All that reads or changes a session, but to delete it. */
const NEEDS_CONTENT = CASES.filter(
  ({ verb, onSession }) => (onSession && verb !== "delete" && verb !== "watch") || verb === "latest",
);

onOneDriver((database, { forUser }) => {
  /** A row of an older program: it was there before the table's checks were, which are not valid for it. */
  async function rowWith(column: "messages" | "metadata", json: string) {
    const owner = newUser();
    const id = randomUUID();
    const check = `journey_sessions_${column === "messages" ? "messages_is_array" : "metadata_is_object"}`;
    const table = "alter table journey_sessions";
    // What else the cases need is there.
    const values = { messages: "[]", metadata: '{"a":1}', [column]: json };
    const rule = `check (${column === "messages" ? MESSAGES_CHECK : "jsonb_typeof(metadata) = 'object'"})`;
    await database().execute(sql.raw(`${table} drop constraint ${check}`));
    await database().execute(
      sql`insert into journey_sessions (id, user_id, messages, metadata) values (${id}, ${owner}, ${values.messages}::text::jsonb, ${values.metadata}::text::jsonb)`,
    );
    await database().execute(sql.raw(`${table} add constraint ${check} ${rule} not valid`));
    return { id, sessions: forUser(database(), owner) };
  }

  describe.each([
    ["messages", '{"a":1}'],
    ["messages", '"[]"'],
    ["messages", "null"],
    ["metadata", "[]"],
    ["metadata", '"{}"'],
    ["metadata", "null"],
  ] as const)("a row whose %s is %s", (column, json) => {
    it("does not break the list, the count or another session", async () => {
      const { id, sessions } = await rowWith(column, json);
      await clockMoves(database());
      const other = await sessions.create();
      const page = await sessions.list();
      expect(page.sessions.map((session) => session.id)).toEqual([other.id, id]);
      expect(page.sessions[1]?.metadata).toEqual(column === "metadata" ? {} : { a: 1 });
      expect(await sessions.count()).toBe(2);
    });

    it("is corrupt to get, latest and every write of its content, and stays as it is", async () => {
      const { id, sessions } = await rowWith(column, json);
      const [listed] = (await sessions.list()).sessions;
      const given = { ...unstored(), id, revision: listed?.revision ?? "" };
      for (const { name, verb, call } of NEEDS_CONTENT) {
        if (verb === "messages" && column === "metadata") continue;
        const error = await errorOf(call(sessions, given));
        expect(error.code, name).toBe("corrupt");
        // A write beside the messages is refused by the table's check, which does not name the column.
        if (column === "metadata" || error.sqlState !== "23514")
          expect(error.message, name).toContain(`The stored ${column} is not`);
      }
      const rows = await database()
        .select({ value: sql<string>`${sql.identifier(column)}::text` })
        .from(sql`journey_sessions`)
        .where(sql`id = ${id}`);
      expect(rows[0]?.value).toBe(JSON.stringify(JSON.parse(json)).replace('{"a":1}', '{"a": 1}'));
    });

    it("can be deleted by its owner", async () => {
      const { id, sessions } = await rowWith(column, json);
      expect(await sessions.delete(id)).toBe(true);
      expect(await sessions.count()).toBe(0);
    });
  });

  it("elements that are not valid messages are returned as they are and kept by writes", async () => {
    const junk = [null, 1, "x", [], {}, { id: 5 }, { id: "m1" }, { id: null }, [{ id: "m2" }]];
    const { id, sessions } = await rowWith("messages", JSON.stringify(junk));
    expect((await sessions.get(id))?.messages).toEqual(junk);
    await sessions.append(id, [text("m2"), text("m1")]);
    const expected = [...junk.slice(0, 6), text("m1"), ...junk.slice(7), text("m2")];
    expect((await sessions.get(id))?.messages).toEqual(expected);
    expect((await sessions.messages(id, { limit: 2 })).messages).toEqual(expected.slice(-2));
    await sessions.append(id, text("m3"), { after: "m2" });
    expect((await sessions.fork(id, { through: "m1" })).messages).toEqual(expected.slice(0, 7));
    await expect(sessions.truncate(id, { from: "5" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("of two messages with one id the first is replaced, and no call drops or leaves out more than from the last on", async () => {
    const stored = [text("m1", "first"), text("m2"), text("m1", "second"), text("m3")];
    const { id, sessions } = await rowWith("messages", JSON.stringify(stored));
    await sessions.append(id, [text("m1", "changed"), text("m4")]);
    const expected = [text("m1", "changed"), ...stored.slice(1), text("m4")];
    expect((await sessions.get(id))?.messages).toEqual(expected);
    expect((await sessions.fork(id, { through: "m1" })).messages).toEqual(expected.slice(0, 3));
    expect(await sessions.truncate(id, { from: "m1" })).toMatchObject({ messageCount: 2 });
  });

  it("after names the last element's id: junk without one matches nothing but is no empty conversation", async () => {
    const { id, sessions } = await rowWith("messages", '[{"id": "m1"}, 5]');
    await expect(sessions.append(id, text("m2"), { after: "m1" })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(sessions.append(id, text("m2"), { after: null })).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

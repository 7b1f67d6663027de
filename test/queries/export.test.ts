import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { Session } from "../../src/index.js";
import { all } from "../support/answer.js";
import { newUser } from "../support/database.js";
import { clockMoves, onOneDriver } from "../support/drivers.js";
import { idsOf, text, uiMessages } from "../support/messages.js";

/** More than a batch takes, so that each session is a batch of its own. */
const LARGE = "x".repeat(1024 * 1024);

onOneDriver((database, { forUser }) => {
  const newSessions = () => forUser(database(), newUser());

  it("gives every session whole, oldest first", async () => {
    const sessions = newSessions();
    const made: Session[] = [];
    for (const phase of ["setup", "review", "done"]) {
      made.push(await sessions.create({ phase, messages: uiMessages.slice(0, 5), metadata: { phase } }));
      await clockMoves(database());
    }
    await newSessions().create();
    expect(await all(sessions.export())).toEqual(made);
  });

  it("gives nothing to a user without sessions", async () => {
    expect(await all(newSessions().export())).toEqual([]);
  });

  it("skips and repeats none, however many are of one moment, and at the ends of time", async () => {
    const owner = newUser();
    const times = ["-infinity", "4713-01-01 BC", "2026-05-01T10:00:00.000001Z", "294276-12-31", "infinity"];
    await database().execute(
      sql`insert into journey_sessions (id, user_id, created_at, messages)
        select gen_random_uuid(), ${owner}, t::timestamptz, jsonb_build_array(repeat('x', 40000))
        from json_array_elements_text(${JSON.stringify(times)}::text::json) as t, generate_series(1, 40)`,
    );
    await database().execute(
      sql`insert into journey_sessions (id, user_id, created_at) values ('00000000-0000-0000-0000-000000000000', ${owner}, '-infinity')`,
    );
    const sessions = forUser(database(), owner);
    const exported = idsOf((await all(sessions.export())) as never);
    await sessions.delete("00000000-0000-0000-0000-000000000000");
    expect(exported).toHaveLength(201);
    expect(new Set(exported).size).toBe(201);
  });

  it("can be left early, and begins anew each time", async () => {
    const sessions = newSessions();
    for (const n of [1, 2]) await sessions.create({ messages: [text(`m${n}`)] });
    const exported = sessions.export();
    for await (const session of exported) {
      expect(session.messages).toHaveLength(1);
      break;
    }
    expect(await all(exported)).toHaveLength(2);
    expect(await all(exported)).toHaveLength(2);
  });

  describe("while others write", () => {
    it("a session that stays comes once, changed or not; one that is deleted before its turn does not", async () => {
      const sessions = newSessions();
      const ids: string[] = [];
      for (const n of [1, 2, 3]) {
        ids.push((await sessions.create({ messages: [text(`m${n}`, LARGE)] })).id);
        await clockMoves(database());
      }
      const [first = "", second = "", third = ""] = ids;
      const seen: Session[] = [];
      for await (const session of sessions.export()) {
        seen.push(session);
        if (session.id !== first) continue;
        await sessions.append(first, text("late"));
        await sessions.setPhase(second, "review");
        await sessions.delete(third);
      }
      expect(seen.map(({ id, phase }) => [id, phase])).toEqual([
        [first, "setup"],
        [second, "review"],
      ]);
      expect(seen[0]?.messages).toHaveLength(1);
    });
  });

  it("gives what is a session before it says that others are none", async () => {
    const owner = newUser();
    const sessions = forUser(database(), owner);
    const table = "alter table journey_sessions";
    for (const column of ["messages", "metadata"] as const) {
      const check = `journey_sessions_${column === "messages" ? "messages_is_array" : "metadata_is_object"}`;
      await database().execute(sql.raw(`${table} drop constraint ${check}`));
      await database().execute(
        sql`insert into journey_sessions (id, user_id, ${sql.identifier(column)}) values (${randomUUID()}, ${owner}, '7')`,
      );
    }
    const { id } = await sessions.create({ messages: [text("m1")] });
    const seen: string[] = [];
    const exporting = async () => {
      for await (const session of sessions.export()) seen.push(session.id);
    };
    await expect(exporting()).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(/^Sessions left out: 2\./),
    });
    expect(seen).toEqual([id]);
  });

  it.each([
    ["between two batches", LARGE],
    ["within a batch", "short"],
  ])("ends with the handle's signal, %s", async (_, content) => {
    const owner = newUser();
    const controller = new AbortController();
    for (const n of [1, 2]) await forUser(database(), owner).create({ messages: [text(`m${n}`, content)] });
    const sessions = forUser(database(), owner, { signal: controller.signal });
    const seen: Session[] = [];
    const exporting = async () => {
      for await (const session of sessions.export()) {
        seen.push(session);
        controller.abort();
      }
    };
    await expect(exporting()).rejects.toMatchObject({ code: "timeout", retryable: true });
    expect(seen).toHaveLength(1);
  });
});

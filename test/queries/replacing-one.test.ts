import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";

/** What may stand in an older program's array. `null` holds no message, an array may hold one that is not the conversation's. */
const others = [text("a"), text("b"), { id: 7 }, { role: "user" }, "m1", null, ["m1"], [{ id: "m1" }]];
const m1 = text("m1", "as it was");
const again = text("m1", "as it is");

const CONVERSATIONS: Record<string, unknown[]> = {
  "that is empty": [],
  "without it": others,
  "that ends with it": [...others, m1],
  "that begins with it": [m1, ...others],
  "that has it in the midst": [...others, m1, ...others],
  "that is only it": [m1],
  "that has it twice": [...others, m1, text("a"), m1],
  "that ends with an array of it": [m1, [{ id: "m1" }]],
  "that has its id as a number's": [{ id: 1 }, { id: "1" }],
};

/** The first message of the id is replaced; where there is none it goes to the end. */
function expected(conversation: unknown[]): unknown[] {
  const place = conversation.findIndex((one) => (one as { id?: unknown } | null)?.id === again.id);
  return place < 0 ? [...conversation, again] : conversation.with(place, again);
}

onOneDriver((database, { forUser }) => {
  describe.each(Object.entries(CONVERSATIONS))(
    "a message that comes again, to a conversation %s",
    (_, conversation) => {
      it.each([
        ["append", {}],
        ["append with create", { create: true }],
        ["append beside another", undefined],
      ] as const)("takes its place, by %s", async (_, options) => {
        const owner = newUser();
        const id = randomUUID();
        await database().execute(
          sql`insert into journey_sessions (id, user_id, messages) values (${id}, ${owner}, ${JSON.stringify(conversation)}::text::jsonb)`,
        );
        const sessions = forUser(database(), owner);
        const call = options
          ? sessions.append(id, again, options)
          : sessions.append(id, [again, text("new")]);
        const { messageCount } = await call;
        const stored = [...expected(conversation), ...(options ? [] : [text("new")])];
        expect((await sessions.get(id))?.messages).toEqual(stored);
        expect(messageCount).toBe(stored.length);
      });
    },
  );
});

import { expect, it } from "vitest";
import {
  forUser,
  type JourneyDbError,
  type JourneyMessage,
  type JourneyMetadata,
  type UserSessions,
} from "../../src/index.js";
import { all } from "../support/answer.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { text, uiMessages } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";

type Sessions = UserSessions<JourneyMessage, JourneyMetadata, string>;

const [A, B, C, NONE] = [1, 2, 3, 4].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [
  string,
  string,
  string,
  string,
];
const parts = uiMessages.filter(({ id }) => id.length <= 256);

/** Every call with every option, made by an owner or a stranger; some are refused. */
const CALLS: ((own: Sessions, strangers: Sessions) => Promise<unknown>)[] = [
  (own) => own.append(A, text("m1"), { create: true, after: null }),
  (own) => own.append(A, [text("m2"), text("m3")], { after: "m1" }),
  (own) => own.append(A, text("m4"), { after: "m1" }),
  (own) => own.append(A, [text("m2", "longer"), ...parts]),
  (own) => own.append(A, text("m9"), { from: "m3" }),
  (own) => own.append(A, text("m9"), { from: "gone" }),
  (own) => own.append(NONE, text("m1")),
  (_, strangers) => strangers.append(A, text("m1"), { create: true }),
  (own) => own.create({ id: B, phase: "review", messages: parts, metadata: { title: "é\0", n: 1 } }),
  (own) => own.create({ id: B }),
  (_, strangers) => strangers.create({ id: A }),
  (own) => own.get(B),
  (_, strangers) => strangers.get(B),
  (own) => own.messages(B, { limit: 2 }),
  (own) => own.messages(A, { limit: 1, before: "m9" }),
  (own) => own.latest(),
  (own) => own.list({ limit: 1, orderBy: "updated", phase: "setup" }),
  async (own) => own.list({ cursor: (await own.list({ limit: 1 })).nextCursor }),
  (own) => own.search("TEXT OF M", { limit: 1 }),
  (_, strangers) => strangers.search("text of m"),
  (own) => all(own.export()),
  (_, strangers) => all(strangers.export()),
  (own) => own.count(),
  (own) => own.setPhase(A, "review", { from: "setup" }),
  (own) => own.setPhase(A, "done", { from: "setup" }),
  (own) => own.mergeMetadata(A, { a: 1, b: { c: null } }, { ifMatch: { a: null } }),
  (own) => own.mergeMetadata(A, { a: null }, { ifMatch: { a: 2 } }),
  async (own) => own.mergeMetadata(A, { a: null }, { ifRevision: (await own.get(A))?.revision }),
  (own) => own.fork(A, { through: "m2", id: C }),
  (own) => own.fork(A, { id: B }),
  (own) => own.replaceMessages(C, [text("m7"), text("m8")]),
  (own) => own.truncate(C, { from: "m8" }),
  (own) => own.get(C),
  (_, strangers) => strangers.delete(C),
  (own) => own.delete(C),
  (own) => own.delete(C),
  (_, strangers) => strangers.deleteAll(),
  (own) => own.deleteAll(),
  (own) => own.list(),
];

/** All answers and errors, without what differs from one run to another. */
async function answersOf(sessionsOf: (userId: string) => Sessions): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const call of CALLS) {
    const answer = await call(sessionsOf("user_a"), sessionsOf("user_A")).catch((error: JourneyDbError) =>
      error.toJSON(),
    );
    const shown = JSON.stringify(answer, (key, value) =>
      /^(revision|createdAt|updatedAt|nextCursor)$/.test(key) ? typeof value : value,
    );
    answers.push(JSON.parse(shown));
  }
  return answers;
}

it.each(Object.entries(POOLED))("%s: every call answers as it does without a pooler", async (_, open) => {
  const direct = openPostgresJs(await migratedDatabase());
  const expected = await answersOf((userId) => forUser(direct, userId));
  const pooler = await startPgbouncer({ serverConnections: 2 });
  // Twice as many clients as server connections, and each call is another client's.
  const through = pooler.through(await migratedDatabase());
  const clients = await Promise.all([1, 2, 3, 4].map(() => open(through, 1)));
  let turn = 0;
  const pooled = await answersOf((userId) => {
    const client = clients[turn++ % clients.length] ?? expect.fail();
    return client.forUser(client.db, userId);
  });
  expect(pooled).toEqual(expected);
});

it("every method is called", () => {
  const called = new Set(CALLS.flatMap((call) => String(call).match(/(?<=\.)\w+(?=\()/g) ?? []));
  const methods = Object.keys(forUser(openPostgresJs("postgres://127.0.0.1/never_reached"), "user_a"));
  expect(methods.filter((method) => !called.has(method))).toEqual([]);
});

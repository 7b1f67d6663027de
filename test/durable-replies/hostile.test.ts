import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { JourneyDbError } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { CANARY, leaks, shownOf, wrong } from "../support/canary.js";
import { durableDatabase, newUser, openNodePostgres, openPostgresJs } from "../support/database.js";
import { callReply, durableFor, makeLost, REPLY_CASES, replyOf, type Sessions } from "../support/replies.js";
import { NOWHERE } from "../support/turn.js";

const url = await durableDatabase();
const db = openPostgresJs(url);

/** The code of what the call throws, which must show nothing that was given. */
async function codeOf(call: () => Promise<unknown>): Promise<string> {
  const error = await call().then(
    () => expect.fail("the call did not fail"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(JourneyDbError);
  expect(leaks(shownOf(error))).toEqual([]);
  return (error as JourneyDbError).code;
}

const stored = async (id: string) =>
  db
    .select({
      reply: sql`to_jsonb(r)`,
      chunks: sql`(select jsonb_agg(c) from journey_reply_chunks as c where c.session_id = ${id}::uuid)`,
    })
    .from(sql`journey_replies as r where session_id = ${id}`);

const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

const INTEGERS = {
  "a fraction": 1.5,
  "below zero": -1,
  NaN: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  "more than an int4": 2 ** 31,
  "more than a double holds": 2 ** 53,
  bigint: 1n,
  "a number as text": "1",
  null: null,
};
const OTHERS = { true: true, empty: "", "a lone surrogate": `${CANARY}\ud800`, U0000: "\0" };

/** The kinds of values that are right in the place of one like `right`. */
function fits(kind: string, place: string, right: unknown): boolean {
  const isText = /text$|^long/.test(kind);
  // Ids of replies have at most 256 characters.
  if (/^replyId$|^1$/.test(place) && typeof right === "string")
    return /text$/.test(kind) && kind !== "long text";
  if (place === "chunks") return isText || kind === "empty";
  return place === "closes" && kind === "true";
}

describe.each(REPLY_CASES)("$name", ({ call, before, args }) => {
  it("refuses what is wrong in any place, and nothing changes", async () => {
    const sessions = durableFor(db, newUser());
    const given = await replyOf(sessions, db, before);
    const was = await stored(given.id);
    const right = args(given);
    const values = { ...wrong, ...INTEGERS, ...OTHERS };
    const passed: string[] = [];
    const refuse = async (name: string, given: unknown[]) => {
      const code = await codeOf(() => callReply(sessions, call, given)).catch((error) => `${error}`);
      if (code !== "invalid_input") passed.push(`${name}: ${code}`);
    };
    for (const [at, one] of right.entries()) {
      for (const [kind, value] of Object.entries(values)) {
        if (!fits(kind, String(at), one)) await refuse(`${at} ${kind}`, right.with(at, value));
        if (!isPlain(one)) continue;
        for (const key of Object.keys(one))
          if (!fits(kind, key, Reflect.get(one, key)))
            await refuse(`${key} ${kind}`, right.with(at, { ...one, [key]: value }));
      }
      if (isPlain(one)) await refuse("an unknown key", right.with(at, { ...one, [CANARY]: CANARY }));
    }
    await refuse("an argument more", [...right, ...Array.from({ length: 4 - right.length }, () => ({})), {}]);
    expect(passed).toEqual([]);
    expect(await stored(given.id)).toEqual(was);
  });
});

it.each<[string, (sessions: Sessions, id: string) => Promise<unknown>]>([
  ["chunks without a number", (s, id) => s.replies.write(id, "r", { n: 0, chunks: CANARY })],
  [
    "more than 64 Mi characters",
    (s, id) => s.replies.write(id, "r", { n: 1, chunks: "x".repeat(2 ** 26 + 1) }),
  ],
  ["another state", (s, id) => s.replies.write(id, "r", { n: 1, chunks: "", state: "running" as never })],
  ["an id of 257 characters", (s, id) => s.replies.start(id, "x".repeat(257))],
  ["a wait of more than ten seconds", (s, id) => s.replies.read(id, { waitMs: 10_001 })],
])("%s: refused", async (_, call) => {
  const sessions = durableFor(db, newUser());
  const { id } = await replyOf(sessions, db, "none");
  await sessions.replies.start(id, "r");
  const was = await stored(id);
  expect(await codeOf(() => call(sessions, id))).toBe("invalid_input");
  expect(await stored(id)).toEqual(was);
});

it("chunks of any well-formed text are read as they were written", async () => {
  const sessions = durableFor(db, newUser());
  const { id } = await replyOf(sessions, db, "none");
  const replyId = "' or 1=1 -- \\ $1 é😀";
  await sessions.replies.start(id, replyId);
  const batches = ["\n\n", 'data: {"a":"\\u0000"}\n\n', "'\\\r\u2028😀", " ", "x".repeat(300_000), "{}"];
  for (const [n, chunks] of batches.entries())
    await sessions.replies.write(id, replyId, { n: n + 1, chunks });
  const first = await sessions.replies.read(id);
  expect(first).toEqual({
    replyId,
    messageId: null,
    state: "running",
    isLost: false,
    continues: null,
    batches: batches.length,
    // One read returns no further batch after 256 Ki characters.
    after: 5,
    chunks: batches.slice(0, 5).join(""),
  });
  expect(await sessions.replies.read(id, { replyId, after: first?.after })).toMatchObject({
    chunks: "{}",
    after: 6,
  });
});

describe("no error shows anything of a reply", () => {
  const write = (sessions: Sessions, id: string = randomUUID()) =>
    sessions.replies.write(id, CANARY, { n: 1, chunks: CANARY });
  const user = () => `${newUser()} ${CANARY}`;

  it("not_found and conflict", async () => {
    const sessions = durableFor(db, user());
    expect(await codeOf(() => write(sessions))).toBe("not_found");
    const { id } = await sessions.create();
    expect(await codeOf(() => write(sessions, id))).toBe("not_found");
    await sessions.replies.start(id, CANARY);
    await write(sessions, id);
    expect(await codeOf(() => sessions.replies.start(id, `${CANARY} 2`))).toBe("conflict");
    await makeLost(db, id);
    await sessions.replies.close(id, CANARY);
    expect(await codeOf(() => write(sessions, id))).toBe("not_found");
  });

  it("a constraint of the application's", async () => {
    const own = await durableDatabase();
    const strict = openPostgresJs(own);
    await strict.execute(
      sql`alter table journey_reply_chunks add constraint short check (length(chunks) < 5)`,
    );
    const drivers: Database[] = [strict, openNodePostgres(own)];
    for (const one of drivers) {
      const sessions = durableFor(one, user());
      const { id } = await sessions.create();
      await sessions.replies.start(id, CANARY);
      expect(await codeOf(() => write(sessions, id))).toMatch(/^(internal|conflict|invalid_input)$/);
    }
  });

  it("a database that is not migrated, or away", async () => {
    const old = await durableDatabase();
    const unmigrated = openPostgresJs(old);
    await unmigrated.execute(sql`drop table journey_reply_chunks, journey_replies`);
    // A client each, since postgres.js waits longer after each failure.
    for (const [open, code] of [
      [() => unmigrated, "migration"],
      [() => openPostgresJs(NOWHERE), "unavailable"],
    ] as const)
      for (const { name, call, args } of REPLY_CASES) {
        const given = { id: randomUUID(), replyId: CANARY, newReplyId: CANARY };
        const sessions = durableFor(open(), user());
        expect(`${name} ${await codeOf(() => callReply(sessions, call, args(given)))}`).toBe(
          `${name} ${code}`,
        );
      }
  });

  it("an aborted signal; and a wait ends before the deadline", async () => {
    const { id, replyId } = await replyOf(durableFor(db, newUser()), db, "running");
    const given = { id, replyId, newReplyId: CANARY };
    for (const { name, call, args } of REPLY_CASES) {
      const sessions = durableFor(db, user(), { signal: AbortSignal.abort() });
      expect(`${name} ${await codeOf(() => callReply(sessions, call, args(given)))}`).toBe(`${name} timeout`);
    }
    const owner = newUser();
    const own = await replyOf(durableFor(db, owner), db, "running");
    const waiting = durableFor(db, owner, { timeoutMs: 500 });
    const read = () => waiting.replies.read(own.id, { replyId: own.replyId, after: 1, waitMs: 9_000 });
    expect(await read()).toMatchObject({ chunks: "", after: 1 });
    const abort = new AbortController();
    const aborted = durableFor(db, owner, { signal: abort.signal });
    const reading = codeOf(() =>
      aborted.replies.read(own.id, { replyId: own.replyId, after: 1, waitMs: 9_000 }),
    );
    abort.abort();
    expect(await reading).toBe("timeout");
  });
});

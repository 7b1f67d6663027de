import { randomUUID } from "node:crypto";
import { unique, uuid } from "drizzle-orm/pg-core";
import { expect, it } from "vitest";
import { defineJourney, forUser, type JourneyDbError } from "../../src/index.js";
import { journeyTable } from "../../src/schema.js";
import { ON_CLUSTER } from "../support/citus.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { createTables } from "../support/own-table.js";

const WRITERS = 32;
// As many connections as writers, so that they truly meet on the server.
const db = openPostgresJs(await migratedDatabase(), { max: WRITERS });
const writers = Array.from({ length: WRITERS }, (_, writer) => writer);

/** How each of the calls ended: "done", or the error's code. */
const outcomes = (calls: Promise<unknown>[]) =>
  Promise.all(
    calls.map((call) =>
      call.then(
        () => "done",
        (error: JourneyDbError) => error.code,
      ),
    ),
  );

const times = (all: string[]) =>
  Object.fromEntries([...new Set(all)].map((one) => [one, all.filter((x) => x === one).length]));

it("32 writers with 25 appends each lose nothing and keep each writer's order", async () => {
  const sessions = forUser(db, newUser());
  const id = randomUUID();
  await Promise.all(
    writers.map(async (writer) => {
      for (let turn = 0; turn < 25; turn++) {
        await sessions.append(id, text(`${writer}:${turn}`), { create: turn % 2 === 0 || turn === 1 });
      }
    }),
  );
  const stored = (await sessions.get(id))?.messages.map((message) => message.id.split(":").map(Number)) ?? [];
  expect(stored).toHaveLength(800);
  for (const writer of writers) {
    const turns = stored.filter(([by]) => by === writer).map(([, turn]) => turn);
    expect(turns).toEqual(Array.from({ length: 25 }, (_, turn) => turn));
  }
});

it("the same first message sent 32 times at once makes one session with one message", async () => {
  const sessions = forUser(db, newUser());
  const id = randomUUID();
  const answers = await Promise.all(
    writers.map(() => sessions.append(id, text("m1"), { create: true, after: null })),
  );
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  expect(new Set(answers.map(({ revision }) => revision)).size).toBe(WRITERS);
  expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
  expect(await sessions.count()).toBe(1);
});

it("so do first messages of a table with a unique index of the application's", async () => {
  const runs = journeyTable("runs", { runId: uuid("run_id") }, (t) => [unique().on(t.userId, t.runId)]);
  await createTables(db, { runs });
  const sessions = defineJourney({ table: runs }).forUser(db, newUser());
  // The index that refuses one of two rows first is the id's or the other.
  for (let round = 0; round < 30; round++) {
    const id = randomUUID();
    const calls = writers.map((writer) =>
      sessions.append(id, text(String(writer)), { create: { runId: id } }),
    );
    expect(times(await outcomes(calls))).toEqual({ done: WRITERS });
    expect((await sessions.messages(id, { limit: 100 })).messages).toHaveLength(WRITERS);
  }
});

it("one of 32 wins each precondition, and the others are told conflict", async () => {
  const sessions = forUser(db, newUser());
  for (let round = 0; round < 5; round++) {
    const { id, revision } = await sessions.create({ messages: [text("m1")] });
    const one = { done: 1, conflict: WRITERS - 1 };
    const ofAll = async (call: (writer: number) => Promise<unknown>) =>
      times(await outcomes(writers.map(call)));
    expect(await ofAll((n) => sessions.append(id, text(`r${n}`), { ifRevision: revision }))).toEqual(one);
    const last = (await sessions.messages(id, { limit: 1 })).messages[0]?.id;
    expect(await ofAll((n) => sessions.append(id, text(`a${n}`), { after: last }))).toEqual(one);
    expect(await ofAll((n) => sessions.setPhase(id, `phase ${n}`, { from: "setup" }))).toEqual(one);
    expect(await ofAll((n) => sessions.mergeMetadata(id, { run: n }, { ifMatch: { run: null } }))).toEqual(
      one,
    );
    expect((await sessions.get(id))?.messages).toHaveLength(3);
  }
});

it("one of 32 drops a message, and the others find it gone", async () => {
  // One after the other, on a cluster of many round trips each.
  const sessions = forUser(db, newUser(), { timeoutMs: 60_000 });
  const { id } = await sessions.create({ messages: [text("m1"), text("m2")] });
  const edits = await outcomes(writers.map((n) => sessions.append(id, text(`e${n}`), { from: "m2" })));
  expect(times(edits)).toEqual({ done: 1, not_found: WRITERS - 1 });
  const cuts = await outcomes(writers.map(() => sessions.truncate(id, { from: "m1" })));
  expect(times(cuts)).toEqual({ done: 1, not_found: WRITERS - 1 });
});

it("of 32 calls with the same id, one creates the session, and the others fail because the id is taken", async () => {
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create();
  for (const call of [
    (chosen: string) => sessions.create({ id: chosen }),
    (chosen: string) => sessions.fork(id, { id: chosen }),
  ]) {
    const chosen = randomUUID();
    const all = await outcomes(writers.map(() => call(chosen)));
    expect(times(all)).toEqual({ done: 1, conflict: WRITERS - 1 });
  }
});

it("32 users who race for one id: one gets it where an id is unique for all, and the others find nothing", async () => {
  const id = randomUUID();
  const users = writers.map(() => newUser());
  const all = await outcomes(users.map((user) => forUser(db, user).append(id, text("m1"), { create: true })));
  expect(times(all)).toEqual(ON_CLUSTER ? { done: WRITERS } : { done: 1, not_found: WRITERS - 1 });
  const counts = await Promise.all(users.map((user) => forUser(db, user).count()));
  expect(counts.filter((count) => count === 1)).toHaveLength(ON_CLUSTER ? WRITERS : 1);
});

it("32 merges of different keys all stay", async () => {
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create();
  await Promise.all(writers.map((n) => sessions.mergeMetadata(id, { [`key ${n}`]: n })));
  expect(Object.keys((await sessions.get(id))?.metadata ?? {})).toHaveLength(WRITERS);
});

it("a message that grows under one id while others append stays one message in its place", async () => {
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create({ messages: [text("m1")] });
  await sessions.append(id, text("answer", ""));
  const grow = async () => {
    for (let words = 1; words <= 50; words++)
      await sessions.append(id, text("answer", "word ".repeat(words)));
  };
  await Promise.all([grow(), ...writers.map((n) => sessions.append(id, text(`w${n}`)))]);
  const stored = (await sessions.get(id))?.messages ?? [];
  expect(stored[1]).toEqual(text("answer", "word ".repeat(50)));
  expect(stored).toHaveLength(2 + WRITERS);
});

it("a session deleted among appends stays deleted for those without create", async () => {
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create();
  const appends = writers.map((n) => sessions.append(id, text(`m${n}`)));
  const [deleted, ...ends] = await Promise.all([sessions.delete(id), outcomes(appends)]);
  expect(deleted).toBe(true);
  expect(new Set(["done", "not_found", ...ends.flat()]).size).toBe(2);
  expect(await sessions.get(id)).toBeNull();
});

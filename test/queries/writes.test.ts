import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ON_CLUSTER } from "../support/citus.js";
import { newUser } from "../support/database.js";
import { clockMoves, onEveryDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";

onEveryDriver((database, { defineJourney, forUser }) => {
  const newSessions = () => forUser(database(), newUser());
  const conflict = { code: "conflict", retryable: false };
  const notFound = { code: "not_found" };

  describe("create", () => {
    it("creates an empty session in the first phase, with a random id", async () => {
      const owner = newUser();
      const session = await forUser(database(), owner).create();
      expect(session).toMatchObject({ userId: owner, phase: "setup", messages: [], metadata: {} });
      expect(session.createdAt).toEqual(session.updatedAt);
      expect(await forUser(database(), owner).get(session.id)).toEqual(session);
    });

    it("keeps what it is given", async () => {
      const sessions = newSessions();
      const given = {
        id: randomUUID(),
        phase: "review",
        messages: [text("m1")],
        metadata: { a: { b: null }, c: null },
      };
      expect(await sessions.create(given)).toMatchObject(given);
      expect(await sessions.get(given.id)).toMatchObject(given);
    });

    it("refuses an id that is taken, by the same user or by another, and changes nothing", async () => {
      const sessions = newSessions();
      const taken = await sessions.create({ messages: [text("m1")] });
      for (const someone of ON_CLUSTER ? [sessions] : [sessions, newSessions()]) {
        await expect(someone.create({ id: taken.id, messages: [text("m2")] })).rejects.toMatchObject(
          conflict,
        );
      }
      expect(await sessions.get(taken.id)).toEqual(taken);
    });

    it("refuses more than maxSessionBytes of messages or of metadata", async () => {
      const sessions = defineJourney({ maxSessionBytes: 1_000 }).forUser(database(), newUser());
      const long = "é".repeat(600);
      await expect(sessions.create({ messages: [text("m1", long)] })).rejects.toMatchObject({
        code: "too_large",
      });
      await expect(sessions.create({ metadata: { long } })).rejects.toMatchObject({ code: "too_large" });
      expect(await sessions.count()).toBe(0);
    });
  });

  describe("setPhase", () => {
    it("moves the phase and leaves the rest", async () => {
      const sessions = newSessions();
      const before = await sessions.create({ messages: [text("m1")], metadata: { a: 1 } });
      const { revision, updatedAt } = await sessions.setPhase(before.id, "review");
      expect(await sessions.get(before.id)).toEqual({ ...before, phase: "review", revision, updatedAt });
    });

    it("from: only out of that phase", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create();
      await sessions.setPhase(id, "review", { from: "setup" });
      await expect(sessions.setPhase(id, "done", { from: "setup" })).rejects.toMatchObject(conflict);
      expect((await sessions.get(id))?.phase).toBe("review");
    });
  });

  describe("mergeMetadata", () => {
    it("is shallow: keys replace, null removes, nested nulls stay", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ metadata: { keep: 1, gone: 2, deep: { x: 1, y: 2 } } });
      const answer = await sessions.mergeMetadata(id, {
        gone: null,
        deep: { x: null },
        absent: null,
        new: [null],
      });
      expect(answer.metadata).toEqual({ keep: 1, deep: { x: null }, new: [null] });
      expect((await sessions.get(id))?.metadata).toEqual(answer.metadata);
    });

    it("ifMatch: each key must equal what is stored, null meaning absent", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ metadata: { a: 1, b: { c: [1, "x"] } } });
      for (const ifMatch of [{ a: 2 }, { a: 1, b: {} }, { a: null }, { z: 1 }, { a: "1" }]) {
        await expect(sessions.mergeMetadata(id, { a: 9 }, { ifMatch })).rejects.toMatchObject(conflict);
      }
      await sessions.mergeMetadata(id, { a: 3 }, { ifMatch: { a: 1, b: { c: [1, "x"] }, z: null } });
      await sessions.mergeMetadata(id, { a: 4 }, { ifMatch: {} });
      expect((await sessions.get(id))?.metadata).toEqual({ a: 4, b: { c: [1, "x"] } });
    });

    it("refuses metadata over maxSessionBytes and keeps what is there", async () => {
      const sessions = defineJourney({ maxSessionBytes: 1_000 }).forUser(database(), newUser());
      const { id } = await sessions.create({ metadata: { a: "x".repeat(600) } });
      await expect(sessions.mergeMetadata(id, { b: "y".repeat(600) })).rejects.toMatchObject({
        code: "too_large",
      });
      await sessions.mergeMetadata(id, { a: null, b: "y".repeat(600) });
      expect((await sessions.get(id))?.metadata).toEqual({ b: "y".repeat(600) });
    });

    it("many keys are merged and matched", async () => {
      const sessions = newSessions();
      const metadata = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key ${n}`, n]));
      const { id } = await sessions.create({ metadata });
      const { metadata: merged } = await sessions.mergeMetadata(id, metadata, { ifMatch: metadata });
      expect(merged).toEqual(metadata);
    });

    it.each(["__proto__", "constructor", "", "a.b", "$1", "':--"])(
      "a key named %j is a key like any other",
      async (key) => {
        const sessions = newSessions();
        const { id } = await sessions.create();
        const patch = JSON.parse(`{ ${JSON.stringify(key)}: { "x": 1 } }`);
        const { metadata } = await sessions.mergeMetadata(id, patch);
        expect(Object.entries(metadata)).toEqual([[key, { x: 1 }]]);
        await sessions.mergeMetadata(id, JSON.parse(`{ ${JSON.stringify(key)}: null }`), { ifMatch: patch });
        expect((await sessions.get(id))?.metadata).toEqual({});
      },
    );
  });

  describe("replaceMessages", () => {
    it("puts these messages in place of all others", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ messages: [text("m1"), text("m2")] });
      expect(await sessions.replaceMessages(id, [text("m3")])).toMatchObject({ messageCount: 1 });
      expect((await sessions.get(id))?.messages).toEqual([text("m3")]);
      expect(await sessions.replaceMessages(id, [])).toMatchObject({ messageCount: 0 });
      expect((await sessions.get(id))?.messages).toEqual([]);
    });

    it("refuses one id twice and too much, and keeps what is there", async () => {
      const sessions = defineJourney({ maxSessionBytes: 1_000 }).forUser(database(), newUser());
      const { id } = await sessions.create({ messages: [text("m1")] });
      await expect(sessions.replaceMessages(id, [text("a"), text("a")])).rejects.toMatchObject({
        code: "invalid_input",
      });
      await expect(sessions.replaceMessages(id, [text("a", "é".repeat(600))])).rejects.toMatchObject({
        code: "too_large",
      });
      expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
    });
  });

  describe("truncate", () => {
    it("drops the message and what follows", async () => {
      const sessions = newSessions();
      const { id } = await sessions.create({ messages: [text("m1"), text("m2"), text("m3")] });
      expect(await sessions.truncate(id, { from: "m2" })).toMatchObject({ messageCount: 1 });
      expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
      expect(await sessions.truncate(id, { from: "m1" })).toMatchObject({ messageCount: 0 });
    });

    it("an unknown message is not found and changes nothing", async () => {
      const sessions = newSessions();
      const before = await sessions.create({ messages: [text("m1")] });
      await expect(sessions.truncate(before.id, { from: "m2" })).rejects.toMatchObject(notFound);
      expect(await sessions.get(before.id)).toEqual(before);
    });
  });

  describe("fork", () => {
    it("copies phase, metadata and messages into a new session of the same user", async () => {
      const sessions = newSessions();
      const original = await sessions.create({
        phase: "review",
        metadata: { title: "plan" },
        messages: [text("m1"), text("m2"), text("m3")],
      });
      const whole = await sessions.fork(original.id);
      expect(whole).toMatchObject({
        phase: "review",
        metadata: { title: "plan" },
        messages: original.messages,
      });
      expect(whole.id).not.toBe(original.id);
      const id = randomUUID();
      await clockMoves(database());
      const part = await sessions.fork(original.id, { through: "m2", id });
      expect(part).toMatchObject({ id, messages: [text("m1"), text("m2")] });
      expect(await sessions.get(id)).toEqual(part);
      expect(await sessions.get(original.id)).toEqual(original);
      expect(await sessions.latest()).toEqual(part);
    });

    it("refuses an id that is taken, by the same user or by another, and an unknown message", async () => {
      const [sessions, other] = [newSessions(), newSessions()];
      const original = await sessions.create({ messages: [text("m1")] });
      const taken = [original.id, ...(ON_CLUSTER ? [] : [(await other.create()).id])];
      for (const id of taken)
        await expect(sessions.fork(original.id, { id })).rejects.toMatchObject(conflict);
      await expect(sessions.fork(original.id, { through: "m9" })).rejects.toMatchObject({
        ...notFound,
        message: "options.through: the session has no message with this id.",
      });
      await expect(sessions.fork(randomUUID())).rejects.toMatchObject(notFound);
      expect(await sessions.count()).toBe(1);
    });
  });

  describe("delete", () => {
    it("deletes one session, and returns false if there is none", async () => {
      const sessions = newSessions();
      const [a, b] = [await sessions.create(), await sessions.create()];
      expect(await sessions.delete(a.id)).toBe(true);
      expect(await sessions.delete(a.id)).toBe(false);
      expect((await sessions.list()).sessions.map(({ id }) => id)).toEqual([b.id]);
    });

    it("deleteAll erases one user's sessions and nobody else's", async () => {
      const [sessions, other] = [newSessions(), newSessions()];
      for (const _ of [1, 2, 3]) await sessions.create();
      await other.create();
      expect(await sessions.deleteAll()).toBe(3);
      expect(await sessions.deleteAll()).toBe(0);
      expect(await sessions.count()).toBe(0);
      expect(await other.count()).toBe(1);
    });

    it("an answer that ends after its session was deleted does not bring it back", async () => {
      const sessions = newSessions();
      const id = randomUUID();
      await sessions.append(id, text("m1"), { create: true });
      await sessions.delete(id);
      await expect(sessions.append(id, text("m2", "answer", "assistant"))).rejects.toMatchObject(notFound);
      expect(await sessions.get(id)).toBeNull();
    });
  });
});

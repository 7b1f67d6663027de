import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import * as z from "zod";
import type { JourneyMessage } from "../../src/index.js";
import { newUser } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { idsOf, text } from "../support/messages.js";

onOneDriver((database, { defineJourney, forUser }) => {
  const newSessions = () => forUser(database(), newUser());

  /** A session with the messages, and what is stored of it now. */
  async function sessionWith(...messages: JourneyMessage[]) {
    const sessions = newSessions();
    const { id } = await sessions.create({ messages });
    const stored = async () => (await sessions.get(id))?.messages ?? [];
    return { sessions, id, stored };
  }

  it("the first message makes the session", async () => {
    const sessions = newSessions();
    const id = randomUUID();
    const answer = await sessions.append(id, text("m1"), { create: true });
    expect(answer).toMatchObject({ id, created: true, messageCount: 1 });
    expect(await sessions.get(id)).toMatchObject({
      id,
      phase: "setup",
      metadata: {},
      messages: [text("m1")],
      revision: answer.revision,
      updatedAt: answer.updatedAt,
    });
  });

  it("create with metadata: a new session starts with it, and one that exists keeps its own", async () => {
    const sessions = newSessions();
    const id = randomUUID();
    const first = await sessions.append(id, text("m1"), { create: { metadata: { title: "Plan" } } });
    expect(first).toMatchObject({ created: true, messageCount: 1 });
    expect(await sessions.get(id)).toMatchObject({ metadata: { title: "Plan" }, messages: [text("m1")] });
    const again = await sessions.append(id, text("m2"), { create: { metadata: { title: "Other" } } });
    expect(again).toMatchObject({ created: false, messageCount: 2 });
    expect((await sessions.get(id))?.metadata).toEqual({ title: "Plan" });
    // Without metadata, it is what `true` is.
    const other = randomUUID();
    await sessions.append(other, [text("m1"), text("m2")], { create: {} });
    expect(await sessions.get(other)).toMatchObject({ metadata: {}, messages: [text("m1"), text("m2")] });
  });

  it("create with metadata: it is checked like that of create(), and nothing is stored if it is invalid", async () => {
    const metadata = z.object({ title: z.string() });
    const sessions = defineJourney({ metadata, maxSessionBytes: 1_000 }).forUser(database(), newUser());
    const id = randomUUID();
    const append = (metadata: unknown) =>
      sessions.append(id, text("m1"), { create: { metadata: metadata as { title: string } } });
    await expect(append({ title: 5 })).rejects.toMatchObject({
      code: "invalid_input",
      message: "options.create.metadata.title: expected string",
    });
    await expect(append({ title: "x".repeat(990) })).rejects.toMatchObject({ code: "too_large" });
    await expect(append({ title: "\u0001".repeat(900) })).rejects.toMatchObject({ code: "too_large" });
    expect(await sessions.get(id)).toBeNull();
    // Digits that only the server can measure: refused in the same way, whether or not the session exists.
    const digits = { title: "t", a: Array(110).fill(1 / 3) };
    await expect(append(digits)).rejects.toMatchObject({ code: "too_large" });
    await sessions.append(id, text("m0"), { create: true });
    await expect(append(digits)).rejects.toMatchObject({ code: "too_large", retryable: false });
    const wrong = { create: { metadat: {} } } as object;
    await expect(sessions.append(id, text("m1"), wrong)).rejects.toMatchObject({
      code: "invalid_input",
      message: 'options.create: has a key that is not expected here: "metadat"',
    });
  });

  it("create with metadata: its limits are not the conversation's", async () => {
    const sessions = defineJourney({ maxSessionBytes: 20_000 }).forUser(database(), newUser());
    const { id } = await sessions.create({ messages: [text("m1")], metadata: {} });
    const numbers = { ...text("m2"), metadata: Array(100).fill(1e300) };
    await sessions.append(id, numbers);
    await sessions.append(id, text("m3", "x".repeat(15_000)));
    const wide = { create: { metadata: { a: Array(20).fill(1e300) } } };
    expect(await sessions.append(id, text("m4"), wide)).toMatchObject({ created: false });
    const nearlyAll = { create: { metadata: { a: "x".repeat(19_000) } }, leaveRoom: true };
    expect(await sessions.append(randomUUID(), text("m1"), nearlyAll)).toMatchObject({ created: true });
  });

  it("the first message starts in the first of the application's phases", async () => {
    const sessions = defineJourney({ phases: ["intro", "review"] }).forUser(database(), newUser());
    const id = randomUUID();
    await sessions.append(id, text("m1"), { create: true });
    expect((await sessions.get(id))?.phase).toBe("intro");
  });

  it("without create, a session that is not there is not found and not made", async () => {
    const sessions = newSessions();
    await expect(sessions.append(randomUUID(), text("m1"))).rejects.toMatchObject({ code: "not_found" });
    expect(await sessions.count()).toBe(0);
  });

  it("with create, an existing session is appended to and keeps its phase and metadata", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"));
    await sessions.setPhase(id, "review");
    await sessions.mergeMetadata(id, { goal: "launch" });
    expect(await sessions.append(id, text("m2"), { create: true })).toMatchObject({
      created: false,
      messageCount: 2,
    });
    expect(idsOf(await stored())).toEqual(["m1", "m2"]);
    expect(await sessions.get(id)).toMatchObject({ phase: "review", metadata: { goal: "launch" } });
  });

  it("a repeated call leaves the messages as they are", async () => {
    const { sessions, id, stored } = await sessionWith();
    for (const _ of [1, 2, 3]) await sessions.append(id, [text("m1"), text("m2")], { create: true });
    for (const _ of [1, 2]) await sessions.append(id, [text("m1"), text("m2")]);
    expect(await stored()).toEqual([text("m1"), text("m2")]);
  });

  it("a known message is replaced in its place and new ones go to the end in their order", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"), text("m2"), text("m3"));
    const answer = await sessions.append(id, [
      text("m5"),
      text("m2", "longer"),
      text("m4"),
      text("m1", "other"),
    ]);
    expect(answer.messageCount).toBe(5);
    expect(await stored()).toEqual([
      text("m1", "other"),
      text("m2", "longer"),
      text("m3"),
      text("m5"),
      text("m4"),
    ]);
  });

  it("refuses no message, and one id twice", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"));
    await expect(sessions.append(id, [])).rejects.toMatchObject({
      code: "invalid_input",
      message: "messages: expected at least 1 message",
    });
    await expect(sessions.append(id, [text("a"), text("b"), text("a")])).rejects.toMatchObject({
      code: "invalid_input",
      message: "messages[2].id: expected each id once",
    });
    expect(idsOf(await stored())).toEqual(["m1"]);
  });

  it("after: appends only if the conversation ends with that message", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"), text("m2"));
    await expect(sessions.append(id, text("m3"), { after: "m1" })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(sessions.append(id, text("m3"), { after: null })).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(sessions.append(id, text("m3"), { after: "m9" })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(idsOf(await stored())).toEqual(["m1", "m2"]);
    await sessions.append(id, text("m3"), { after: "m2" });
    expect(idsOf(await stored())).toEqual(["m1", "m2", "m3"]);
  });

  it("after: looks past the messages of the call, so that a repeated call still holds", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"));
    for (const _ of [1, 2]) await sessions.append(id, [text("m2"), text("m3")], { after: "m1" });
    expect(idsOf(await stored())).toEqual(["m1", "m2", "m3"]);
    await expect(sessions.append(id, text("m2"), { after: "m1" })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("after: null with create creates the session, can be repeated, and refuses a conversation that has begun", async () => {
    const sessions = newSessions();
    const id = randomUUID();
    for (const created of [true, false]) {
      expect(await sessions.append(id, text("m1"), { create: true, after: null })).toMatchObject({ created });
    }
    await expect(sessions.append(id, text("m2"), { create: true, after: null })).rejects.toMatchObject({
      code: "conflict",
    });
    expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
  });

  it("create does not create a session if there is another precondition", async () => {
    const sessions = newSessions();
    const { revision } = await sessions.create();
    for (const option of [{ after: "m1" }, { from: "m1" }, { ifRevision: revision }]) {
      await expect(
        sessions.append(randomUUID(), text("m2"), { create: true, ...option }),
      ).rejects.toMatchObject({
        code: "not_found",
      });
    }
    expect(await sessions.count()).toBe(1);
  });

  it("from: drops that message and what follows, then appends", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"), text("m2"), text("m3"));
    expect(await sessions.append(id, text("m2b"), { from: "m2" })).toMatchObject({ messageCount: 2 });
    expect(idsOf(await stored())).toEqual(["m1", "m2b"]);
    await sessions.append(id, text("m2b", "edited"), { from: "m2b" });
    expect(await stored()).toEqual([text("m1"), text("m2b", "edited")]);
    await sessions.append(id, text("m0"), { from: "m1" });
    expect(idsOf(await stored())).toEqual(["m0"]);
  });

  it("from: a message of the call that stays is replaced in its place, one that was dropped goes to the end", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"), text("m2"), text("m3"));
    await sessions.append(id, [text("m3", "again"), text("m1", "edited")], { from: "m2" });
    expect(await stored()).toEqual([text("m1", "edited"), text("m3", "again")]);
  });

  it("from: an unknown message is not found and changes nothing", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"));
    await expect(sessions.append(id, text("m2"), { from: "m9" })).rejects.toMatchObject({
      code: "not_found",
      message: "options.from: the session has no message with this id.",
    });
    expect(idsOf(await stored())).toEqual(["m1"]);
  });

  it("after and from together: after is looked at before anything is dropped", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"), text("m2"));
    await expect(sessions.append(id, text("m3"), { from: "m2", after: "m1" })).rejects.toMatchObject({
      code: "conflict",
    });
    await sessions.append(id, text("m3"), { from: "m2", after: "m2" });
    expect(idsOf(await stored())).toEqual(["m1", "m3"]);
  });

  it("ifRevision: writes only on the revision that the caller saw", async () => {
    const { sessions, id, stored } = await sessionWith(text("m1"));
    const seen = (await sessions.get(id))?.revision;
    const next = await sessions.append(id, text("m2"), { ifRevision: seen });
    await expect(sessions.append(id, text("m3"), { ifRevision: seen })).rejects.toMatchObject({
      code: "conflict",
    });
    await sessions.append(id, text("m4"), { ifRevision: next.revision });
    expect(idsOf(await stored())).toEqual(["m1", "m2", "m4"]);
  });

  it("thousands of messages go to a long conversation, known ones in their place", async () => {
    const { sessions, id } = await sessionWith(
      ...Array.from({ length: 40_000 }, (_, n) => text(`m${n}`, "")),
    );
    const added = Array.from({ length: 10_000 }, (_, n) => text(`m${n + 35_000}`, "again"));
    for (const create of [false, true]) {
      expect(await sessions.append(id, added, { create })).toMatchObject({ messageCount: 45_000 });
    }
    const page = await sessions.messages(id, { limit: 1000, before: "m35500" });
    expect(page.messages[499]).toEqual(text("m34999", ""));
    expect(page.messages[500]).toEqual(text("m35000", "again"));
  });
});

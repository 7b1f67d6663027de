import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";

// Of the column layout: with messages in rows a conversation has no size.
onOneDriver((database, { defineJourney, forUser }) => {
  it("bytes is the size of the conversation as jsonb", async () => {
    const sessions = forUser(database(), newUser());
    const { id } = await sessions.create({ messages: [text("m1")] });
    const before = (await sessions.append(id, text("m2", "x"))).bytes;
    expect((await sessions.append(id, text("m2", "x".repeat(50_001)))).bytes).toBeGreaterThanOrEqual(
      before + 50_000,
    );
    expect((await sessions.append(id, text("m2", "x"))).bytes).toBe(before);
  });

  it("leaveRoom keeps an eighth of maxSessionBytes free, or 64 KiB", async () => {
    for (const [maxSessionBytes, room] of [
      [8_000, 1_000],
      [800_000, 65_536],
    ] as const) {
      const sessions = defineJourney({ maxSessionBytes }).forUser(database(), newUser());
      const id = randomUUID();
      const { bytes } = await sessions.append(id, text("m1"), { create: true, leaveRoom: true });
      // As much as leaves the room, of a message as long as the first but for its text.
      const rest = (await sessions.append(id, text("m2", ""))).bytes - bytes;
      const free = maxSessionBytes - room - bytes - rest;
      const append = (length: number) =>
        sessions.append(id, text("m2", "x".repeat(length)), { leaveRoom: true });
      await expect(append(free + 8)).rejects.toMatchObject({ code: "too_large" });
      expect((await append(free - 8)).bytes).toBeLessThanOrEqual(maxSessionBytes - room);
      await sessions.append(id, text("m2", "x".repeat(free + room - 8)));
    }
  });

  it("a session over maxSessionBytes refuses the append and keeps what it has", async () => {
    const small = defineJourney({ maxSessionBytes: 2_000 });
    const sessions = small.forUser(database(), newUser());
    const id = randomUUID();
    // Of 2 bytes each, so that it is the server that finds it too large.
    await expect(sessions.append(id, text("m1", "é".repeat(990)), { create: true })).rejects.toMatchObject({
      code: "too_large",
    });
    expect(await sessions.count()).toBe(0);
    await sessions.append(id, text("m1", "x".repeat(1_000)), { create: true });
    for (const create of [true, false]) {
      await expect(sessions.append(id, text("m2", "y".repeat(1_000)), { create })).rejects.toMatchObject({
        code: "too_large",
      });
    }
    expect((await sessions.get(id))?.messages).toEqual([text("m1", "x".repeat(1_000))]);
    // In place of the long one there is room.
    expect(await sessions.append(id, text("m1", "z".repeat(1_500)))).toMatchObject({ messageCount: 1 });
    await sessions.append(id, text("m2", "y".repeat(1_500)), { from: "m1" });
    expect((await sessions.get(id))?.messages).toEqual([text("m2", "y".repeat(1_500))]);
  });

  it("compression does not hide the size", async () => {
    const sessions = defineJourney({ maxSessionBytes: 100_000 }).forUser(database(), newUser());
    const { id } = await sessions.create({ messages: [text("m1", "x".repeat(60_000))] });
    await expect(sessions.append(id, text("m2", "x".repeat(60_000)))).rejects.toMatchObject({
      code: "too_large",
    });
  });
});

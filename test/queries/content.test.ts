import { expect, it } from "vitest";
import { newUser } from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { nastyStrings, oddMessages, text, uiMessages } from "../support/messages.js";
import { storable } from "../support/storable.js";

const isStorable = (value: string) => storable(value) === value;

onEveryDriver((database, { defineJourney, forUser }) => {
  const newSessions = () => forUser(database(), newUser());

  it("AI SDK messages with parts of every kind come back as they went in", async () => {
    const messages = uiMessages.filter(({ id }) => id.length <= 256);
    const sessions = newSessions();
    const { id } = await sessions.create();
    for (const message of messages) await sessions.append(id, message);
    expect((await sessions.get(id))?.messages).toEqual(messages);
    expect((await sessions.messages(id)).messages).toEqual(messages);
    await sessions.replaceMessages(id, messages.slice(2));
    expect((await sessions.get(id))?.messages).toEqual(messages.slice(2));
  });

  it("an id of 256 characters is stored, a longer one is refused", async () => {
    const sessions = newSessions();
    const { id } = await sessions.create({ messages: [text("i".repeat(256))] });
    const tooLong = [...uiMessages.filter((message) => message.id.length > 256), text("i".repeat(257))];
    expect(tooLong).toHaveLength(2);
    for (const message of tooLong) {
      await expect(sessions.append(id, message)).rejects.toMatchObject({
        code: "invalid_input",
        message: "messages[0].id: expected 1 to 256 characters of well-formed text without U+0000",
      });
    }
    expect((await sessions.get(id))?.messages).toEqual([text("i".repeat(256))]);
  });

  it.each(oddMessages)("$why: $expect", async ({ message, expect: outcome }) => {
    const sessions = newSessions();
    const { id } = await sessions.create();
    const append = sessions.append(id, [message as never]);
    if (outcome === "refused") {
      await expect(append).rejects.toMatchObject({ code: "invalid_input", message: /^messages(\[0\])?/ });
    } else {
      await append;
    }
    expect((await sessions.get(id))?.messages).toEqual(outcome === "refused" ? [] : [message]);
  });

  it("any text in a message, a key or metadata comes back, with U+FFFD for what jsonb cannot hold", async () => {
    const sessions = newSessions();
    const messages = nastyStrings.map((value, n) => ({
      ...text(`m${n}`, value),
      metadata: { [`k${value}`]: [value] },
    }));
    const metadata = Object.fromEntries(nastyStrings.map((value, n) => [`${n} ${value}`, value]));
    const { id } = await sessions.create({ messages, metadata });
    const stored = await sessions.get(id);
    expect(stored?.messages).toEqual(
      nastyStrings.map((value, n) => ({
        ...text(`m${n}`, storable(value)),
        metadata: { [`k${storable(value)}`]: [storable(value)] },
      })),
    );
    expect(stored?.metadata).toEqual(
      Object.fromEntries(nastyStrings.map((value, n) => [`${n} ${storable(value)}`, storable(value)])),
    );
  });

  it('unstorable: "reject" refuses that text, naming the path', async () => {
    const sessions = defineJourney({ unstorable: "reject" }).forUser(database(), newUser());
    const { id } = await sessions.create();
    const rule = "expected well-formed text without U+0000";
    await expect(sessions.append(id, text("m1", "a\0b"))).rejects.toMatchObject({
      code: "invalid_input",
      message: `messages[0].parts[0].text: ${rule}`,
    });
    await expect(sessions.mergeMetadata(id, { ok: 1, "secret\ud800": 1 })).rejects.toMatchObject({
      message: `patch.<key 2>: ${rule}`,
    });
    await sessions.append(id, text("m1", "the six characters \\u0000"));
    expect((await sessions.get(id))?.messages).toEqual([text("m1", "the six characters \\u0000")]);
  });

  it("two keys that U+FFFD would make one are refused", async () => {
    const sessions = newSessions();
    await expect(sessions.create({ metadata: { "a\0": 1, "a\ud800": 2 } })).rejects.toMatchObject({
      code: "invalid_input",
    });
    expect(await sessions.count()).toBe(0);
  });

  it("any well-formed text is a user id, a message id and a phase of its own", async () => {
    for (const value of nastyStrings) {
      const usable = isStorable(value) && value.length > 0;
      const asUser = usable && value === value.trim() && value.length <= 255;
      if (!asUser) {
        expect(() => forUser(database(), value)).toThrow(expect.objectContaining({ code: "invalid_input" }));
      }
      const sessions = forUser(database(), asUser ? value : newUser());
      const messages = [text("first"), text(usable ? value : "m1"), text("last")];
      const phase = usable && value.length <= 100 ? value : "setup";
      const { id, userId } = await sessions.create({ messages, phase });
      if (asUser) expect(userId).toBe(value);
      expect(await sessions.get(id)).toMatchObject({ messages, phase });
      expect((await sessions.list({ phase })).sessions.map((session) => session.id)).toContain(id);
      if (usable) {
        expect(await sessions.append(id, text(value, "again"))).toMatchObject({ messageCount: 3 });
        expect((await sessions.messages(id, { before: value })).messages).toEqual([text("first")]);
        expect(await sessions.append(id, text("more"), { from: value, after: "last" })).toMatchObject({
          messageCount: 2,
        });
      } else {
        await expect(sessions.append(id, text(value))).rejects.toMatchObject({ code: "invalid_input" });
        await expect(sessions.truncate(id, { from: value })).rejects.toMatchObject({ code: "invalid_input" });
      }
      expect(await sessions.deleteAll()).toBe(1);
    }
  });

  it("undefined properties are dropped, Dates become ISO strings, numbers keep their value", async () => {
    const sessions = newSessions();
    const at = new Date("2026-05-01T10:00:00.123Z");
    const metadata = {
      at,
      gone: undefined,
      list: [at, [undefined].length, -0, 1e21, 5e-324, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER],
    };
    const { id } = await sessions.create({ metadata });
    expect((await sessions.get(id))?.metadata).toEqual({
      at: at.toISOString(),
      list: [at.toISOString(), 1, 0, 1e21, 5e-324, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER],
    });
  });

  it("500 levels of JSON are stored, 501 are refused", async () => {
    const sessions = newSessions();
    const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels));
    // The metadata object itself is the first level.
    const { id } = await sessions.create({ metadata: { a: nested(499) } });
    expect((await sessions.get(id))?.metadata).toEqual({ a: nested(499) });
    await expect(sessions.create({ metadata: { a: nested(500) } })).rejects.toMatchObject({
      code: "invalid_input",
    });
    await expect(sessions.create({ metadata: { a: nested(100_000) } })).rejects.toMatchObject({
      code: "invalid_input",
    });
  });
});

import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { newUser } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { text } from "../support/messages.js";
import { CASES, conversation } from "../support/verbs.js";

const fullWidth = (id: string) => id.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)));

/** What PostgreSQL would take for the same uuid, and what only looks like it. */
const spellings: [name: string, of: (id: string) => string][] = [
  ["braces", (id) => `{${id}}`],
  ["no hyphens", (id) => id.replaceAll("-", "")],
  ["hyphens after each four digits", (id) => (id.replaceAll("-", "").match(/.{4}/g) ?? []).join("-")],
  ["urn:uuid:", (id) => `urn:uuid:${id}`],
  ["0x", (id) => `0x${id.replaceAll("-", "")}`],
  ["a space before", (id) => ` ${id}`],
  ["a space after", (id) => `${id} `],
  ["a line end after", (id) => `${id}\n`],
  ["U+FEFF before", (id) => `\ufeff${id}`],
  ["a no-break space after", (id) => `${id}\u00a0`],
  ["U+0000 after", (id) => `${id}\0`],
  ["a zero-width space inside", (id) => `${id.slice(0, 4)}\u200b${id.slice(4)}`],
  ["full-width digits", fullWidth],
  ["non-breaking hyphens", (id) => id.replaceAll("-", "\u2011")],
  ["a digit less", (id) => id.slice(0, -1)],
  ["a digit more", (id) => `${id}0`],
  ["a letter that is no digit", (id) => `g${id.slice(1)}`],
];

onOneDriver((database) => {
  it("upper and lower case of a uuid name one session, in every call", async () => {
    const sessions = forUser(database(), newUser());
    const upper = crypto.randomUUID().toUpperCase();
    const id = upper.toLowerCase();
    const mixed = upper.slice(0, 18) + id.slice(18);
    expect(await sessions.create({ id: upper, messages: [text("m1")] })).toMatchObject({ id });
    for (const same of [id, mixed]) {
      expect(await errorOf(sessions.create({ id: same }))).toMatchObject({ code: "conflict" });
      expect(await errorOf(sessions.fork(id, { id: same }))).toMatchObject({ code: "conflict" });
    }
    expect(await sessions.append(mixed, text("m2"), { create: true })).toMatchObject({ id, created: false });
    expect(await sessions.setPhase(upper, "review")).toMatchObject({ id });
    expect(await sessions.mergeMetadata(mixed, { a: 1 })).toMatchObject({ id });
    expect(await sessions.truncate(upper, { from: "m2" })).toMatchObject({ id, messageCount: 1 });
    expect(await sessions.replaceMessages(mixed, [text("m3")])).toMatchObject({ id });
    expect((await sessions.messages(upper)).messages).toEqual([text("m3")]);
    const session = await sessions.get(id);
    expect(session).toMatchObject({ id, phase: "review", metadata: { a: 1 } });
    expect(await sessions.get(upper)).toEqual(session);
    expect(await sessions.get(mixed)).toEqual(session);
    expect(await sessions.count()).toBe(1);
    const copy = crypto.randomUUID();
    expect(await sessions.fork(upper, { id: copy.toUpperCase() })).toMatchObject({ id: copy });
    expect(await sessions.delete(mixed)).toBe(true);
    expect(await sessions.get(upper)).toBeNull();
  });

  it.each(spellings)("a uuid with %s is refused, and its session is not touched", async (_, spelled) => {
    const sessions = forUser(database(), newUser());
    const given = await conversation(sessions);
    const session = await sessions.get(given.id);
    const other = spelled(given.id);
    let refused = 0;
    for (const { name, call, args } of CASES) {
      for (const key of ["id", "newId"] as const) {
        if (!JSON.stringify(args(given)).includes(given[key])) continue;
        const error = await errorOf(call(sessions, { ...given, [key]: other }));
        expect(error, name).toMatchObject({ code: "invalid_input" });
        expect(error.message).toMatch(/^(session\.|options\.)?id: expected 8-4-4-4-12 hexadecimal digits$/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(await sessions.get(given.id)).toEqual(session);
    expect(await sessions.count()).toBe(1);
  });

  it("a user id with a lone surrogate is refused, wherever it stands: the drivers would turn two of them into one", async () => {
    const owner = newUser();
    // Sent to the server, each of these would have become this one.
    const victim = forUser(database(), `${owner}\ufffd`);
    const session = await victim.create();
    for (const half of ["\ud800", "\udbff", "\udc00", "\udfff", "\ude00\ud83d"]) {
      for (const userId of [`${owner}${half}`, `${half}${owner}`, `a${half}b`]) {
        expect(() => forUser(database(), userId)).toThrow(
          expect.objectContaining({
            code: "invalid_input",
            message: expect.stringMatching(/^userId: expected 1 to 255 characters of well-formed text/),
          }),
        );
      }
    }
    expect(await victim.get(session.id)).toEqual(session);
    // A whole pair is a character like any other.
    expect(await forUser(database(), `${owner}\ud83d\ude00`).count()).toBe(0);
  });
});

import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defineJourney } from "../../src/index.js";
import { journeySessions } from "../../src/schema-zod.js";
import { toJson } from "../../src/validation/json.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { onOneDriver } from "../support/drivers.js";
import { text } from "../support/messages.js";

const LIMIT = 10_000;
type Sessions = ReturnType<ReturnType<typeof defineJourney>["forUser"]>;

/** Of a message, in 12 bytes of jsonb and 310 of text each. */
const numbers = (id: string, count: number) => ({
  id,
  role: "assistant" as const,
  parts: [{ type: "data-numbers", data: new Array<number>(count).fill(1e308) }],
});
const prose = (id: string, length: number) => text(id, "so it was ".repeat(length / 10));

onOneDriver((database, { defineJourney }) => {
  const open = () => defineJourney({ maxSessionBytes: LIMIT }).forUser(database(), newUser());
  const textBytes = async (id: string) => {
    const [row] = await database()
      .select({
        messages: sql<number>`octet_length(${journeySessions.messages}::text)`,
        metadata: sql<number>`octet_length(${journeySessions.metadata}::text)`,
      })
      .from(journeySessions)
      .where(sql`${journeySessions.id} = ${id}`);
    return row ?? { messages: 0, metadata: 0 };
  };
  const tooLarge = { code: "too_large", retryable: false };
  const asText = { ...tooLarge, message: expect.stringContaining("2 times as many as text") };

  it("what is small as jsonb and large as text is refused by every write", async () => {
    const sessions = open();
    const large = numbers("m9", 100);
    const metadata = { a: new Array(100).fill(1e308) };
    const { id } = await sessions.create({ messages: [text("m1")], metadata: { a: 1 } });
    const calls = [
      () => sessions.append(id, large),
      () => sessions.append(id, [text("m8"), large]),
      () => sessions.append(id, large, { from: "m1" }),
      () => sessions.append(id, large, { create: true }),
      () => sessions.append(randomUUID(), large, { create: true }),
      () => sessions.replaceMessages(id, [large]),
      () => sessions.create({ messages: [large] }),
      () => sessions.create({ metadata }),
      () => sessions.mergeMetadata(id, metadata),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject(tooLarge);
    expect(await sessions.get(id)).toMatchObject({ messages: [text("m1")], metadata: { a: 1 } });
    expect(await sessions.count()).toBe(1);
  });

  it("so is what adds up to it, by every write, and the session keeps what it has", async () => {
    const sessions = open();
    const half = numbers("m1", 40);
    const metadata = { a: new Array(40).fill(1e308) };
    const { id } = await sessions.create({ messages: [half], metadata });
    const calls = [
      () => sessions.append(id, numbers("m2", 40)),
      () => sessions.append(id, [numbers("m2", 20), numbers("m3", 20)]),
      () => sessions.append(id, numbers("m2", 40), { create: true }),
      () => sessions.append(id, [numbers("m2", 20), numbers("m3", 20)], { create: true }),
      () => sessions.mergeMetadata(id, { b: metadata.a }),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject(asText);
    expect(await sessions.get(id)).toMatchObject({ messages: [half], metadata });
    // In its place there is room.
    await sessions.append(id, numbers("m1", 60));
    await sessions.mergeMetadata(id, { a: null, b: metadata.a });
  });

  it("no order of writes makes a text of more than four times the limit", async () => {
    const sessions = open();
    const { id } = await sessions.create();
    const refused = () => "refused";
    for (let n = 0; (await sessions.append(id, numbers(`n${n}`, 5)).catch(refused)) !== "refused"; n++);
    for (let n = 0; (await sessions.append(id, prose(`p${n}`, 500)).catch(refused)) !== "refused"; n++);
    expect((await textBytes(id)).messages).toBeGreaterThan(2 * LIMIT);
    expect((await textBytes(id)).messages).toBeLessThan(4 * LIMIT);
  });

  it("a number of any size is taken where all is within twice the limit as text", async () => {
    const sessions = open();
    const { id } = await sessions.create({ messages: [prose("m1", 9000)] });
    const kept = [1e308, -1.5e300, 5e-324, 1e21, 1.7976931348623157e308];
    const message = { ...text("m2"), parts: [{ type: "data-numbers", data: kept }] };
    await sessions.append(id, message);
    await sessions.append(id, [message, text("m3")], { leaveRoom: false });
    expect((await sessions.get(id))?.messages[1]).toEqual(message);
  });

  it("a precondition that does not hold is told as of any other message", async () => {
    const sessions = open();
    const { id } = await sessions.create({ messages: [text("m1")] });
    const wide = numbers("m2", 5);
    const calls = [
      [() => sessions.append(id, wide, { from: "none" }), "not_found"],
      [() => sessions.append(id, [wide, text("m3")], { from: "none" }), "not_found"],
      [() => sessions.append(id, wide, { after: "none" }), "conflict"],
      [() => sessions.append(id, wide, { after: null, create: true }), "conflict"],
      [() => sessions.append(randomUUID(), [wide, text("m3")], { from: "m1" }), "not_found"],
      [() => sessions.mergeMetadata(id, { a: [1e308, 1e308] }, { ifMatch: { b: 1 } }), "conflict"],
    ] as const;
    for (const [call, code] of calls) await expect(call()).rejects.toMatchObject({ code });
    expect((await sessions.get(id))?.messages).toEqual([text("m1")]);
  });

  it("control characters count as text too", async () => {
    const sessions = open();
    const { id } = await sessions.create();
    await expect(sessions.append(id, text("m1", "\u0001".repeat(4000)))).rejects.toMatchObject(tooLarge);
    await sessions.append(id, text("m1", "\u0001".repeat(3000)));
  });

  it("keys are removed and replaced the same, however many there are", async () => {
    const sessions = defineJourney().forUser(database(), newUser());
    const keys = (count: number, value: (n: number) => unknown) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`key number ${n}`, value(n)]));
    const nested = { z: null, a: [1, "x", { y: null }], "1e400": 1e-300 };
    const stored = { ...keys(3000, (n) => [n, "x", nested]), kept: null, nested };
    const { id } = await sessions.create({ metadata: stored });
    // Of every third the value is replaced, of every third it goes.
    const patch = { ...keys(4000, (n) => [n, nested, null][n % 3]), absent: null };
    const merged = Object.entries({ ...stored, ...patch }).filter(
      ([key, value]) => !(key in patch) || value !== null,
    );
    const { metadata } = await sessions.mergeMetadata(id, patch);
    expect(metadata).toEqual(Object.fromEntries(merged));
    expect((await sessions.get(id))?.metadata).toEqual(metadata);
    await sessions.mergeMetadata(id, { done: true }, { ifMatch: metadata });
    const nothing = keys(4000, () => null);
    expect((await sessions.mergeMetadata(id, nothing)).metadata).toEqual({ kept: null, nested, done: true });
  });
});

describe("over postgres.js", () => {
  it("the size of what PostgreSQL writes is computed exactly", async () => {
    const raw = rawClient(await migratedDatabase());
    const rules = { unstorable: "replace" as const, maxBytes: 1e9, knownKeys: new Set<string>() };
    const number = fc.oneof(fc.double({ noDefaultInfinity: true, noNaN: true }), fc.integer());
    const any = fc.letrec<{ json: unknown }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        number,
        fc.string({ unit: "binary" }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("json")),
        fc.dictionary(fc.string(), tie("json"), { noNullPrototype: true }),
      ),
    })).json;
    const property = fc.asyncProperty(any, async (value) => {
      const { text, textBytes, isWide } = toJson(value, "field", rules);
      const [row] = await raw<{ text: number; jsonb: number }[]>`
        select octet_length((${text}::text::jsonb)::text) as text, pg_column_size(${text}::text::jsonb) as jsonb`;
      // A character that is no ASCII has the same bytes in both.
      expect(row?.text).toBe(textBytes + Buffer.byteLength(text) - text.length);
      if (!isWide) expect(row?.text).toBeLessThanOrEqual(2 * (row?.jsonb ?? 0));
    });
    await fc.assert(property, { numRuns: 300 });
  });

  it("the text is made only of a call that brings more of it than is usual", async () => {
    const url = await migratedDatabase();
    await rawClient(url).unsafe(`
      create function octet_length(text) returns int language plpgsql as 'begin raise ''made''; end';
      alter database ${new URL(url).pathname.slice(1)} set search_path = public, pg_catalog`);
    const sessions = defineJourney({ maxSessionBytes: LIMIT }).forUser(openPostgresJs(url), newUser());
    const { id } = await sessions.create({ messages: [text("m1")], metadata: { a: 1e20 } });
    await sessions.append(id, text("m2"));
    await sessions.append(id, [text("m2"), text("m3")]);
    await sessions.append(id, text("m2"), { create: true });
    await sessions.replaceMessages(id, [prose("m1", 9000)]);
    await expect(sessions.append(id, prose("m2", 2000))).rejects.toMatchObject({ code: "too_large" });
    await sessions.mergeMetadata(id, { a: null, b: 2 });
    const made = { code: "internal", sqlState: "P0001" };
    await expect(sessions.append(id, numbers("m4", 1))).rejects.toMatchObject(made);
    await expect(sessions.create({ messages: [numbers("m4", 5)] })).rejects.toMatchObject(made);
  });

  // In a time that grows with the square of the size, each would be ended by the call's own deadline.
  it.each([
    [
      "100,000 keys that are removed",
      async ({ create, mergeMetadata }: Sessions) => {
        const keys = (value: unknown) =>
          Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`key number ${n}`, value]));
        const { id } = await create({ metadata: keys(1) });
        expect((await mergeMetadata(id, keys(null))).metadata).toEqual({});
      },
    ],
    [
      "a message with 40,000 keys that is replaced beside another",
      async ({ create, append }: Sessions) => {
        const keys = Array.from({ length: 40_000 }, (_, n) => [`${"key ".repeat(15)}${n}`, n]);
        const large = { ...text("m1"), parts: [{ type: "data-keys", data: Object.fromEntries(keys) }] };
        const { id } = await create({ messages: [large] });
        expect(await append(id, [large, text("m2")])).toMatchObject({ messageCount: 2 });
      },
    ],
  ])("%s take no longer than a call may", async (_, call) => {
    await call(defineJourney().forUser(openPostgresJs(await migratedDatabase()), newUser()));
  });
});

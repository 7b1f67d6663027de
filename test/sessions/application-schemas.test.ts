import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineJourney } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";

const db = openPostgresJs(await migratedDatabase());
const owner = newUser();
const secret = "what the user wrote";

describe("an application's own schemas", () => {
  const message = z.object({
    id: z.string(),
    role: z.enum(["user", "assistant"]),
    parts: z.array(z.object({ type: z.literal("text"), text: z.string().max(20) })),
    metadata: z.object({ model: z.string().transform((model) => model.toUpperCase()) }).optional(),
  });
  const metadata = z.strictObject({ goal: z.string(), step: z.number().optional() });
  const journey = defineJourney({ message, metadata, phases: ["intro", "review"] });
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const own: any = journey.forUser(db, `${owner}-own`);

  it("refuse what they do not allow, naming declared fields only", async () => {
    const session = randomUUID();
    await expect(own.append(session, text("m1", "x".repeat(21)), { create: true })).rejects.toMatchObject({
      code: "invalid_input",
      message: "messages[0].parts[0].text: expected at most 20 characters",
    });
    await expect(own.append(session, text("m1", secret, "system"), { create: true })).rejects.toThrow(
      "role: expected",
    );
    await expect(own.create({ metadata: { goal: 5 } })).rejects.toThrow(
      "session.metadata.goal: expected string",
    );
    await expect(own.create({ metadata: { goal: "x", [secret]: 1 } })).rejects.toThrow(
      "session.metadata: has a key that is not expected here",
    );
    await expect(own.setPhase(session, "done")).rejects.toThrow('phase: expected "intro" or "review"');
    await expect(own.list({ phase: "done" })).rejects.toThrow('options.phase: expected "intro" or "review"');
    expect(await own.count()).toBe(0);
  });

  it("store the input, not their output", async () => {
    const given = { ...text("m1"), metadata: { model: "small" }, extra: true };
    const { id: session } = await own.create({ messages: [given] });
    expect((await own.get(session))?.messages).toEqual([given]);
  });

  it("look at a patch only where it changes a key", async () => {
    const { id: session } = await own.create({ metadata: { goal: "x" } });
    await own.mergeMetadata(session, { step: 2 });
    await own.mergeMetadata(session, { step: null });
    await expect(own.mergeMetadata(session, { step: "2" })).rejects.toThrow("patch.step: expected number");
    await expect(own.mergeMetadata(session, { goal: null })).rejects.toThrow("patch.goal: expected string");
    await expect(own.mergeMetadata(session, { [secret]: 1 })).rejects.toThrow("patch: has a key that is not");
    await own.mergeMetadata(session, { step: 1 }, { ifMatch: { step: null, goal: "x" } });
    expect((await own.get(session))?.metadata).toEqual({ goal: "x", step: 1 });
  });

  it("let ifMatch ask for the absence of any key, which a session that append made has not", async () => {
    const session = randomUUID();
    await own.append(session, text("m1"), { create: true });
    await own.mergeMetadata(session, { goal: "x" }, { ifMatch: { goal: null } });
    await expect(
      own.mergeMetadata(session, { goal: "y" }, { ifMatch: { goal: null } }),
    ).rejects.toMatchObject({
      code: "conflict",
    });
    const refused = own.mergeMetadata(session, { goal: "y" }, { ifMatch: { goal: 5 } });
    await expect(refused).rejects.toThrow("options.ifMatch.goal: expected string");
  });

  it("may be asynchronous to no avail: that is said", async () => {
    const slow = defineJourney({ message: z.custom<never>(async () => true) });
    await expect(slow.forUser(db, owner).append(randomUUID(), text("m1") as never)).rejects.toMatchObject({
      code: "invalid_input",
      message: "messages[0]: expected a synchronous schema",
    });
  });

  it("take undefined in a patch as a key that is not there", async () => {
    const { id: session } = await own.create({ metadata: { goal: "x" } });
    await own.mergeMetadata(session, { goal: undefined, step: 1 });
    expect((await own.get(session))?.metadata).toEqual({ goal: "x", step: 1 });
  });

  it("start a session in their first phase", async () => {
    expect((await own.create()).phase).toBe("intro");
  });

  it.each<[string, z.ZodType]>([
    [
      "two parts of one schema id",
      z.object({ a: z.string().meta({ id: "same" }), b: z.string().meta({ id: "same" }) }),
    ],
    ["a BigInt literal", z.object({ big: z.literal(5n) })],
    ["a type without JSON Schema", z.object({ at: z.date() })],
  ])("may use what JSON Schema cannot express: %s", async (_, schema) => {
    const { forUser } = defineJourney({ metadata: schema as z.ZodType<unknown, object> });
    await expect(forUser(db, owner).create({ metadata: { big: 1 } })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^session\.metadata\.(<key>|\w+): expected/),
    });
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defineJourney, type JourneyMessage } from "../../src/index.js";
import { newUser, openMigrated } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { anyObject } from "../support/hostile.js";
import { asStored, canonical, troubles } from "../support/storable.js";
import { validMessages } from "./calls.js";

const LONG = process.env.LONG === "1";
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const DRIVERS = [
  ["postgres.js", LONG ? 1000 : 25],
  ["node-postgres", LONG ? 1000 : 25],
  ["PGlite", LONG ? 200 : 8],
] as const;

const replacing = defineJourney();
const rejecting = defineJourney({ unstorable: "reject" });

describe.each(DRIVERS)("%s", (driver, runs) => {
  it("any JSON in messages and metadata comes back the same by every way in and out", async () => {
    const db = await openMigrated(driver);
    const check = async (messages: JourneyMessage[], metadata: Record<string, unknown>) => {
      const owner = newUser();
      const sessions = replacing.forUser(db, owner);
      const { unstorable, merged } = troubles([messages, metadata]);
      if (unstorable) {
        const strict = rejecting.forUser(db, owner);
        expect(await errorOf(strict.create({ messages, metadata }))).toMatchObject({ code: "invalid_input" });
      }
      if (merged) {
        expect(await errorOf(sessions.create({ messages, metadata }))).toMatchObject({
          code: "invalid_input",
        });
        expect(await sessions.count()).toBe(0);
        return;
      }
      const stored = { messages: asStored(messages), metadata: asStored(metadata) };
      const same = ({ messages, metadata }: { messages: unknown[]; metadata: unknown }) =>
        expect(canonical({ messages, metadata })).toBe(canonical(stored));
      const made = await (unstorable ? sessions : rejecting.forUser(db, owner)).create({
        messages,
        metadata,
      });
      same(made);
      const reads = [sessions.get(made.id), sessions.latest(), sessions.fork(made.id)];
      for (const read of await Promise.all(reads)) same(read as typeof made);

      const { id } = await sessions.append(crypto.randomUUID(), messages, { create: true });
      // Again, so that each message is replaced in its place.
      await sessions.append(id, messages);
      const patch = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null));
      const { metadata: merging } = await sessions.mergeMetadata(id, patch);
      expect(canonical(merging)).toBe(canonical(asStored(patch)));
      // What is stored equals what was sent.
      await sessions.mergeMetadata(id, { "": null }, { ifMatch: patch });
      expect(canonical((await sessions.messages(id)).messages)).toBe(canonical(stored.messages));
      await sessions.replaceMessages(id, [...messages].reverse());
      const [listed] = (await sessions.list({ orderBy: "updated", limit: 1 })).sessions;
      const { "": _, ...rest } = asStored(patch) as Record<string, unknown>;
      expect(canonical(listed?.metadata)).toBe(canonical(rest));
      expect(canonical((await sessions.get(id))?.messages)).toBe(
        canonical([...(stored.messages as unknown[])].reverse()),
      );
    };
    await fc.assert(fc.asyncProperty(validMessages as fc.Arbitrary<JourneyMessage[]>, anyObject, check), {
      numRuns: runs,
      seed,
      endOnFailure: !LONG,
    });
  });
});

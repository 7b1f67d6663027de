import { assertType, describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import {
  type Database,
  defineJourney,
  forUser,
  type JourneyDbErrorCode,
  type JourneyMessage,
  type JourneyMetadata,
  type Session,
  type SessionSummary,
  type UserSessions,
} from "../../src/index.js";
import type {
  JourneySessionRow,
  journeySessionInsertSchema,
  journeySessionSelectSchema,
  NewJourneySessionRow,
} from "../../src/schema-zod.js";

declare const db: Database;
declare const id: string;
const message = { id: "m1", role: "user", parts: [{ type: "text", text: "Hi" }] } as const;

describe("the application's phases", () => {
  const sessions = defineJourney({ phases: ["setup", "review"] }).forUser(db, id);

  test("are the only ones that a call takes", () => {
    sessions.setPhase(id, "review", { from: "setup" });
    sessions.create({ phase: "review" });
    sessions.list({ phase: "review" });
    // @ts-expect-error no such phase
    sessions.setPhase(id, "done");
    // @ts-expect-error no such phase
    sessions.setPhase(id, "review", { from: "done" });
    // @ts-expect-error no such phase
    sessions.create({ phase: "done" });
    // @ts-expect-error no such phase
    sessions.list({ phase: "done" });
  });

  test("come back as themselves", async () => {
    type Phase = "setup" | "review";
    expectTypeOf(await sessions.get(id)).toEqualTypeOf<Session<
      JourneyMessage,
      JourneyMetadata,
      Phase
    > | null>();
    expectTypeOf((await sessions.list()).sessions).toEqualTypeOf<SessionSummary<JourneyMetadata, Phase>[]>();
  });
});

describe("the application's metadata", () => {
  const metadata = z.object({ goal: z.string(), answers: z.array(z.number()).optional() });
  type Metadata = z.infer<typeof metadata>;
  const sessions = defineJourney({ metadata }).forUser(db, id);

  test("are patched key by key, null removes one", () => {
    sessions.mergeMetadata(id, { goal: "run" });
    sessions.mergeMetadata(id, { answers: null }, { ifMatch: { goal: null } });
    // @ts-expect-error another type
    sessions.mergeMetadata(id, { goal: 1 });
    // @ts-expect-error no such key
    sessions.mergeMetadata(id, { mood: "good" });
    // @ts-expect-error no such key
    sessions.mergeMetadata(id, {}, { ifMatch: { mood: null } });
  });

  test("are given whole to create", () => {
    sessions.create({ metadata: { goal: "run" } });
    // @ts-expect-error a key is missing
    sessions.create({ metadata: { answers: [1] } });
    // @ts-expect-error null is no way to say "default"
    sessions.create({ metadata: null });
  });

  test("come back as they are declared, each of them perhaps absent", async () => {
    expectTypeOf((await sessions.latest())?.metadata).toEqualTypeOf<Partial<Metadata> | undefined>();
    expectTypeOf((await sessions.mergeMetadata(id, {})).metadata).toEqualTypeOf<Partial<Metadata>>();
    expectTypeOf((await sessions.list()).sessions[0]?.metadata).toEqualTypeOf<
      Partial<Metadata> | undefined
    >();
  });
});

describe("without types of the application's own", () => {
  const sessions = forUser(db, id);

  test("any phase, metadata and part goes in", async () => {
    expectTypeOf(sessions).toEqualTypeOf<UserSessions<JourneyMessage, JourneyMetadata, string>>();
    sessions.setPhase(id, "anything");
    sessions.mergeMetadata(id, { anything: { at: ["all"] } });
    sessions.append(id, { ...message, parts: [{ type: "of-the-future", field: 1 }] });
    expectTypeOf((await sessions.get(id))?.metadata.anything).toEqualTypeOf<unknown>();
  });

  test("what is no message, and a session without an owner, are refused", () => {
    // @ts-expect-error no role
    sessions.append(id, { id: "m1", parts: message.parts });
    // @ts-expect-error a part without a type
    sessions.append(id, { ...message, parts: [{ text: "Hi" }] });
    // @ts-expect-error no owner
    forUser(db);
    // @ts-expect-error an owner that nobody has looked at: auth() answers null for a guest
    forUser(db, null as string | null);
  });

  test("answers say what they may lack", async () => {
    expectTypeOf(sessions.get(id)).resolves.toBeNullable();
    expectTypeOf((await sessions.list()).nextCursor).toEqualTypeOf<string | undefined>();
    expectTypeOf(sessions.delete(id)).resolves.toBeBoolean();
    expectTypeOf<"not_found" | "conflict">().toExtend<JourneyDbErrorCode>();
  });
});

describe("a message type of the application's own", () => {
  type Own = { id: string; role: "user"; parts: { type: "text"; text: string }[]; metadata: { at: number } };
  const sessions = defineJourney({ message: z.custom<Own>() }).forUser(db, id);

  test("is what every call answers with", () => {
    type OwnSession = Session<Own, JourneyMetadata, string>;
    expectTypeOf(sessions.get(id)).resolves.toEqualTypeOf<OwnSession | null>();
    expectTypeOf(sessions.latest()).resolves.toEqualTypeOf<OwnSession | null>();
    expectTypeOf(sessions.create()).resolves.toEqualTypeOf<OwnSession>();
    expectTypeOf(sessions.fork(id)).resolves.toEqualTypeOf<OwnSession>();
    expectTypeOf(sessions.messages(id)).resolves.toHaveProperty("messages").toEqualTypeOf<Own[]>();
  });

  test("is what every call takes", () => {
    const other: Omit<Own, "metadata"> = { id, role: "user", parts: [] };
    // @ts-expect-error without the metadata of the type
    sessions.append(id, other);
    // @ts-expect-error the same
    sessions.create({ messages: [other] });
    // @ts-expect-error the same
    sessions.replaceMessages(id, [other]);
  });
});

describe("the row schemas", () => {
  test("agree with the rows of the table", () => {
    expectTypeOf<z.infer<typeof journeySessionSelectSchema>>().toEqualTypeOf<JourneySessionRow>();
    assertType<NewJourneySessionRow>({ userId: id });
    expectTypeOf<{ userId: string }>().toExtend<z.input<typeof journeySessionInsertSchema>>();
    // @ts-expect-error no owner
    assertType<NewJourneySessionRow>({ phase: "setup" });
  });
});

import { sql } from "drizzle-orm";
import { boolean, integer, jsonb, pgEnum, serial, text, timestamp } from "drizzle-orm/pg-core";
import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { startTurn } from "../../src/ai-sdk.js";
import {
  type Database,
  defineJourney,
  forUser,
  type JourneyMessage,
  type JourneyMetadata,
  type Session,
  type SessionSummary,
  type UserSessions,
} from "../../src/index.js";
import { type journeySessions, journeyTable } from "../../src/schema-zod.js";

declare const db: Database;
declare const id: string;
const message: JourneyMessage = { id: "m1", role: "user", parts: [{ type: "text", text: "Hi" }] };
const stage = pgEnum("stage", ["draft", "live"]);

const chats = journeyTable(
  { name: "chats", schema: "app" },
  {
    orgId: text("org_id").notNull(),
    runId: text("run_id"),
    pinned: boolean("pinned").default(false).notNull(),
    stage: stage("stage").default("draft").notNull(),
    results: jsonb("results").$type<{ title: string; steps?: number[] }>(),
    tags: text("tags").array().notNull(),
    dueAt: timestamp("due_at"),
    number: serial("number"),
    made: text("made").generatedAlwaysAs(sql`'x'`),
    counted: integer("counted").generatedAlwaysAsIdentity(),
    origin: text("origin")
      .notNull()
      .$defaultFn(() => "web"),
    kind: text("kind", { enum: ["a", "b"] }),
  },
  (t) => [sql`${t.orgId}` as never, sql`${t.userId}` as never],
);
type Chats = typeof chats;
const sessions = defineJourney({ table: chats, phases: ["setup", "review"] }).forUser(db, id);
const needed = { orgId: "org_1", tags: [] };

describe("create", () => {
  test("needs the columns without a default, and takes the others", () => {
    sessions.create(needed);
    sessions.create({ ...needed, id, phase: "review", messages: [message], metadata: { a: 1 } });
    sessions.create({
      ...needed,
      runId: null,
      pinned: true,
      stage: "live",
      kind: "b",
      origin: "app",
      number: 7,
    });
    sessions.create({ ...needed, runId: undefined, results: { title: "Plan" }, dueAt: new Date() });
    // @ts-expect-error nothing is given
    sessions.create();
    // @ts-expect-error orgId is missing
    sessions.create({ tags: [] });
    // @ts-expect-error tags are missing
    sessions.create({ orgId: "org_1" });
    // @ts-expect-error orgId is never null
    sessions.create({ ...needed, orgId: null });
    // @ts-expect-error pinned is never null
    sessions.create({ ...needed, pinned: null });
    // @ts-expect-error no stage
    sessions.create({ ...needed, stage: "done" });
    // @ts-expect-error no kind
    sessions.create({ ...needed, kind: "c" });
    // @ts-expect-error results without a title
    sessions.create({ ...needed, results: { steps: [1] } });
    // @ts-expect-error no such column
    sessions.create({ ...needed, other: 1 });
    // @ts-expect-error the database makes it
    sessions.create({ ...needed, made: "x" });
    // @ts-expect-error the database numbers it
    sessions.create({ ...needed, counted: 1 });
    // @ts-expect-error the package makes it
    sessions.create({ ...needed, createdAt: new Date() });
    // @ts-expect-error the handle has the owner
    sessions.create({ ...needed, userId: "somebody" });
  });

  test("is answered with every column", async () => {
    const session = await sessions.create(needed);
    expectTypeOf(session).toEqualTypeOf<
      Session<JourneyMessage, JourneyMetadata, "setup" | "review", Chats>
    >();
    expectTypeOf(session.orgId).toEqualTypeOf<string>();
    expectTypeOf(session.runId).toEqualTypeOf<string | null>();
    expectTypeOf(session.pinned).toEqualTypeOf<boolean>();
    expectTypeOf(session.stage).toEqualTypeOf<"draft" | "live">();
    expectTypeOf(session.kind).toEqualTypeOf<"a" | "b" | null>();
    expectTypeOf(session.results).toEqualTypeOf<{ title: string; steps?: number[] } | null>();
    expectTypeOf(session.tags).toEqualTypeOf<string[]>();
    expectTypeOf(session.dueAt).toEqualTypeOf<Date | null>();
    expectTypeOf(session.made).toEqualTypeOf<string | null>();
    expectTypeOf(session.counted).toEqualTypeOf<number>();
    expectTypeOf(session.phase).toEqualTypeOf<"setup" | "review">();
    expectTypeOf(session.revision).toEqualTypeOf<string>();
  });
});

describe("append", () => {
  test("creates a session with what it needs", () => {
    sessions.append(id, message, { create: needed });
    sessions.append(id, message, { create: { ...needed, metadata: { a: 1 }, pinned: true } });
    sessions.append(id, message, { create: false });
    // @ts-expect-error orgId and tags are missing
    sessions.append(id, message, { create: true });
    // @ts-expect-error orgId is missing
    sessions.append(id, message, { create: { tags: [] } });
    // @ts-expect-error orgId and tags are missing
    sessions.append(id, message, { create: { metadata: {} } });
    // @ts-expect-error no such column
    sessions.append(id, message, { create: { ...needed, other: 1 } });
    // @ts-expect-error the database makes it
    sessions.append(id, message, { create: { ...needed, made: "x" } });
  });

  test("may say true where no column needs a value", () => {
    const notes = journeyTable("notes", { pinned: boolean("pinned").default(false).notNull() });
    const own = defineJourney({ table: notes }).forUser(db, id);
    own.append(id, message, { create: true });
    own.append(id, message, { create: { pinned: true } });
    own.create();
    own.create({ pinned: true });
  });
});

describe("update and fork", () => {
  test("take any of the columns that a call may set", () => {
    sessions.update(id, { pinned: true });
    sessions.update(id, { runId: null, phase: "review", metadata: { a: null } }, { ifRevision: "x" });
    sessions.fork(id, { set: { runId: "run_2" } });
    // @ts-expect-error never null
    sessions.update(id, { orgId: null });
    // @ts-expect-error no such phase
    sessions.update(id, { phase: "done" });
    // @ts-expect-error the database makes it
    sessions.update(id, { made: "x" });
    // @ts-expect-error no column to update
    sessions.update(id, { messages: [] });
    // @ts-expect-error no such column
    sessions.update(id, { other: 1 });
    // @ts-expect-error another type
    sessions.fork(id, { set: { tags: "a" } });
    // @ts-expect-error the database numbers it
    sessions.fork(id, { set: { counted: 1 } });
    // @ts-expect-error no own column
    sessions.fork(id, { set: { phase: "review" } });
  });
});

describe("list and getBy", () => {
  test("look for values of the columns, any of several, and null", async () => {
    const { sessions: page } = await sessions.list({
      where: {
        orgId: "org_1",
        stage: ["draft", "live"],
        runId: null,
        kind: ["a", null],
        made: "x",
        counted: 1,
      },
      metadata: { archived: false },
    });
    expectTypeOf(page).toEqualTypeOf<SessionSummary<JourneyMetadata, "setup" | "review", Chats>[]>();
    expectTypeOf(page[0]?.stage).toEqualTypeOf<"draft" | "live" | undefined>();
    expectTypeOf(await sessions.getBy({ runId: "run_1" })).toEqualTypeOf<Session<
      JourneyMessage,
      JourneyMetadata,
      "setup" | "review",
      Chats
    > | null>();
    // @ts-expect-error no such stage
    sessions.list({ where: { stage: "done" } });
    // @ts-expect-error one of them is no stage
    sessions.list({ where: { stage: ["draft", "done"] } });
    // @ts-expect-error no own column
    sessions.list({ where: { userId: "somebody" } });
    // @ts-expect-error no such column
    sessions.getBy({ other: 1 });
    // @ts-expect-error a column is no text
    sessions.getBy({ pinned: "yes" });
  });
});

describe("defineJourney", () => {
  test("takes schemas of the columns that there are", () => {
    defineJourney({ table: chats, columns: { results: z.object({ title: z.string() }) } });
    // @ts-expect-error no such column
    defineJourney({ table: chats, columns: { other: z.string() } });
    // @ts-expect-error a column of the package
    defineJourney({ table: chats, columns: { metadata: z.object({}) } });
  });
});

describe("journeyTable", () => {
  test("refuses what the package declares, and knows the columns in its third argument", () => {
    // @ts-expect-error the package's
    journeyTable("other", { userId: text("user") });
    // @ts-expect-error a property of every session
    journeyTable("other", { revision: text("revision") });
    journeyTable("other", { orgId: text("org_id") }, (t) => {
      expectTypeOf(t).toHaveProperty("orgId");
      expectTypeOf(t).toHaveProperty("createdAt");
      // @ts-expect-error no such column
      t.other;
      return [];
    });
  });

  test("is a table for Drizzle", () => {
    type Row = typeof chats.$inferSelect;
    expectTypeOf<Row["orgId"]>().toEqualTypeOf<string>();
    expectTypeOf<Row["messages"]>().toEqualTypeOf<JourneyMessage[]>();
    expectTypeOf<Chats["_"]["name"]>().toEqualTypeOf<"chats">();
    expectTypeOf<Chats["_"]["schema"]>().toEqualTypeOf<"app">();
  });
});

test("JSON and arrays are filtered as a whole, and undefined changes nothing", () => {
  // @ts-expect-error several objects
  sessions.list({ where: { results: [{ title: "a" }, { title: "b" }] } });
  // @ts-expect-error several arrays
  sessions.list({ where: { tags: [["a"], ["b"]] } });
  sessions.list({ where: { tags: ["a"], results: { title: "a" }, dueAt: [new Date(), null] } });
  const orgId = undefined as string | undefined;
  sessions.update(id, { orgId });
  sessions.fork(id, { set: { orgId } });
});

test("startTurn needs the columns of a first message that have no default", () => {
  const request = new Request("http://host");
  startTurn(sessions, id, request, { create: needed });
  startTurn(sessions, id, request, { create: { ...needed, runId: "r", metadata: { a: 1 } } });
  startTurn(forUser(db, id), id, request);
  startTurn(forUser(db, id), id, request, { create: { metadata: { a: 1 } } });
  // @ts-expect-error nothing is given
  startTurn(sessions, id, request);
  // @ts-expect-error no create
  startTurn(sessions, id, request, { limit: 10 });
  // @ts-expect-error orgId is missing
  startTurn(sessions, id, request, { create: { tags: [] } });
});

describe("the default table", () => {
  const own = forUser(db, id);

  test("has the types that it had", async () => {
    expectTypeOf(own).toEqualTypeOf<UserSessions<JourneyMessage, JourneyMetadata, string>>();
    expectTypeOf<UserSessions<JourneyMessage, JourneyMetadata, string>>().toEqualTypeOf<
      UserSessions<JourneyMessage, JourneyMetadata, string, typeof journeySessions>
    >();
    // Somebody may have added columns to src/schema.ts.
    expectTypeOf<{
      id: string;
      userId: string;
      phase: "setup";
      messages: JourneyMessage[];
      metadata: Partial<JourneyMetadata>;
      createdAt: Date;
      updatedAt: Date;
      revision: string;
    }>().toEqualTypeOf<
      Pick<
        Session<JourneyMessage, JourneyMetadata, "setup">,
        "id" | "userId" | "phase" | "messages" | "metadata" | "createdAt" | "updatedAt" | "revision"
      >
    >();
    expectTypeOf<SessionSummary<JourneyMetadata, "setup">>().not.toHaveProperty("messages");
    own.append(id, message, { create: true });
    own.append(id, message, { create: { metadata: { a: 1 } } });
    own.create();
    own.list({ where: {} });
    // @ts-expect-error a column that no table has, also where somebody has added columns
    own.list({ where: { noColumn: 1 } });
    // @ts-expect-error it has no own columns
    own.create({ notDeclared: "x" });
    // @ts-expect-error it has no own columns
    own.update(id, { notDeclared: "x" });
    // @ts-expect-error it has no own columns
    own.append(id, message, { create: { notDeclared: "x" } });
  });
});

describe("a deep merge", () => {
  type Metadata = { goal: { title: string; tags: string[]; at: { place: string } }; step: number };
  const typed = defineJourney({ metadata: z.custom<Metadata>() }).forUser(db, id);

  test("takes parts of objects, and null for what it removes", () => {
    typed.mergeMetadata(id, { goal: { at: { place: "x" } } }, { deep: true });
    typed.mergeMetadata(id, { goal: { title: null, tags: ["a"] }, step: null }, { deep: true });
    // @ts-expect-error another type
    typed.mergeMetadata(id, { goal: { title: 1 } }, { deep: true });
    // @ts-expect-error no such key
    typed.mergeMetadata(id, { goal: { other: 1 } }, { deep: true });
    // @ts-expect-error a list is replaced as a whole
    typed.mergeMetadata(id, { goal: { tags: { 0: "a" } } }, { deep: true });
    // @ts-expect-error without deep the object is replaced as a whole
    typed.mergeMetadata(id, { goal: { at: { place: "x" } } });
  });
});

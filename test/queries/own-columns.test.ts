import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import {
  bit,
  char,
  check,
  integer,
  jsonb,
  numeric,
  pgTable,
  text,
  timestamp,
  unique,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney, forUser } from "../../src/index.js";
import { messagesTable } from "../../src/message-rows.js";
import { type JourneyTable, journeyTable, ownColumns } from "../../src/schema.js";
import { all } from "../support/answer.js";
import {
  emptyDatabase,
  migratedDatabase,
  newUser,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { onEveryDriver } from "../support/drivers.js";
import { errorOf } from "../support/errors.js";
import { IN_ROWS } from "../support/layout.js";
import { text as message } from "../support/messages.js";
import { app, createTables, rowOf, stage } from "../support/own-table.js";
import { allStatements, sentBy } from "../support/statements.js";

let calls = 0;
const profiles = app.table("profiles", { id: uuid("id").primaryKey() });
const plans = journeyTable(
  { name: "plans", schema: "app" },
  {
    profileId: uuid("profile_id").references(() => profiles.id),
    score: integer("score"),
    slug: text("slug"),
    made: text("made").generatedAlwaysAs(sql`'made of ' || phase`),
    number: integer("number").generatedAlwaysAsIdentity(),
    ownNumber: integer("own_number").generatedByDefaultAsIdentity(),
    code: varchar("code", { length: 3 }),
    fixed: char("fixed", { length: 3 }),
    bits: bit("bits", { dimensions: 3 }),
    amount: numeric("amount", { precision: 4, scale: 2 }),
    stage: stage("stage"),
    tags: text("tags").array(),
    results: jsonb("results"),
    kind: text("kind").default("usual"),
    counted: integer("counted").$defaultFn(() => ++calls),
    madeAt: timestamp("made_at").$defaultFn(() => sql`now() at time zone 'UTC'` as never),
    changes: integer("changes").$onUpdateFn(() => ++calls),
    changedAt: timestamp("changed_at", { mode: "string" }).$onUpdateFn(() => sql`clock_timestamp()` as never),
  },
  (t) => [unique("plans_user_id_slug").on(t.userId, t.slug), check("plans_score_positive", sql`score > 0`)],
);

onEveryDriver((database, { defineJourney }) => {
  beforeAll(() => createTables(database(), { app, stage, profiles, plans }));
  const sessionsOf = (owner = newUser()) => defineJourney({ table: plans }).forUser(database(), owner);

  describe("a constraint of the application's that refuses a value is a conflict, and nothing changes", () => {
    it.each([
      ["plans_profile_id_profiles_id_fk", "23503", { profileId: randomUUID() }],
      ["plans_user_id_slug", "23505", { slug: "taken" }],
      ["plans_score_positive", "23514", { score: 0 }],
    ])("%s", async (constraint, sqlState, own) => {
      const sessions = sessionsOf();
      await sessions.create({ slug: "taken" });
      const { id } = await sessions.create({ messages: [message("m1")] });
      const before = await all(sessions.export());
      const newId = randomUUID();
      for (const call of [
        () => sessions.create(own),
        () => sessions.append(newId, message("m1"), { create: own }),
        () => sessions.append(newId, [message("m1"), message("m2")], { create: own }),
        () => sessions.update(id, { phase: "review", ...own }),
        () => sessions.fork(id, { set: own }),
      ]) {
        const error = await errorOf(call());
        expect(error).toMatchObject({ code: "conflict", constraint, sqlState, retryable: false });
        expect(JSON.stringify(error)).not.toContain(Object.values(own)[0]);
      }
      expect(await all(sessions.export())).toEqual(before);
      // Of another owner the slug is free, and an existing session takes nothing of what it would be created with.
      if ("slug" in own) await sessionsOf().create(own);
      await sessions.append(id, message("m2"), { create: { kind: "other" } });
      expect(await sessions.get(id)).toMatchObject({ kind: "usual" });
    });
  });

  describe("nothing is cut in silence", () => {
    it.each([
      ["varchar(3)", { code: "abcd" }],
      ["char(3), longer", { fixed: "abcd" }],
      ["char(3), shorter", { fixed: "ab" }],
      ["bit(3), longer", { bits: "1010" }],
      ["bit(3), shorter", { bits: "10" }],
      ["numeric(4,2)", { amount: "123.45" }],
      ["an integer", { score: 1.5 }],
      ["a large integer", { score: 2 ** 31 }],
      ["U+0000", { slug: "a\0b" }],
      ["a lone surrogate", { slug: "a\ud800" }],
      ["U+0000 in an array", { tags: ["a\0b"] }],
      ["no value of the enum", { stage: "other" }],
      ["an array of more dimensions", { tags: [["a"]] }],
      ["another type", { slug: 1 }],
      ["JSON that JavaScript would drop", { results: { a: () => 1 } }],
      ["no uuid", { profileId: "1" }],
    ])("%s", async (_, own) => {
      const sessions = sessionsOf();
      const { id } = await sessions.create({ messages: [message("m1")] });
      const before = await all(sessions.export());
      for (const call of [
        () => sessions.create(own as never),
        () => sessions.append(randomUUID(), message("m1"), { create: own as never }),
        () => sessions.update(id, own as never),
        () => sessions.fork(id, { set: own as never }),
      ])
        expect(await errorOf(call())).toMatchObject({ code: "invalid_input" });
      expect(await all(sessions.export())).toEqual(before);
    });

    it("numeric(4,2) rounds, as it does for everybody", async () => {
      expect(await sessionsOf().create({ amount: "12.345" })).toMatchObject({ amount: "12.35" });
    });
  });

  it("a column that the database makes is refused by name", async () => {
    const sessions = sessionsOf();
    const { id } = await sessions.create();
    for (const key of ["made", "number"]) {
      const own = { [key]: 1 } as never;
      for (const call of [
        () => sessions.create(own),
        () => sessions.append(randomUUID(), message("m1"), { create: own }),
        () => sessions.update(id, own),
        () => sessions.fork(id, { set: own }),
      ]) {
        const { code, message } = await errorOf(call());
        expect(code).toBe("invalid_input");
        expect(message).toContain(`"${key}"`);
      }
    }
    const copy = await sessions.fork(id);
    const session = await sessions.get(id);
    expect(session).toMatchObject({ made: "made of setup" });
    expect(copy).toMatchObject({ made: "made of setup" });
    expect(new Set([copy.number, session?.number]).size).toBe(2);
    expect(new Set([copy.ownNumber, session?.ownNumber]).size).toBe(2);
    expect(await sessions.fork(id, { set: { ownNumber: 7 } })).toMatchObject({ ownNumber: 7 });
    expect(await sessions.getBy({ made: "made of setup", number: session?.number ?? 0 })).toEqual(session);
  });

  it("null is NULL, undefined and absent are the default, or no change", async () => {
    const sessions = sessionsOf();
    const { id } = await sessions.create({ kind: undefined, slug: null });
    expect(await rowOf(database(), plans, id)).toMatchObject({ kind: "usual", slug: null, score: null });
    const { id: without } = await sessions.create({ kind: null, counted: null });
    expect(await rowOf(database(), plans, without)).toMatchObject({ kind: null, counted: null });
    await sessions.update(id, { kind: undefined, slug: "a" });
    expect(await sessions.get(id)).toMatchObject({ kind: "usual", slug: "a" });
    await sessions.update(id, { kind: null });
    expect(await sessions.get(id)).toMatchObject({ kind: null, slug: "a" });
    for (const nothing of [{}, { kind: undefined }])
      expect(await errorOf(sessions.update(id, nothing))).toMatchObject({ code: "invalid_input" });
    expect(await sessions.fork(id, { set: { slug: null, kind: undefined } })).toMatchObject({
      kind: null,
      slug: null,
    });
  });

  it("Drizzle's $default and $onUpdate functions are called for each call", async () => {
    const sessions = sessionsOf();
    const [a, b] = [await sessions.create(), await sessions.create()];
    expect(new Set([a.counted, b.counted, a.changes, b.changes]).size).toBe(4);
    const madeAt = [a.madeAt, b.madeAt].map((at) => Math.abs((at as Date).getTime() - a.createdAt.getTime()));
    expect(Math.max(...madeAt)).toBeLessThan(60_000);
    expect(await sessions.create({ counted: -1, changes: -2 })).toMatchObject({ counted: -1, changes: -2 });

    const seen = new Set<unknown>([a.changes]);
    const times = new Set<unknown>([a.changedAt]);
    for (const write of [
      () => sessions.setPhase(a.id, "review"),
      () => sessions.append(a.id, message("m1")),
      () => sessions.append(a.id, [message("m2"), message("m3")]),
      () => sessions.append(a.id, message("m4"), { create: true }),
      () => sessions.mergeMetadata(a.id, { b: 1 }),
      () => sessions.mergeMetadata(a.id, { b: { c: 1 } }, { deep: true }),
      () => sessions.update(a.id, { slug: "b" }),
      () => sessions.truncate(a.id, { from: "m3" }),
      () => sessions.replaceMessages(a.id, []),
    ]) {
      await write();
      const now = await sessions.get(a.id);
      seen.add(now?.changes);
      times.add(now?.changedAt);
      expect(now?.counted).toBe(a.counted);
    }
    expect([seen.size, times.size]).toEqual([10, 10]);
    const before = calls;
    await Promise.all([sessions.get(a.id), sessions.list(), sessions.messages(a.id), sessions.search("x")]);
    expect(calls).toBe(before);
    await sessions.update(a.id, { changes: -5, changedAt: "2026-01-01 00:00:00" });
    expect(await sessions.get(a.id)).toMatchObject({ changes: -5, changedAt: "2026-01-01 00:00:00" });
  });

  it("the application's schema of a column checks it too, and what it returns is not stored", async () => {
    const results = z.object({ title: z.string().transform((title) => title.length) });
    const slug = mini.string().check(mini.minLength(2));
    const sessions = defineJourney({ table: plans, columns: { results, slug: slug as never } }).forUser(
      database(),
      newUser(),
    );
    const { id } = await sessions.create({ results: { title: "abc" }, slug: "ab" });
    expect(await sessions.get(id)).toMatchObject({ results: { title: "abc" }, slug: "ab" });
    await sessions.update(id, { results: null, slug: null });
    const refusals = [
      sessions.create({ results: { title: 1 } }),
      sessions.update(id, { results: { title: 1 } }),
      sessions.fork(id, { set: { slug: "a" } }),
      sessions.append(randomUUID(), message("m1"), { create: { slug: "a" } }),
    ];
    expect((await Promise.all(refusals.map(errorOf))).map(({ message }) => message)).toEqual([
      "session.results.title: expected string",
      "changes.results.title: expected string",
      "options.set.slug: expected at least 2 characters",
      "options.create.slug: expected at least 2 characters",
    ]);
  });
});

/** For what one driver is enough for. */
const own = { db: openPostgresJs(await migratedDatabase()) };
await createTables(own.db, { app, stage, profiles, plans });

describe("filters", () => {
  it.each([
    ["undefined", { kind: undefined }],
    ["a key that is no column", { other: 1 }],
    ["a column of the package", { userId: "somebody" }],
    ["another user by a key that is SQL", { '"kind" = "kind" or true --': 1 }],
    ["a value of another type", { kind: 1 }],
    ["an array with a value of another type", { kind: ["a", 1] }],
    ["an array with undefined", { kind: [undefined] }],
    ["U+0000", { kind: "a\0" }],
    ["no object", "kind"],
    ["a Map", new Map([["kind", "a"]])],
    ["null", null],
  ])("%s is refused", async (_, where) => {
    const sessions = defineJourney({ table: plans }).forUser(own.db, newUser());
    await sessions.create();
    for (const call of [
      () => sessions.list({ where: where as never }),
      () => sessions.getBy(where as never),
    ]) {
      if (where === null && call.toString().includes("list")) continue;
      expect(await errorOf(call())).toMatchObject({ code: "invalid_input" });
    }
  });

  it("find what is equal, any of several, NULL, and nothing for no value", async () => {
    const sessions = defineJourney({ table: plans }).forUser(own.db, newUser());
    const kinds = ["a", "b", null, "it's \"a\"'; drop table app.plans --", "NULL", ""];
    for (const kind of kinds) await sessions.create({ kind });
    const found = async (kind: unknown) =>
      (await sessions.list({ where: { kind } as never })).sessions.map((one) => one.kind).reverse();
    for (const kind of kinds) expect(await found(kind)).toEqual([kind]);
    expect(await found(["a", "NULL", "x"])).toEqual(["a", "NULL"]);
    expect(await found(["b", null])).toEqual(["b", null]);
    expect(await found([null])).toEqual([null]);
    expect(await found([])).toEqual([]);
    expect(await found(kinds)).toEqual(kinds);
    expect(await sessions.getBy({ kind: [] })).toBeNull();
    // Of several, the newest.
    expect(await sessions.getBy({ kind: ["a", "b"] })).toMatchObject({ kind: "b" });
    expect((await sessions.list({ where: {} })).sessions).toHaveLength(kinds.length);
    expect(await errorOf(sessions.getBy({}))).toMatchObject({ code: "invalid_input" });
  });
});

describe("several tables in one database, over one connection of node-postgres", () => {
  const drafts = journeyTable("drafts", { kind: text("kind") });
  const draftsWithMore = journeyTable("drafts", { kind: text("kind"), score: integer("score") });
  const reviews = journeyTable({ name: "drafts", schema: "app" }, { kind: text("kind") });

  it("each call reaches its own", async () => {
    const url = await emptyDatabase();
    const db = openNodePostgres(url, { max: 1 });
    await createTables(db, { app, drafts: draftsWithMore, reviews });
    const owner = newUser();
    const ofTable = { drafts, draftsWithMore, reviews };
    const journeys = Object.entries(ofTable).map(([name, table]) => ({
      name,
      sessions: defineJourney({ table: table as typeof drafts }).forUser(db, owner),
    }));
    for (const round of [1, 2]) {
      for (const { name, sessions } of journeys) {
        const { id } = await sessions.create({ kind: name, messages: [message("m1")] });
        await sessions.append(id, message("m2"));
        await sessions.append(randomUUID(), message("m1"), { create: { kind: `${name} appended` } });
        await sessions.update(id, { phase: `${round}` });
        expect(await sessions.getBy({ kind: name })).toMatchObject({ id, phase: `${round}` });
      }
    }
    const counts = await Promise.all(journeys.map(({ sessions }) => sessions.count()));
    expect(counts).toEqual([8, 8, 4]);
    const [first] = (await journeys[1]?.sessions.list())?.sessions ?? [];
    expect(Object.keys(first ?? {})).toContain("score");
    expect(Object.keys((await journeys[0]?.sessions.latest()) ?? {})).not.toContain("score");
    const [{ names, texts } = {}] = await db
      .select({
        names: sql<number>`count(distinct name)::int`,
        texts: sql<number>`count(distinct statement)::int`,
      })
      .from(sql`pg_prepared_statements`);
    expect(names).toBe(texts);
  });

  it("more than 100 shapes of a call are all answered, and at most 100 are kept prepared", async () => {
    const keys = ["a", "b", "c", "d", "e", "f", "g"];
    const many = journeyTable("many", Object.fromEntries(keys.map((key) => [key, integer(key)])));
    const db = openNodePostgres(await emptyDatabase(), { max: 1 });
    await createTables(db, { many });
    // biome-ignore lint/suspicious/noExplicitAny: the keys are computed
    const sessions = defineJourney({ table: many }).forUser(db, newUser()) as any;
    const { id } = await sessions.create({ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 });
    await sessions.create({ a: 2 });
    for (const round of [1, 2])
      for (let shape = 1; shape < 128; shape++) {
        const where = Object.fromEntries(keys.filter((_, n) => shape & (1 << n)).map((key) => [key, 1]));
        expect(await sessions.getBy(where), `${round} ${shape}`).toMatchObject({ id });
      }
    const [{ prepared } = {}] = await db
      .select({ prepared: sql<number>`count(*)::int` })
      .from(sql`pg_prepared_statements where name like 'journey_db_get_by%'`);
    expect(prepared).toBe(100);
  });
});

describe("names", () => {
  /** Opens a database with the table, and calls every kind of statement. */
  async function everyCall(
    table: JourneyTable,
    own: Record<string, unknown>,
    created = table,
    changes: string[] = [],
  ): Promise<void> {
    const url = await emptyDatabase();
    const db = openPostgresJs(url, { max: 1 });
    await createTables(db, { app, table: created });
    for (const change of changes) await db.execute(sql.raw(change));
    // biome-ignore lint/suspicious/noExplicitAny: the columns are of any name
    const sessions = defineJourney({ table }).forUser(db, newUser()) as any;
    const { id } = await sessions.create({ ...own, messages: [message("m1")], metadata: { a: 1 } });
    const other = randomUUID();
    await sessions.append(other, message("m1"), { create: own });
    await sessions.append(id, [message("m2"), message("m1", "again")], { create: own });
    await sessions.append(id, message("m3"), { from: "m2" });
    await sessions.update(id, { ...own, phase: "review", metadata: { b: { c: 1 } } });
    await sessions.setPhase(id, "review", { from: "review" });
    await sessions.mergeMetadata(id, { a: 2 }, { ifMatch: { a: 1 } });
    await sessions.mergeMetadata(id, { b: { d: 1 } }, { deep: true });
    await sessions.truncate(id, { from: "m3" });
    const copy = await sessions.fork(id, { set: own });
    await sessions.fork(id, { through: "m1" });
    const session = await sessions.get(id);
    expect(session).toMatchObject({ ...own, phase: "review", metadata: { a: 2, b: { c: 1, d: 1 } } });
    expect(copy).toMatchObject(own);
    if (Object.keys(own).length > 0) expect(await sessions.getBy(own)).toMatchObject(own);
    const where = Object.fromEntries(Object.entries(own).map(([key, value]) => [key, [value]]));
    for (const orderBy of ["created", "updated"]) {
      const first = await sessions.list({ where, orderBy, phase: "review", metadata: { a: 2 }, limit: 1 });
      const { sessions: rest } = await sessions.list({ where, orderBy, cursor: first.nextCursor });
      expect([...first.sessions, ...rest]).toHaveLength(4);
      for (const one of rest) expect(one).toMatchObject(own);
    }
    expect((await sessions.messages(id, { limit: 1 })).session).toMatchObject(own);
    expect(await sessions.latest()).toMatchObject(own);
    expect((await sessions.search("again"))[0].session).toMatchObject(own);
    expect(await all(sessions.export())).toHaveLength(4);
    await sessions.replaceMessages(id, []);
    expect(await errorOf(sessions.setPhase(randomUUID(), "x"))).toMatchObject({ code: "not_found" });
    expect(await errorOf(sessions.create({ ...own, id }))).toMatchObject({ code: "conflict" });
    expect(await sessions.delete(id)).toBe(true);
    expect(await sessions.deleteAll()).toBe(3);
  }

  const LIKE_VALUES =
    "limit phase2 from own input patch through before after text time cursor created bytes summary m n e key value written excluded page batch stored session messageCount newId ifRevision maxBytes doc step path".split(
      " ",
    );
  const NASTY = ["a.b.c", "it's", "$1", "😀", "with space", "a:b", "own.from", "then", "select"];

  it("a column named like a value of a statement, or with quotes and dots, is a column like any other", async () => {
    const columns = [...LIKE_VALUES, ...NASTY].map((key) => [key, text(key)] as const);
    const own = Object.fromEntries(columns.map(([key]) => [key, `of ${key}`]));
    await everyCall(journeyTable("odd", Object.fromEntries(columns)), own);
  });

  it("quotes, capitals and other letters", async () => {
    // drizzle-kit does not escape quotes.
    const named = (name: string) =>
      journeyTable({ name, schema: "app" }, { 'a"b': text(name.replace("Chat", "kind")) });
    const [created, renamed] = [named("Chat é"), named('Chat "é"')];
    await everyCall(renamed, { 'a"b': "x" }, created, [
      `alter table app."Chat é" rename to "Chat ""é"""`,
      `alter table app."Chat ""é""" rename column "kind é" to "kind ""é"""`,
      ...(IN_ROWS ? [`alter table app."Chat é_messages" rename to "Chat ""é""_messages"`] : []),
    ]);
  });

  it("a table may be named as a part of a statement is, or the name is refused", async () => {
    const url = await emptyDatabase();
    const client = rawClient(url, { max: 1 });
    const texts = [...(await allStatements(plans as never)).values()].map((one) => sentBy(one).text);
    const aliases = new Set(
      texts.flatMap((sent) =>
        // Aliases, and the parts of WITH.
        [...sent.matchAll(/\bas "?(\w+)"?|"(\w+)" as \(/g)].map(([, name, part]) => (name ?? part) as string),
      ),
    );
    aliases.add("excluded");
    // The import takes the name of a built-in type for the type.
    const types = await client`select typname from pg_type where typnamespace = 'pg_catalog'::regnamespace`;
    for (const { typname } of types) aliases.delete(typname);
    expect(aliases.size).toBeGreaterThan(20);
    const modelled = journeyTable("modelled", { kind: text("kind") });
    const db = openPostgresJs(url, { max: 1 });
    const optional = { ...(!IN_ROWS && { messages: messagesTable(modelled) }), ...replyTables(modelled) };
    await createTables(db, { modelled, ...optional });
    const refused: string[] = [];
    // The conditions of a page have no names of their own.
    const VARIANTS = /^list_(updated|created_(after|in_phase|metadata))/;
    for (const name of aliases) {
      let table: JourneyTable;
      try {
        table = journeyTable(name, { kind: text("kind") });
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_input" });
        refused.push(name);
        continue;
      }
      for (const more of ["", "_messages", "_replies", "_reply_chunks"])
        await client.unsafe(`create table "${name}${more}" (like modelled${more} including indexes)`);
      for (const [of, statement] of await allStatements(table as never))
        if (!VARIANTS.test(of)) await client.unsafe(`prepare "${name} ${of}" as ${sentBy(statement).text}`);
    }
    expect(refused.toSorted()).toEqual(
      "added batch changed cleared conversation copied counted deleted dropped excluded found given hit input kept locked made next numbered own page previous removed started stored target written".split(
        " ",
      ),
    );
  }, 120_000);

  it("Drizzle's casing gives the columns without a name theirs", async () => {
    const url = await emptyDatabase();
    const named = journeyTable("cased", { teamId: text("team_id"), runNumber: integer("run_number") });
    await createTables(openPostgresJs(url, { max: 1 }), { named });
    const table = journeyTable("cased", { teamId: text(), runNumber: integer() });
    const db = drizzle({ client: rawClient(url, { max: 1 }), casing: "snake_case" });
    const sessions = defineJourney({ table }).forUser(db, newUser());
    const { id } = await sessions.create({ teamId: "team_1", runNumber: 1 });
    await sessions.update(id, { teamId: "team_2" });
    expect(await sessions.getBy({ teamId: "team_2", runNumber: [1, 2] })).toMatchObject({ id, runNumber: 1 });
    expect(await sessions.fork(id, { set: { runNumber: 3 } })).toMatchObject({
      teamId: "team_2",
      runNumber: 3,
    });
    expect(await all(sessions.export())).toHaveLength(2);
  });

  it("90 own columns are as good as one, and more are refused", async () => {
    // Less those that somebody has added to src/schema.ts.
    const most = 90 - ownColumns(journeyTable("wide")).length;
    const columns = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`c${n}`, integer(`c${n}`)]));
    const own = Object.fromEntries(Object.keys(columns(most)).map((key, n) => [key, n]));
    await everyCall(journeyTable("wide", columns(most)), own);
    expect(() => journeyTable("wide", columns(most + 1))).toThrow(
      expect.objectContaining({ code: "invalid_input", message: expect.stringContaining("at most 90") }),
    );
  });
});

it("a key that the package or JavaScript uses is refused", () => {
  for (const key of ["id", "updatedAt", "revision", "toString", "constructor"])
    expect(() => journeyTable("refused", { [key]: text("x") } as never)).toThrow(
      expect.objectContaining({ code: "invalid_input", message: expect.stringContaining(`columns.${key}`) }),
    );
});

it("a table that is none of journeyTable's is refused", () => {
  const other = pgTable("other", { id: uuid("id") });
  expect(() => defineJourney({ table: other as never })).toThrow(
    expect.objectContaining({ code: "invalid_input" }),
  );
});

it("without own columns there is nothing to find a session by", async () => {
  const sessions = forUser(own.db, newUser());
  expect(await errorOf(sessions.getBy({}))).toMatchObject({ code: "invalid_input" });
  expect(await errorOf(sessions.list({ where: { phase: "setup" } as never }))).toMatchObject({
    code: "invalid_input",
  });
});

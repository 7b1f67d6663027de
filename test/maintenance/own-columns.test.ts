import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  bit,
  boolean,
  char,
  check,
  cidr,
  customType,
  date,
  doublePrecision,
  foreignKey,
  index,
  inet,
  integer,
  interval,
  json,
  jsonb,
  line,
  macaddr,
  macaddr8,
  numeric,
  type PgColumnBuilderBase,
  pgEnum,
  pgPolicy,
  pgRole,
  pgSchema,
  pgTable,
  point,
  real,
  serial,
  smallint,
  smallserial,
  text,
  time,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { describe, expect, test } from "vitest";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type JourneyTable, journeyTable } from "../../src/schema.js";
import { codesOf, follow, prepared, problems } from "../support/changes.js";
import { openNodePostgres } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";

const app = pgSchema("app");
const mood = pgEnum("mood", ["glad", "it's sad"]);
const Status = app.enum("Status Of", ["draft", "done"]);
const citext = customType<{ data: string }>({ dataType: () => "citext" });
const money = customType<{ data: string }>({ dataType: () => "money" });
const shortText = customType<{ data: string }>({ dataType: () => "varchar(7)" });
const range = customType<{ data: string }>({ dataType: () => "int4range" });
const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** A column of each type that Drizzle has, as drizzle-kit creates it. */
const everyColumn = () => ({
  bigintNumber: bigint("bigint_number", { mode: "number" }).default(-5),
  bigintBigint: bigint("bigint_bigint", { mode: "bigint" }).default(sql`9007199254740993`),
  bigserial: bigserial("bigserial", { mode: "number" }),
  boolean: boolean("boolean").default(false).notNull(),
  char: char("char"),
  char3: char("char3", { length: 3 }).default("abc"),
  cidr: cidr("cidr").default("10.0.0.0/8"),
  citext: citext("citext").default("Ab"),
  money: money("money"),
  shortText: shortText("short_text").default("it's"),
  range: range("range").default("[1,5)"),
  bytes: bytes("bytes"),
  date: date("date").default("2020-01-31"),
  dateNow: date("date_now").defaultNow(),
  double: doublePrecision("double").default(0.1),
  mood: mood("mood").default("it's sad").notNull(),
  moods: mood("moods").array(),
  status: Status("status").default("draft").notNull(),
  statuses: Status("statuses").array(),
  inet: inet("inet"),
  integer: integer("integer").default(0).notNull(),
  always: integer("always").generatedAlwaysAsIdentity(),
  byDefault: bigint("by_default", { mode: "number" }).generatedByDefaultAsIdentity(),
  generated: text("generated").generatedAlwaysAs(sql`upper(user_id)`),
  interval: interval("interval"),
  intervalYear: interval("interval_year", { fields: "year to month" }),
  interval3: interval("interval3", { precision: 3 }),
  json: json("json").default({ a: [1, "x"] }),
  jsonb: jsonb("jsonb")
    .$type<object>()
    .default({ b: 1, a: [1.5, "x"] })
    .notNull(),
  line: line("line"),
  macaddr: macaddr("macaddr"),
  macaddr8: macaddr8("macaddr8"),
  numeric: numeric("numeric").default("1.50"),
  numeric5: numeric("numeric5", { precision: 5 }),
  numeric102: numeric("numeric102", { precision: 10, scale: 2 }).default("0"),
  point: point("point"),
  real: real("real").default(1.5),
  serial: serial("serial"),
  smallint: smallint("smallint"),
  smallserial: smallserial("smallserial"),
  text: text("text").default("it's \\ a % 'text'"),
  textEnum: text("text_enum", { enum: ["a", "b"] }).default("a"),
  texts: text("texts").array().default(["a", "b"]),
  grid: integer("grid").array(3).array(3),
  time: time("time"),
  time3: time("time3", { precision: 3, withTimezone: true }),
  timestamp: timestamp("timestamp").defaultNow(),
  timestamp3: timestamp("timestamp3", { precision: 3, withTimezone: true }).default(
    new Date("2020-02-29T12:00:00.123Z"),
  ),
  timestampString: timestamp("timestamp_string", { mode: "string", withTimezone: true, precision: 6 }),
  timestampSql: timestamp("timestamp_sql").default(sql`CURRENT_TIMESTAMP`),
  uuid: uuid("uuid").defaultRandom(),
  bits: bit("bits", { dimensions: 3 }),
  varchar: varchar("varchar"),
  varchar20: varchar("varchar20", { length: 20 }).default("").notNull(),
  "odd key": integer("Odd name's %I"),
  select: text("select"),
  computed: text("computed")
    .$defaultFn(() => "x")
    .notNull(),
});

interface Made {
  tables: Record<string, unknown>;
  table: JourneyTable;
  casing?: "snake_case" | "camelCase";
  before?: string;
}

/** A database with the table as drizzle-kit and `journey-db sql` create it. */
async function made({ tables, table, casing, before = "" }: Made) {
  const opened = await prepared(before);
  for (const statement of await generated({ ...tables, table }, casing)) await opened.sql.unsafe(statement);
  for (const statement of tableSql(table)) await opened.sql.unsafe(statement);
  return opened;
}

describe("verify has no finding about a table that drizzle-kit created", () => {
  test.each([
    ["in its schema", { name: "chats", schema: "app" }],
    ["in a schema with an odd name", { name: "Chats of %I's $$ x", schema: "My app" }],
    ["on the search_path", "chats"],
    ["with the name of the default table, in another schema", { name: "journey_sessions", schema: "app" }],
  ])("with a column of each type, %s", async (_, name) => {
    const table = journeyTable(name as never, everyColumn());
    const schemas = { app, mood, Status, other: pgSchema("My app") };
    const { db, sql } = await made({
      tables: schemas,
      table,
      before: "create extension if not exists citext",
    });
    expect(await verify(db, { table })).toEqual([]);
    const [{ rows } = {}] = await sql`select sum(n_tup_ins) as rows from pg_stat_user_tables`;
    expect(rows).toBeDefined();
  });

  test.each(["node-postgres", "PGlite"])("with a column of each type, over %s", async (driver) => {
    // An extension of the server.
    const { citext: _, ...columns } = everyColumn();
    const table = journeyTable({ name: "chats", schema: "app" }, columns);
    const schemas = { app, mood, Status };
    if (driver === "node-postgres") {
      const { url } = await made({ tables: schemas, table });
      expect(await verify(openNodePostgres(url), { table })).toEqual([]);
      return;
    }
    const client = new PGlite();
    for (const statement of [...(await generated({ ...schemas, table })), ...tableSql(table)])
      await client.exec(statement);
    expect(await verify(drizzlePglite({ client }), { table })).toEqual([]);
    await client.close();
  });

  test.each(["snake_case", "camelCase", undefined] as const)(
    "with columns declared without a name: casing %s",
    async (casing) => {
      const table = journeyTable(
        "chats",
        { orgId: text().notNull(), isPinned: boolean().default(false), runId: text() },
        (t) => [
          index().on(t.orgId, t.isPinned),
          unique().on(t.orgId, t.runId),
          check("chats_org", sql`${t.orgId} <> ''`),
        ],
      );
      const { db } = await made({ tables: {}, table, ...(casing && { casing }) });
      expect(await verify(db, { table })).toEqual([]);
    },
  );

  test("with indexes, constraints, foreign keys both ways and policies", async () => {
    const reader = pgRole("reader_of_own_columns").existing();
    const profiles = app.table(
      "profiles",
      { id: uuid("id").primaryKey(), org: text("org"), nr: integer("nr") },
      (t) => [unique("profiles_org_nr").on(t.org, t.nr)],
    );
    const table = journeyTable(
      { name: "chats", schema: "app" },
      {
        runId: text("run_id").notNull(),
        profileId: uuid("profile_id")
          .notNull()
          .references(() => profiles.id, { onDelete: "cascade" }),
        org: text("org"),
        nr: integer("nr").unique(),
        slug: text("slug").unique("one slug"),
        tags: text("tags").array(),
        data: jsonb("data"),
      },
      (t) => [
        unique().on(t.userId, t.runId),
        unique("no nulls").on(t.org, t.nr).nullsNotDistinct(),
        uniqueIndex("lower slug").on(sql`lower(${t.slug})`),
        index().on(t.org, t.nr.desc().nullsFirst()),
        index("some").on(t.org).where(sql`${t.nr} > 1`),
        index("tags").using("gin", t.tags),
        index("data").using("gin", t.data.op("jsonb_path_ops")),
        check("nr > 0", sql`${t.nr} > 0`),
        foreignKey({ columns: [t.org, t.nr], foreignColumns: [profiles.org, profiles.nr] }).onUpdate(
          "cascade",
        ),
        pgPolicy("readers", { for: "select", to: reader, using: sql`true` }),
        pgPolicy("own", { as: "restrictive", using: sql`user_id = current_user` }),
      ],
    );
    const notes = pgTable("notes", {
      id: serial("id").primaryKey(),
      chat: uuid("chat").references(() => table.id, { onDelete: "cascade" }),
    });
    const before =
      "do $$ begin create role reader_of_own_columns; exception when duplicate_object or unique_violation then null; end $$";
    const { db, sql: raw } = await made({ tables: { app, profiles, notes }, table, before });
    expect(await verify(db, { table })).toEqual([]);
    // A table that is made by hand has other names for the same.
    await raw.unsafe(`alter table app.chats rename constraint "one slug" to chats_slug_key;
      alter table app.chats rename constraint chats_profile_id_profiles_id_fk to chats_profile_id_fkey;
      alter index app.tags rename to tags_idx`);
    expect(await verify(db, { table })).toEqual([]);
    await raw`insert into app.profiles (id) values (gen_random_uuid())`;
    expect(await verify(db, { table })).toEqual([]);
    // The command does not know what the application declares.
    const plain = journeyTable({ name: "chats", schema: "app" });
    expect(problems(await verify(db, { table: plain })).map(({ code }) => code)).toEqual(
      expect.arrayContaining(["column_unexpected", "insert_failed"]),
    );
  });
});

test("what is not declared is a note without SQL", async () => {
  const table = journeyTable({ name: "chats", schema: "app" });
  const { db, sql: raw } = await made({ tables: { app }, table });
  await raw.unsafe(`create table app.profiles (id uuid primary key);
    create domain app.short as text check (length(value) < 9);
    alter table app.chats add run_id text, add profile_id uuid references app.profiles, add made text not null default 'x',
      add nr int generated always as identity, add upper text generated always as (upper(user_id)) stored, add label app.short,
      add unique (user_id, run_id), add check (run_id <> ''), add exclude (run_id with =);
    create unique index on app.chats (lower(run_id)); create index on app.chats (profile_id);
    create policy own on app.chats using (true);
    create table app.notes (chat uuid references app.chats);
    create function app.touch() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger a before insert on app.chats for each row execute function app.touch();
    create trigger b after update on app.chats for each row execute function app.touch()`);
  const found = await verify(db, { table });
  expect(
    codesOf(found)
      .map((code) => code.replace("note ", ""))
      .sort(),
  ).toEqual([
    "column_unexpected",
    "column_unexpected",
    "column_unexpected",
    "column_unexpected",
    "column_unexpected",
    "column_unexpected",
    "constraint_unexpected",
    "constraint_unexpected",
    "constraint_unexpected",
    "foreign_key",
    "index_unexpected",
    "policy",
    "trigger_unexpected",
    "trigger_unexpected",
    "unique_index",
    "unique_index",
  ]);
  expect(found.filter(({ sql: statement }) => statement)).toEqual([]);
  expect(JSON.stringify(found)).not.toMatch(/\bdrop\b/i);
});

test("a value that an enum lacks is an error, and can be added", async () => {
  const state = (...values: [string, ...string[]]) => app.enum("state", values);
  const declare = (type: ReturnType<typeof state>) =>
    journeyTable({ name: "chats", schema: "app" }, { one: type("one"), many: type("many").array() });
  const old = state("a");
  const { db, sql: raw } = await made({ tables: { app, old }, table: declare(old) });
  const table = declare(state("a", "it's b"));
  const [first, second, ...more] = await verify(db, { table });
  expect([first?.code, second?.code, ...more]).toEqual(["column_type", "column_type"]);
  for (const finding of [first, second]) await raw.unsafe(finding?.sql ?? "");
  expect(await verify(db, { table })).toEqual([]);
});

test.each([[pgTable("chats", { id: uuid("id") })], [{}], ["chats"], [null]])(
  "a table that journeyTable did not declare is refused: %#",
  async (table) => {
    const { db } = await prepared();
    await expect(verify(db, { table } as never)).rejects.toMatchObject({
      name: "JourneyDbError",
      code: "invalid_input",
      message: expect.stringMatching(/table: expected a table that journeyTable has declared/),
    });
  },
);

const kinds = pgEnum("kinds", ["a", "b"]);

/** A column as the database has it, as the schema declares it, the findings, and whether one of them has no SQL. */
const DIFFERENT: [stored: string, declared: PgColumnBuilderBase, findings: string[], byHand?: true][] = [
  ["varchar(5)", varchar("c", { length: 9 }), ["warning column_type"], true],
  ["text", varchar("c", { length: 9 }), ["warning column_type"], true],
  ["varchar(5)", text("c"), ["warning column_type"], true],
  ["char(3) default 'abc'", char("c", { length: 4 }).default("abc"), ["warning column_type"], true],
  ["int", bigint("c", { mode: "number" }), ["error column_type"], true],
  ["bigint default 5", integer("c").default(7), ["error column_type"], true],
  ["numeric(10,2)", numeric("c", { precision: 12, scale: 4 }), ["warning column_type"], true],
  ["timestamp", timestamp("c", { withTimezone: true }), ["error column_type"], true],
  ["timestamptz(3)", timestamp("c", { withTimezone: true }), ["warning column_type"], true],
  ["text", kinds("c"), ["error column_type"], true],
  ["kinds default 'a'", text("c").default("a"), ["error column_type"], true],
  ["text", uuid("c"), ["error column_type"], true],
  ["json", jsonb("c"), ["error column_type"], true],
  ["text", jsonb("c").default({}), ["error column_type"], true],
  ["short", text("c"), []],
  ["short not null default 'x'", varchar("c", { length: 7 }).default("x").notNull(), []],
  ["int default 1", integer("c").default(1), []],
  ["numeric default 1.0", numeric("c").default("1"), ["warning column_default"]],
  ['jsonb default \'{"b":1, "a": [ 2 ]}\'', jsonb("c").default({ a: [2], b: 1 }), []],
  ["text default lower('A')", text("c").default("a"), []],
  ["text default 'b'", text("c").default("a"), ["warning column_default"]],
  ["text default 'b'", text("c"), []],
  ["text default null", text("c").default("a"), ["warning column_default"]],
  ["boolean not null", boolean("c").default(true).notNull(), ["error column_default"]],
  ["boolean", boolean("c").default(true).notNull(), ["error column_default", "warning column_nullable"]],
  ["text not null", text("c"), ["error column_nullable"]],
  ["text not null default ''", text("c"), ["warning column_nullable"]],
  ["text", text("c").notNull(), ["warning column_nullable"]],
  ["int generated always as identity", integer("c"), ["warning column_default"]],
  ["int generated always as identity", integer("c").generatedAlwaysAsIdentity(), []],
  ["int generated by default as identity", integer("c").generatedAlwaysAsIdentity(), []],
  ["serial", integer("c").generatedByDefaultAsIdentity(), []],
  ["int generated by default as identity", serial("c"), []],
  ["int", serial("c"), ["error column_default", "warning column_nullable"], true],
  ["int not null", integer("c").generatedAlwaysAsIdentity(), ["error column_default"], true],
  ["text generated always as (upper(user_id)) stored", text("c"), ["error column_default"], true],
  ["text", text("c").generatedAlwaysAs(sql`upper(user_id)`), ["warning column_default"], true],
  ["bigint", serial("c"), ["error column_type", "warning column_nullable"], true],
  [
    "int generated by default as identity",
    bigint("c", { mode: "number" }).generatedByDefaultAsIdentity(),
    ["error column_type"],
    true,
  ],
  ["bigint[]", integer("c"), ["error column_type"], true],
  ["timestamptz", timestamp("c"), ["error column_type"], true],
  ["int", boolean("c"), ["error column_type"], true],
  ["decimal(5,2)", customType({ dataType: () => "dec(5,2)" })("c"), []],
  ["double precision", customType({ dataType: () => "float" })("c"), []],
  ["timestamptz(6)", customType({ dataType: () => "TIMESTAMPTZ" })("c"), []],
  ['text collate "C"', customType({ dataType: () => 'text COLLATE "C"' })("c"), []],
  ["short", customType({ dataType: () => "public.short" })("c"), []],
  ["short default 'x'", text("c").default(""), []],
  ["filled", text("c").default("x").notNull(), []],
  ["filled", text("c").default("x"), ["warning column_nullable"], true],
  ["text[]", text("c"), ["error column_type"], true],
];

test.each(DIFFERENT.map((one, index) => [index, ...one] as const))(
  "%s: %s is compared with the declared column, and its remedies work",
  async (_, stored, column, findings, byHand) => {
    const table = journeyTable("chats", { c: column });
    const { db, sql: raw, ...opened } = await made({ tables: { kinds }, table: journeyTable("chats") });
    await raw.unsafe(`create domain short as varchar(7) check (length(value) > 0);
      create domain filled as text default 'x' not null;
      alter table chats add c ${stored.replace(/^text not null$/, "text not null default 'x'")}`);
    if (stored === "text not null") await raw`alter table chats alter c drop default`;
    const found = await verify(db, { table });
    expect(codesOf(found)).toEqual(findings);
    const [first] = found;
    expect(first?.sql === undefined).toBe(byHand === true || findings.length === 0);
    if (first?.code === "column_type")
      expect(first.remedy).toMatch(/^declare it as .*, or change it with the application's migrations$/);
    await follow(found, { db, sql: raw, ...opened });
    const left = problems(await verify(db, { table }));
    expect(codesOf(left)).toEqual(byHand ? findings.slice(0, 1) : []);
  },
);

test("another type is a finding without SQL, whatever uses the column, and says nothing about the others", async () => {
  const state = pgEnum("state", ["a", "new"]);
  const { db, sql: raw } = await made({ tables: {}, table: journeyTable("chats") });
  await raw.unsafe(`create type state as enum ('a'); create table users (id uuid primary key);
    alter table chats add nr int check (nr > 0), add twice int generated always as (nr * 2) stored, add days bigint[],
      add owner uuid references users, add state state default 'a', add org text not null, add one int default 1;
    create index on chats ((nr + 1)); create policy own on chats using (nr > 1)`);
  const table = journeyTable("chats", {
    nr: bigint("nr", { mode: "number" }),
    twice: bigint("twice", { mode: "number" }).generatedAlwaysAs(sql`nr * 2`),
    days: bigint("days", { mode: "number" }),
    owner: text("owner"),
    state: state("state").default("new"),
    org: text("org"),
    one: integer("one").default("x" as never),
  });
  const found = problems(await verify(db, { table }));
  expect(found.map(({ code, sql: statement }) => `${code} ${statement ?? ""}`)).toEqual([
    "column_type ",
    "column_type ",
    "column_type ",
    `column_type alter type "state" add value if not exists 'new'`,
    "column_type ",
    'column_nullable alter table "chats" alter column org drop not null',
  ]);
});

test("a column that a trigger sets may be NOT NULL in the database only", async () => {
  const { db, sql: raw } = await made({ tables: {}, table: journeyTable("chats") });
  await raw.unsafe(`alter table chats add org text not null;
    create function fill() returns trigger language plpgsql as $$ begin new.org := 'x'; return new; end $$;
    create trigger fill before insert on chats for each row execute function fill()`);
  const table = journeyTable("chats", { org: text("org") });
  expect(codesOf(await verify(db, { table }))).toEqual(["note column_nullable", "note trigger_unexpected"]);
  await raw`alter table chats disable trigger fill`;
  expect(codesOf(problems(await verify(db, { table })))).toEqual(["error column_nullable"]);
});

test("what a domain has counts as the column's", async () => {
  const { db, sql: raw } = await made({ tables: {}, table: journeyTable("chats") });
  await raw.unsafe(`create domain filled as text not null default 'x'; create domain needed as text not null; create domain of_it as needed;
    alter table chats add a filled, add b of_it`);
  const table = journeyTable("chats");
  expect(codesOf(await verify(db, { table }))).toEqual([
    "error column_unexpected",
    "error insert_failed",
    "note column_unexpected",
  ]);
});

test("a name of more than 63 bytes is compared as the server cuts it", async () => {
  const name = `${"x".repeat(62)}äöü`;
  const table = journeyTable("chats", { long: text(name).notNull().default("") });
  const { db, sql: raw } = await made({ tables: {}, table });
  expect(await verify(db, { table })).toEqual([]);
  await raw.unsafe(`alter table chats drop "${"x".repeat(62)}"`);
  const [found, ...more] = await verify(db, { table });
  expect(more).toEqual([]);
  await raw.unsafe(found?.sql ?? "");
  expect(await verify(db, { table })).toEqual([]);
});

test("an identity over stored numbers has no SQL", async () => {
  const table = journeyTable("chats", { nr: integer("nr").generatedByDefaultAsIdentity() });
  const { db, sql: raw } = await made({ tables: {}, table });
  await raw.unsafe(
    `insert into chats (user_id, nr) values ('user_a', -5); alter table chats alter nr drop identity`,
  );
  const [found, ...more] = await verify(db, { table });
  expect([found?.code, found?.sql, more]).toEqual(["column_default", undefined, []]);
});

/** Columns that a table with rows lacks: those that SQL adds as declared, and those that a migration must add. */
const ABSENT = {
  added: () => ({
    upper: text("upper").generatedAlwaysAs(sql`upper(word)`),
    shout: text("shout").generatedAlwaysAs("lower(word)"),
    word: text("word").notNull().default("it's"),
    one: mood("one"),
    two: mood("two").array(),
    three: mood("three").default("glad").notNull(),
    later: kinds("later").default("b"),
    need: text("need").notNull(),
    nr: serial("nr"),
    short: customType<{ data: string }>({ dataType: () => "app.short" })("short").default("x"),
    ci: customType<{ data: string }>({ dataType: () => "public.citext" })("ci").default("x"),
    c: customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })("c").default("x"),
    float: customType({ dataType: () => "float" })("float"),
    dec: customType<{ data: string }>({ dataType: () => "dec(5,2)" })("dec").default("1.5"),
    at: customType({ dataType: () => "TIMESTAMPTZ" })("at"),
    grid: integer("grid").array(3).array(3),
  }),
  byHand: () => ({
    commented: text("commented").generatedAlwaysAs(sql`upper(user_id) -- ${sql.raw("x\n")}`),
    lines: text("lines").default("a\n  b"),
    bytes: bytes("bytes").default(Buffer.from("a")).notNull(),
    nowhere: pgSchema("nowhere").enum("kind", ["a"])("nowhere"),
    unknown: customType({ dataType: () => "unknown_type" })("unknown"),
    needed: customType({ dataType: () => "app.needed" })("needed"),
    from: integer("from").generatedAlwaysAsIdentity({ startWith: 100 }),
  }),
};

test("columns that are missing: SQL only where it adds them as declared", async () => {
  const { db, sql: raw, ...opened } = await made({ tables: {}, table: journeyTable("chats") });
  await raw.unsafe(`create extension citext; create schema app; create domain app.short as varchar(7); create domain app.needed as text not null;
    create type kinds as enum ('a'); insert into chats (user_id) values ('user_a')`);
  const both = journeyTable("chats", { ...ABSENT.added(), ...ABSENT.byHand() });
  const found = await verify(db, { table: both });
  const without = found.filter((one) => one.sql === undefined);
  expect(without.map(({ remedy }) => remedy)).toEqual(
    [...Object.keys(ABSENT.byHand()), "upper", "shout"].map(
      () => "apply the application's migration that adds it",
    ),
  );
  const table = journeyTable("chats", ABSENT.added());
  await follow(await verify(db, { table }), { db, sql: raw, ...opened });
  await raw`update chats set need = ''`;
  await follow(await verify(db, { table }), { db, sql: raw, ...opened });
  expect(await verify(db, { table })).toEqual([]);
  expect([...(await raw`select word, upper, shout, three, later, short, ci, c, nr, dec from chats`)]).toEqual(
    [
      {
        word: "it's",
        upper: "IT'S",
        shout: "it's",
        three: "glad",
        later: "b",
        short: "x",
        ci: "x",
        c: "x",
        nr: 1,
        dec: "1.50",
      },
    ],
  );
});

test("the trigger's function must be the one in the table's schema", async () => {
  const table = journeyTable({ name: "chats", schema: "app" });
  const { db, sql: raw } = await made({ tables: { app }, table });
  await raw.unsafe(`create function update_chats_updated_at() returns trigger language plpgsql set search_path = '' as
      $$ begin new.updated_at := clock_timestamp(); return new; end $$;
    create or replace trigger chats_updated_at before update on app.chats for each row execute function update_chats_updated_at()`);
  const [found, ...more] = problems(await verify(db, { table }));
  expect([found?.code, ...more.map(({ code }) => code)]).toEqual(["trigger_different", "function_rights"]);
  await raw.unsafe(found?.sql ?? "");
  expect(await verify(db, { table })).toEqual([]);
});

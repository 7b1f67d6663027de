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

/** A column as the database has it, as the schema declares it, the findings, and whether a person must act. */
const DIFFERENT: [
  stored: string,
  declared: PgColumnBuilderBase,
  findings: string[],
  follow?: "by hand" | "twice",
][] = [
  ["varchar(5)", varchar("c", { length: 9 }), ["warning column_type"]],
  ["text", varchar("c", { length: 9 }), ["warning column_type"]],
  ["varchar(5)", text("c"), ["warning column_type"]],
  ["char(3) default 'abc'", char("c", { length: 4 }).default("abc"), ["warning column_type"]],
  ["int", bigint("c", { mode: "number" }), ["error column_type"]],
  ["bigint default 5", integer("c").default(7), ["error column_type"]],
  ["numeric(10,2)", numeric("c", { precision: 12, scale: 4 }), ["warning column_type"]],
  ["timestamp", timestamp("c", { withTimezone: true }), ["error column_type"]],
  ["timestamptz(3)", timestamp("c", { withTimezone: true }), ["warning column_type"]],
  ["text", kinds("c"), ["error column_type"]],
  ["kinds default 'a'", text("c").default("a"), ["error column_type"]],
  ["text", uuid("c"), ["error column_type"]],
  ["json", jsonb("c"), ["error column_type"]],
  ["text", jsonb("c").default({}), ["error column_type"]],
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
  ["int", serial("c"), ["error column_default"]],
  ["int not null", integer("c").generatedAlwaysAsIdentity(), ["error column_default"]],
  ["text generated always as (upper(user_id)) stored", text("c"), ["error column_default"]],
  ["text", text("c").generatedAlwaysAs(sql`upper(user_id)`), ["warning column_default"], "by hand"],
  ["bigint", serial("c"), ["error column_type", "error column_default"]],
  ["text[]", text("c"), ["error column_type"], "twice"],
];

test.each(DIFFERENT.map((one, index) => [index, ...one] as const))(
  "%s: %s is compared with the declared column, and its remedies work",
  async (_, stored, column, findings, how) => {
    const table = journeyTable("chats", { c: column });
    const { db, sql: raw, ...opened } = await made({ tables: { kinds }, table: journeyTable("chats") });
    await raw.unsafe(`create domain short as varchar(7) check (length(value) > 0);
      alter table chats add c ${stored.replace(/^text not null$/, "text not null default 'x'")}`);
    if (stored === "text not null") await raw`alter table chats alter c drop default`;
    const found = await verify(db, { table });
    expect(codesOf(found)).toEqual(
      findings.includes("error column_type") && found.some(({ code }) => code === "insert_failed")
        ? [...findings, "error insert_failed"]
        : findings,
    );
    await follow(found, { db, sql: raw, ...opened });
    if (how === "twice") await follow(await verify(db, { table }), { db, sql: raw, ...opened });
    const left = problems(await verify(db, { table }));
    if (how === "by hand") expect(found.every((one) => one.sql === undefined)).toBe(true);
    else expect(left).toEqual([]);
  },
);

test.each([
  ["varchar(9)", varchar("c", { length: 5 }), "'longer'", "warning"],
  ["text", varchar("c", { length: 5 }), "'longer'", "warning"],
  ["bigint", integer("c"), "3000000000", "error"],
  ["numeric(10,2)", numeric("c", { precision: 10, scale: 1 }), "1.25", "warning"],
  [
    "timestamptz",
    timestamp("c", { withTimezone: true, precision: 3 }),
    "'2020-01-01 00:00:00.123456Z'",
    "warning",
  ],
])("%s: no remedy changes a value that does not fit %#", async (stored, column, value, severity) => {
  const { db, sql: raw } = await made({ tables: {}, table: journeyTable("chats") });
  await raw.unsafe(
    `alter table chats add c ${stored}; insert into chats (user_id, c) values ('user_a', ${value})`,
  );
  const [found, ...more] = await verify(db, {
    table: journeyTable("chats", { c: column as PgColumnBuilderBase }),
  });
  expect([found, more]).toMatchObject([
    { severity, code: "column_type", message: expect.stringContaining("do not fit") },
    [],
  ]);
  expect(found).not.toHaveProperty("sql");
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

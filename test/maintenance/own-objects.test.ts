import { sql } from "drizzle-orm";
import {
  check,
  foreignKey,
  index,
  integer,
  pgPolicy,
  pgSchema,
  pgTable,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { journeyTable } from "../../src/schema.js";
import { codesOf, follow, prepared, problems } from "../support/changes.js";
import { generated } from "../support/drizzle-kit.js";
import { OLD_TABLE } from "../support/old-table.js";

const owners = pgTable("owners", { id: uuid("id").primaryKey(), code: text("code") });
const app = pgSchema("app");
const gone = app.table("gone", { id: uuid("id").primaryKey() });

/** What the database has of the table, before the SQL; `declared` is what the schema has. */
const columns = { orgId: text("org_id"), nr: integer("nr"), ownerId: uuid("owner_id") };
const stored = journeyTable("chats", columns);

async function made(statements: string) {
  const opened = await prepared();
  for (const statement of await generated({ owners, stored })) await opened.sql.unsafe(statement);
  for (const statement of tableSql(stored)) await opened.sql.unsafe(statement);
  await opened.sql.unsafe(
    `insert into chats (user_id, org_id, nr) values ('user_a', 'a', 1), ('user_b', 'b', 2)`,
  );
  await opened.sql.unsafe(statements);
  return opened;
}

type Extra = NonNullable<Parameters<typeof journeyTable<"chats", undefined, typeof columns>>[2]>;

/** What the schema declares, what the database has, and the findings; without SQL, unless following it ends clean. */
const CASES: Record<
  string,
  [declared: Extra, stored: string, findings: string[], says: RegExp, sql?: "sql"]
> = {
  "a foreign key to a table that does not exist": [
    (t) => [foreignKey({ columns: [t.ownerId], foreignColumns: [gone.id] })],
    "",
    ["warning constraint_missing"],
    /references a table that does not exist/,
  ],
  "a foreign key to a column of another type": [
    (t) => [foreignKey({ columns: [t.orgId], foreignColumns: [owners.id as never] })],
    "",
    ["warning constraint_missing"],
    /same type/,
  ],
  "a foreign key to a column that is not unique": [
    (t) => [foreignKey({ columns: [t.orgId], foreignColumns: [owners.code] })],
    "",
    ["warning constraint_missing"],
    /must be unique/,
  ],
  "a foreign key that is not validated": [
    (t) => [foreignKey({ columns: [t.ownerId], foreignColumns: [owners.id] })],
    "alter table chats add constraint x foreign key (owner_id) references owners not valid",
    ["note constraint_different"],
    /NOT VALID/,
  ],
  "a missing foreign key": [
    (t) => [foreignKey({ columns: [t.ownerId], foreignColumns: [owners.id] })],
    "",
    ["warning constraint_missing"],
    /is missing/,
    "sql",
  ],
  "a missing check whose column has another type": [
    () => [check("positive", sql`nr > 0`)],
    "alter table chats alter nr type text",
    ["error column_type", "warning check_missing"],
    /"positive" is missing/,
  ],
  "a check by another name": [
    () => [check("positive", sql`nr > 0`)],
    "alter table chats add constraint by_hand check (nr > 0)",
    ["warning check_missing", "note constraint_unexpected"],
    /unless a check with another name does the same.*by_hand/,
  ],
  "a check whose name a unique constraint has": [
    () => [check("positive", sql`nr > 0`)],
    "alter table chats add constraint positive unique (nr)",
    ["warning check_missing", "note unique_index"],
    /rename what has its name/,
  ],
  "a check that is not validated": [
    () => [check("positive", sql`nr > 0`)],
    "alter table chats add constraint positive check (nr > 0) not valid",
    ["note check_not_validated"],
    /NOT VALID/,
  ],
  "a missing check": [
    () => [check("positive", sql`nr > 0`)],
    "",
    ["warning check_missing"],
    /is missing/,
    "sql",
  ],
  "two NULLs in a unique constraint with NULLS NOT DISTINCT": [
    (t) => [unique().on(t.ownerId).nullsNotDistinct()],
    "",
    ["warning constraint_missing"],
    /change or delete the rows/,
  ],
  "a unique constraint whose NULLs are distinct": [
    (t) => [unique("u").on(t.orgId).nullsNotDistinct()],
    "alter table chats add constraint u unique (org_id)",
    ["warning index_different"],
    /not as the schema declares it/,
  ],
  "a missing unique constraint": [
    (t) => [unique().on(t.orgId)],
    "",
    ["warning constraint_missing"],
    /is missing/,
    "sql",
  ],
  "an unique index on an expression": [
    () => [uniqueIndex("lower_org").on(sql`lower(org_id)`)],
    "insert into chats (user_id, org_id) values ('user_a', 'A')",
    ["warning index_missing"],
    /apply the application's migration/,
  ],
  "a unique constraint that a foreign key of another table needs": [
    (t) => [unique("u").on(t.orgId, t.nr)],
    "alter table chats add constraint u unique (org_id); create table notes (org text references chats (org_id) on delete cascade)",
    ["warning index_different"],
    /drop it, and apply/,
  ],
  "an index with another method": [
    (t) => [index("by_org").on(t.orgId)],
    "create index by_org on chats using hash (org_id)",
    ["warning index_different"],
    /not as the schema declares it/,
    "sql",
  ],
  "an index of some rows only": [
    (t) => [index("by_org").on(t.orgId)],
    "create index by_org on chats (org_id) where nr > 1",
    ["warning index_different"],
    /not as the schema declares it/,
    "sql",
  ],
  "an index on columns that the schema writes as SQL": [
    (t) => [index("by_org").on(sql`${t.orgId} desc`)],
    "create index by_org on chats (org_id desc)",
    [],
    /^$/,
  ],
  "a policy for a role that does not exist": [
    () => [pgPolicy("own", { to: "nobody_of_this_name", using: sql`true` })],
    "",
    ["warning policy_missing"],
    /apply the application's migration/,
  ],
  "a name that is cut off within a character": [
    (t) => [index(`${"x".repeat(62)}é`).on(t.orgId), check(`${"y".repeat(62)}é`, sql`nr > 0`)],
    `create index "${"x".repeat(62)}é" on chats (org_id); alter table chats add constraint "${"y".repeat(62)}é" check (nr > 0)`,
    [],
    /^$/,
  ],
};

describe.each(Object.keys(CASES))("%s", (name) => {
  const [declared, statements, findings, says, how] = CASES[name] as (typeof CASES)[string];

  test("is reported, and a remedy has SQL only if it works", async () => {
    const opened = await made(statements);
    const table = journeyTable("chats", columns, declared);
    const found = await verify(opened.db, { table });
    expect(codesOf(found)).toEqual(findings);
    expect(found.map(({ message, remedy }) => `${message} ${remedy}`).join(" ")).toMatch(says);
    const withSql = found.filter((one) => one.sql !== undefined && one.code !== "column_type");
    expect(withSql).toHaveLength(how === "sql" ? 1 : 0);
    await follow(found, opened);
    if (how === "sql") expect(problems(await verify(opened.db, { table }))).toEqual([]);
  });
});

test("before the default table is adopted, only what a pending file creates is left to migrate", async () => {
  const opened = await prepared(`${OLD_TABLE}; insert into journey_sessions (user_id) values ('user_a')`);
  const table = journeyTable(
    "journey_sessions",
    { runId: text("run_id"), nr: integer("nr").notNull() },
    (t) => [index("by_run").on(t.runId)],
  );
  const found = await verify(opened.db, { table });
  const own = found.filter(({ message }) => /run_id|nr|by_run/.test(message));
  expect(codesOf(own)).toEqual(["error column_missing", "error column_missing", "warning index_missing"]);
  for (const { remedy } of own) expect(remedy).not.toMatch(/migrate/);
});

test("a foreign key from the table to itself that does not cascade is noted", async () => {
  const { db, sql: raw } = await made("alter table chats add parent uuid references chats (id)");
  const table = journeyTable("chats", columns);
  expect(codesOf(await verify(db, { table }))).toContain("note foreign_key");
  await raw`alter table chats drop constraint chats_parent_fkey, add foreign key (parent) references chats (id) on delete cascade`;
  expect(codesOf(await verify(db, { table }))).not.toContain("note foreign_key");
});

test("the command that a remedy names quotes the table's name", async () => {
  const { db } = await prepared();
  const [missing] = await verify(db, { table: journeyTable({ name: "Chats of 'me'", schema: "my app" }) });
  expect(missing?.remedy).toContain(`--table 'Chats of '\\''me'\\''' --schema 'my app' prints`);
});

test("a failure in one object hides no other", async () => {
  const opened = await made("alter table chats alter nr type text");
  const table = journeyTable("chats", columns, (t) => [
    foreignKey({ columns: [t.ownerId], foreignColumns: [gone.id] }),
    check("positive", sql`nr > 0`),
    index("by_org").on(t.orgId),
    pgPolicy("own", { to: "nobody_of_this_name" }),
  ]);
  expect(codesOf(await verify(opened.db, { table })).sort()).toEqual([
    "error column_type",
    "warning check_missing",
    "warning constraint_missing",
    "warning index_missing",
    "warning policy_missing",
  ]);
});

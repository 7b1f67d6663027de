import { createRequire } from "node:module";
import { eq, getTableName, sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  date,
  getTableConfig,
  index,
  integer,
  jsonb,
  numeric,
  pgSchema,
  text,
  timestamp,
  unique,
  varchar,
} from "drizzle-orm/pg-core";
import { replyTables } from "../../src/durable-replies.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { isJourneyTable, type JourneyTable, journeyTable } from "../../src/schema.js";
import { IN_ROWS } from "./layout.js";
import { repository } from "./tools.js";

export const app = pgSchema("app");
export const stage = app.enum("stage", ["draft", "it's live", "done"]);

export const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });

/** A table of an application's, with another name and schema, and own columns of every kind. */
export const chats = journeyTable(
  { name: "chats", schema: "app" },
  {
    runId: text("run_id").notNull(),
    orgId: text("org_id"),
    pinned: boolean("pinned").default(false).notNull(),
    stage: stage("stage").default("draft").notNull(),
    orgIdLower: text("org_id_lower").generatedAlwaysAs(sql`lower(org_id)`),
    number: integer("number").generatedAlwaysAsIdentity().notNull(),
    tags: text("tags").array().default([]).notNull(),
    results: jsonb("results").$type<{ [key: string]: unknown } | unknown[] | string | number | null>(),
    budget: numeric("budget", { precision: 40, scale: 10 }),
    tokens: bigint("tokens", { mode: "bigint" }),
    dueAt: timestamp("due_at", { withTimezone: true }),
    startsAt: timestamp("starts_at", { mode: "string" }),
    day: date("day"),
    digest: bytea("digest"),
    code: varchar("code", { length: 5 }),
    origin: text("origin").$defaultFn(() => "web"),
    touched: integer("touched").$onUpdateFn(() => 7),
  },
  (t) => [
    unique("chats_user_id_run_id").on(t.userId, t.runId),
    // Serves list({ where: { orgId } }).
    index("chats_user_id_org_id_created_at_id").on(t.userId, t.orgId, t.createdAt, t.id),
  ],
);

/** What Drizzle cannot declare: the trigger of drizzle/0004 and 0007. */
function triggerOf(table: JourneyTable): string[] {
  const { name, schema = "public" } = getTableConfig(table);
  const [trigger, raise] = [`"${name}_updated_at"`, `"${schema}"."update_${name}_updated_at"`];
  return [
    `create function ${raise}() returns trigger language plpgsql set search_path = '' as $$ begin
      new.updated_at := greatest(now(), case when old.updated_at < '294276-01-01 00:00:00+00'::timestamptz then old.updated_at + interval '1 microsecond' end);
      return new;
    end $$`,
    `create trigger ${trigger} before update on "${schema}"."${name}" for each row
      when ((new.updated_at = now() and new.updated_at > old.updated_at) is not true) execute function ${raise}()`,
  ];
}

/** drizzle-kit is a dependency of the scripts' folder. */
const kit = () => createRequire(`${repository}scripts/migration-faults.ts`)("drizzle-kit/api");

/** The SQL that creates what a schema file declares, as drizzle-kit generates it, with the triggers of the sessions' tables. */
export async function sqlOf(schema: Record<string, unknown>): Promise<string[]> {
  const { generateDrizzleJson, generateMigration } = kit();
  const generated: string[] = await generateMigration(generateDrizzleJson({}), generateDrizzleJson(schema));
  return [...generated, ...Object.values(schema).filter(isJourneyTable).flatMap(triggerOf)];
}

/** What a table of sessions needs for messages in rows, and Drizzle cannot declare. */
const rowsSqlOf = (table: JourneyTable): string[] =>
  tableSql(table, { with: ["message-rows"] }).slice(tableSql(table).length);

/** Creates what a schema file declares, with the tables of messages where they are in rows. */
export async function createTables(
  db: Database,
  schema: Record<string, unknown>,
  inRows = IN_ROWS,
): Promise<void> {
  const tables = inRows ? Object.values(schema).filter(isJourneyTable) : [];
  const messages = Object.fromEntries(tables.map((table, n) => [`messages${n}`, messagesTable(table)]));
  const statements = [...(await sqlOf({ ...schema, ...messages })), ...tables.flatMap(rowsSqlOf)];
  for (const statement of statements) await db.execute(sql.raw(statement));
}

export const createChats = (db: Database, inRows = IN_ROWS) =>
  createTables(db, { app, stage, chats }, inRows);

/** As createChats, with the tables of messages and of replies. */
export const createWholeChats = (db: Database) =>
  createTables(db, { app, stage, chats, ...replyTables(chats) }, true);

/** As createChats, with the tables of replies. */
export const createReplyTables = (db: Database) =>
  createTables(db, { app, stage, chats, ...replyTables(chats) });

/** The stored row, as Drizzle selects it. */
export async function rowOf<Table extends JourneyTable>(
  db: Database,
  table: Table,
  id: string,
): Promise<Table["$inferSelect"]> {
  const [row] = await db
    .select()
    .from(table as JourneyTable)
    .where(eq(table.id, id));
  if (!row) throw new Error(`${getTableName(table)} has no row ${id}`);
  return row;
}

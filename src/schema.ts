import {
  type BuildColumns,
  type BuildExtraConfigColumns,
  getTableColumns,
  getTableName,
  is,
  sql,
} from "drizzle-orm";
import {
  check,
  getTableConfig,
  index,
  jsonb,
  type PgColumn,
  type PgColumnBuilderBase,
  PgTable,
  type PgTableExtraConfigValue,
  type PgTableWithColumns,
  pgSchema,
  pgTable,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import type { JourneyMessage, JourneyMetadata } from "./messages.js";
import { JourneyDbError } from "./model/errors.js";
import { isStorable } from "./model/text.js";

/** The columns of every table of sessions. */
const sessionColumns = () => ({
  id: uuid("id").defaultRandom().primaryKey(),
  userId: text("user_id").notNull(),
  phase: text("phase").default("setup").notNull(),
  messages: jsonb("messages").$type<JourneyMessage[]>().default([]).notNull(),
  metadata: jsonb("metadata").$type<JourneyMetadata>().default({}).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).defaultNow().notNull(),
});

/** The columns that this package fills. Every other column of the table is the application's own. */
export const SESSION_KEYS = [
  "id",
  "userId",
  "phase",
  "messages",
  "metadata",
  "createdAt",
  "updatedAt",
] as const;
export type SessionKey = (typeof SESSION_KEYS)[number];

type SessionColumns = ReturnType<typeof sessionColumns>;
type OwnColumns = Record<string, PgColumnBuilderBase>;
/** `revision` is a property of every session. */
type Reserved = SessionKey | "revision";

/** A table with these columns, as queries see it. */
export type TableOf<
  Columns extends OwnColumns,
  Name extends string = string,
  Schema extends string | undefined = string | undefined,
> = PgTableWithColumns<{
  name: Name;
  schema: Schema;
  columns: BuildColumns<Name, Columns, "pg">;
  dialect: "pg";
}>;

/** A table that `journeyTable` has declared. */
export type JourneyTable = PgTable & Record<SessionKey, PgColumn>;

/** Bytes of the longest name of a table: the names of its indexes are up to 30 longer, and PostgreSQL allows 63. */
const LONGEST_NAME = 33;
/** A function of PostgreSQL has at most 100 arguments. */
const MOST_COLUMNS = 90;
/** Names that a statement gives to its own parts beside the table. */
const ALIASES =
  "input own page batch hit passed due deleted counted excluded conversation copied changed kept locked given stored added dropped made target found written started cleared next previous removed numbered".split(
    " ",
  );

/**
 * Declares a table of sessions: the columns of this package, followed by the application's own. Pass it to
 * `defineJourney({ table })`, and export it from a schema file of drizzle-kit.
 *
 * Drizzle cannot declare its trigger, privileges and storage settings. `journey-db sql --table NAME` prints them for a
 * custom migration.
 *
 * @param name the table's name, at most 33 bytes, or its name and schema
 * @param columns at most 90 own columns of the application, except `revision` and the names of the package's columns
 * @param extraConfig own indexes, constraints and policies, as in Drizzle's `pgTable`
 * @example
 * export const chats = journeyTable(
 *   { name: "chats", schema: "app" },
 *   { orgId: text("org_id").notNull(), pinned: boolean("pinned").default(false).notNull() },
 *   (t) => [index("chats_org_id").on(t.orgId)],
 * );
 * @throws JourneyDbError invalid_input for a name that cannot be used, too many columns, or a column of the package
 *   that is declared again
 */
export function journeyTable<
  const Name extends string,
  const Schema extends string | undefined = undefined,
  // biome-ignore lint/complexity/noBannedTypes: no own columns
  Own extends OwnColumns = {},
>(
  name: Name | { name: Name; schema?: Schema },
  columns?: { [Key in keyof Own]: Key extends Reserved ? never : Own[Key] },
  extraConfig?: (
    table: BuildExtraConfigColumns<Name, SessionColumns & Own, "pg">,
  ) => PgTableExtraConfigValue[],
): TableOf<SessionColumns & Own, Name, Schema> {
  const {
    name: tableName,
    schema,
    ...others
  }: { name: Name; schema?: string | undefined } = typeof name === "string" ? { name } : Object(name);
  if (Object.keys(others).length > 0) throw invalid("name", "a name, or an object of name and schema");
  requireName("name", tableName, LONGEST_NAME);
  if (ALIASES.includes(tableName)) throw invalid("name", `a name other than "${tableName}"`);
  if (schema !== undefined) requireName("schema", schema, 63);
  // Every object has the keys of its prototype, such as "constructor".
  const taken = Object.keys(columns ?? {}).find(
    (key) => key === "revision" || isSessionKey(key) || key in Object.prototype,
  );
  if (taken !== undefined) throw invalid(`columns.${taken}`, "a name that the package does not use");
  for (const [key, builder] of Object.entries(columns ?? {}))
    if (typeof builder !== "object" || builder === null)
      throw invalid(`columns.${key}`, "a column of Drizzle");
  const table = declareIn(schema)(tableName, { ...sessionColumns(), ...columns }, (table) => [
    // Part of the table's contract; serves count and deleteAll.
    index(`idx_${tableName}_user_id`).on(table.userId),
    // Serves list and latest with a backward scan: .desc() would declare DESC NULLS LAST, which
    // `order by … desc` cannot use. There is no index on updated_at, so that an append stays a HOT
    // update, which writes no index entries.
    index(`idx_${tableName}_user_id_created_at_id`).on(table.userId, table.createdAt, table.id),
    // Plain text: drizzle-kit would write an interpolated value as a literal $1.
    check(`${tableName}_user_id_not_empty`, sql`user_id <> ''`),
    check(`${tableName}_messages_is_array`, sql`jsonb_typeof(messages) = 'array'`),
    check(`${tableName}_metadata_is_object`, sql`jsonb_typeof(metadata) = 'object'`),
    ...(extraConfig?.(table as never) ?? []),
  ]).enableRLS();
  const names = Object.values(getTableColumns(table)).map((column) => column.name);
  const twice = names.find((one, index) => names.indexOf(one) !== index);
  if (twice !== undefined) throw invalid("columns", `each column name once, not "${twice}" again`);
  if (names.length - SESSION_KEYS.length > MOST_COLUMNS)
    throw invalid("columns", `at most ${MOST_COLUMNS} own columns`);
  return table as never;
}

/** Drizzle's `pgTable`, in a schema. */
const declareIn = (schema: string | undefined) =>
  (schema === undefined || schema === "public" ? pgTable : pgSchema(schema).table) as typeof pgTable;

const isSessionKey = (key: string): key is SessionKey => (SESSION_KEYS as readonly string[]).includes(key);

const invalid = (field: string, expected: string) =>
  new JourneyDbError("invalid_input", `journeyTable: ${field}: expected ${expected}`);

function requireName(field: string, name: unknown, longest: number): void {
  if (
    typeof name !== "string" ||
    name === "" ||
    !isStorable(name) ||
    new TextEncoder().encode(name).length > longest
  )
    throw invalid(field, `1 to ${longest} bytes of well-formed text without U+0000`);
}

/**
 * The default table: one row per chat session. The trigger `journey_sessions_updated_at` (a custom migration, since
 * Drizzle cannot declare triggers) keeps updated_at strictly increasing.
 *
 * An application that has this repository in its workspace adds its own columns here, then runs
 * `npm run generate -- --name=…` and `npm run migrate`.
 */
export const journeySessions = journeyTable("journey_sessions");

/** Whether a table has the columns of this package. */
export const isJourneyTable = (given: unknown): given is JourneyTable => {
  if (!is(given, PgTable)) return false;
  const columns: Record<string, PgColumn> = getTableColumns(given);
  return SESSION_KEYS.every((key) => columns[key]?.name === journeySessions[key].name);
};

/**
 * How the tables that go with one of sessions are declared: in its schema, with names that begin with `prefix`.
 *
 * @param call the public function that declares them
 * @throws JourneyDbError invalid_input for a table that journeyTable has not declared
 */
export function declareBeside(
  sessions: JourneyTable,
  call: string,
): { prefix: string; declare: typeof pgTable } {
  if (!isJourneyTable(sessions))
    throw new JourneyDbError(
      "invalid_input",
      `${call}: table: expected a table that journeyTable has declared`,
    );
  const { name, schema } = getTableConfig(sessions);
  const prefix = name === getTableName(journeySessions) ? "journey" : name;
  return { prefix, declare: declareIn(schema) };
}

/** A name as a quoted identifier. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The name of a table as PostgreSQL reads it in text, such as for `to_regclass`: `"app"."chats"`. */
export const qualifiedName = (table: JourneyTable): string =>
  [getTableConfig(table).schema, getTableName(table)]
    .flatMap((name) => (name === undefined ? [] : quotedName(name)))
    .join(".");

/** The property of a table of messages that names its sessions' table and its statements. */
export const MESSAGE_ROWS = Symbol.for("@aigos/journey-db/message-rows");

/** An interface, so that declaration files can name it. */
export interface MessagesOf<Table extends JourneyTable> {
  readonly [MESSAGE_ROWS]: {
    sessions: Table;
    /** A `Layout` of `queries/layout.ts`. */
    layout: unknown;
  };
}

/** A table that `messagesTable` of `@aigos/journey-db/message-rows` has declared. */
export type MessagesTable<Table extends JourneyTable = JourneyTable> = PgTable & MessagesOf<Table>;

/** Whether a table is one of messages. */
export const isMessagesTable = (given: unknown): given is MessagesTable =>
  is(given, PgTable) && MESSAGE_ROWS in given;

/** The property of a table of replies that names its sessions' table, and brings its calls along. */
export const REPLIES = Symbol.for("@aigos/journey-db/durable-replies");

/** An interface, so that declaration files can name it. */
export interface RepliesOf<Table extends JourneyTable> {
  readonly [REPLIES]: {
    sessions: Table;
    /** The `Verb` of each call of `sessions.replies`. */
    verbs: unknown;
    /** The `Statement` of `watch`. */
    watched: unknown;
  };
}

/** A table that `replyTables` of `@aigos/journey-db/durable-replies` has declared as `replies`. */
export type RepliesTable<Table extends JourneyTable = JourneyTable> = PgTable & RepliesOf<Table>;

/** Whether a table is one of replies. */
export const isRepliesTable = (given: unknown): given is RepliesTable =>
  is(given, PgTable) && REPLIES in given;

/** The application's own columns, by their keys. */
export const ownColumns = (table: JourneyTable): [key: string, column: PgColumn][] =>
  Object.entries(getTableColumns(table)).filter(([key]) => !isSessionKey(key));

/** A row as Drizzle selects it. */
export type JourneySessionRow = typeof journeySessions.$inferSelect;
/** A row as Drizzle inserts it. */
export type NewJourneySessionRow = typeof journeySessions.$inferInsert;

/** A table with the package's columns only, as queries see every table. */
export type SessionTable = TableOf<SessionColumns>;

const DISTRIBUTED = Symbol("distributed");

/** The same table, as an engine has it that spreads it over servers by owner. */
export const asDistributed = <Table extends JourneyTable>(table: Table): Table =>
  Object.create(table, { [DISTRIBUTED]: { value: true } });

export const isDistributed = (table: object): boolean => DISTRIBUTED in table;

/** The columns of the primary key. On a distributed table, a unique key needs the owner. */
export const keyOf = (table: SessionTable): PgColumn | PgColumn[] =>
  isDistributed(table) ? [table.userId, table.id] : table.id;

/** The application's own columns of a table, as Drizzle selects them. */
export type Own<Table extends JourneyTable> = Omit<Table["$inferSelect"], SessionKey>;
/** The own columns of a new session: required if the column has no default and is not nullable. */
export type NewOwn<Table extends JourneyTable> = Omit<Table["$inferInsert"], SessionKey>;
/** Whether a new session needs a value for an own column. */
// biome-ignore lint/complexity/noBannedTypes: no own column
export type NeedsOwn<Table extends JourneyTable> = {} extends NewOwn<Table> ? false : true;

/** How an own column is filtered: by one value, by any of several, or by NULL. */
export type Filter = [key: string, by: "value" | "any" | "null" | "any or null"];

/** Values of own columns to change; undefined leaves a column as it is. */
export type OwnChanges<Table extends JourneyTable> = {
  [Key in keyof NewOwn<Table>]?: NewOwn<Table>[Key] | undefined;
};

/** Values of which a filter takes several. An array, or JSON, is one value. */
type Single = string | number | bigint | boolean | Date | Uint8Array;

/** Values of own columns to filter by: null means IS NULL, and an array of single values any of them. */
export type Where<Table extends JourneyTable> = keyof Own<Table> extends never
  ? Record<string, never>
  : {
      [Key in keyof Own<Table>]?: NonNullable<Own<Table>[Key]> extends Single
        ? Own<Table>[Key] | readonly Own<Table>[Key][]
        : Own<Table>[Key];
    };

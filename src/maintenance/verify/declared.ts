import { getTableName, is, SQL, sql } from "drizzle-orm";
import { getTableConfig, PgArray, type PgColumn, PgDialect, PgRole, type PgTable } from "drizzle-orm/pg-core";
import { repliesOf } from "../../durable-replies/tables.js";
import { messagesOf } from "../../message-rows/table.js";
import { areDistributed } from "../../model/citus.js";
import type { Database } from "../../model/database.js";
import { type JourneyTable, quotedName, SESSION_KEYS, type SessionTable } from "../../schema.js";
import type { OptionalMigrations } from "../../validation/options.js";
import { read } from "../read.js";
import {
  FUNCTION_BODY,
  literal,
  MARKER_CONDITION,
  type MessageTableSql,
  messageNamesOf,
  messageTableSqlParts,
  type NotifySql,
  namesOf,
  qualified,
  quoted,
  type ReplyTableSql,
  replyNamesOf,
  replyTableSqlParts,
  type TableSql,
  tableSqlParts,
} from "../table-sql.js";

/** A column of the package, its type and default as the server prints them. */
export interface DeclaredColumn {
  name: string;
  type: string;
  default: string | null;
  primary: boolean;
  nullable: boolean;
}

/** A declared object. `key` is its name, `name` the same as SQL writes it. */
interface Named {
  key: string;
  name: string;
}

export interface DeclaredCheck extends Named {
  condition: string;
}

interface PackageCheck extends DeclaredCheck {
  /** As the server prints it. */
  definition: string;
  /** Another definition that is as good, and is what stored rows have to meet. */
  wider: Pick<PackageCheck, "condition" | "definition"> | null;
  /** The optional migrations that make it so. */
  with?: OptionalMigrations | undefined;
}

/** A column of the application. */
export interface OwnColumn extends Named {
  /** Its type as drizzle-kit writes it. */
  type: string;
  /** How `to_regtype` finds the type. It returns NULL for a type that the database does not have. */
  lookup: string;
  enum: { type: string; schema: string | undefined; values: readonly string[] } | undefined;
  notNull: boolean;
  /** SQL for the default in one line; undefined if there is none, or if it cannot be written. */
  default: string | undefined;
  /** Whether `default` is a value, not an expression. */
  defaultIsValue: boolean;
  /** What fills the column in the database if an insert leaves it out. */
  filledBy: "default" | "sequence" | "identity" | "expression" | undefined;
  /** Whether calls cannot set it: GENERATED ALWAYS AS IDENTITY. */
  always: boolean;
  /** What follows the type in ADD COLUMN, in one line without NOT NULL; undefined if it cannot be written. */
  clause: string | undefined;
}

interface OwnIndex extends Named {
  unique: boolean;
  method: string;
  partial: boolean;
  /** The names of its columns; undefined if it has expressions or covers only some rows. */
  columns: string[] | undefined;
  create: string;
}

interface OwnConstraint extends Named {
  columns: string[];
  create: string;
}

export interface OwnForeignKey extends OwnConstraint {
  foreignSchema: string | undefined;
  foreignTable: string;
  foreignColumns: string[];
  onDelete: string;
  onUpdate: string;
  /** The condition of the rows of the table `t` that break it. */
  broken: string;
}

interface OwnPolicy extends Named {
  create: string;
}

/** A trigger of the package, and its function. */
export interface DeclaredTrigger extends Named {
  function: Named;
  /** What it fires for, as messages say it and as `pg_trigger.tgtype` has it. */
  fires: string;
  type: number;
  /** Its condition as the server prints it; one without a condition does the same. */
  condition: string | null;
  body: string;
  /** The optional migrations that create it. */
  with: OptionalMigrations | undefined;
  /** What happens without it, and with another function. */
  missing: string;
  different: string;
  /** The statements that create it, in the schema that the database has the table in. */
  create: (schema: string) => string[];
  createFunction: string;
}

/** A table that optional migrations create, for what belongs to sessions. */
interface OptionalTable {
  with: OptionalMigrations;
  /** The function that declares it. */
  by: string;
  /** What its rows are, and what they belong to. */
  rows: string;
  parent: string;
}

/** A table as it is declared. What verify expects is derived from this. */
export interface DeclaredTable {
  /** What each of its rows is. */
  row: "session" | "message" | "reply" | "batch";
  /** Undefined for the table of sessions. */
  optional: OptionalTable | undefined;
  /** The table of its sessions' messages, if the database has it. */
  messages: DeclaredTable | undefined;
  /** The tables of its sessions' replies and of their chunks, if the database has one of them. */
  replies: readonly [replies: DeclaredTable, chunks: DeclaredTable] | undefined;
  /** The commands that distribute it and the tables beside it, and undo that, if Citus has distributed any of them over servers. */
  distributed: { distribute: string; undo: string } | undefined;
  /** Its name as SQL writes it, with its schema if it has one. */
  sql: string;
  /** Its name without quotes, for messages. */
  label: string;
  /** The table in the database: in its schema, or else as the search_path finds it. NULL if there is none. */
  oid: SQL;
  key: string;
  schema: string | undefined;
  triggers: readonly DeclaredTrigger[];
  /** What `journey-db sql` prints; with the schema that the database has the table in if that is given. */
  parts: (schema?: string) => TableSql;
  /** The same of a table of messages. */
  messageParts: MessageTableSql | undefined;
  columns: readonly DeclaredColumn[];
  primaryKey: string;
  checks: readonly PackageCheck[];
  indexes: readonly {
    key: string;
    name: string;
    columns: string;
    definition: string;
    with: OptionalMigrations | undefined;
  }[];
  own: {
    columns: readonly OwnColumn[];
    indexes: readonly OwnIndex[];
    uniques: readonly (OwnConstraint & { nullsNotDistinct: boolean })[];
    checks: readonly DeclaredCheck[];
    foreignKeys: readonly OwnForeignKey[];
    policies: readonly OwnPolicy[];
  };
  columnRows: SQL;
  checkRows: SQL;
  indexRows: SQL;
}

/** Whether this package's migrations create the table. */
export const isDefaultTable = ({ schema, key }: Pick<DeclaredTable, "schema" | "key">) =>
  schema === undefined && key === "journey_sessions";

const shell = (word: string) => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** How the command line names a table. */
export const optionsOf = (table: Pick<DeclaredTable, "schema" | "key">) =>
  isDefaultTable(table)
    ? ""
    : ` --table ${shell(table.key)}${table.schema === undefined ? "" : ` --schema ${shell(table.schema)}`}`;

/** Declared objects as rows of a query, with the alias `declared`. */
const asRows = (objects: readonly object[], fields: SQL) =>
  sql`jsonb_to_recordset(${JSON.stringify(objects)}::text::jsonb) as declared (${fields})`;

/** As the server stores a name that is longer than 63 bytes: without a character that does not fit as a whole. */
export const cut = (name: string) =>
  new TextDecoder().decode(new TextEncoder().encode(name).slice(0, 63), { stream: true });

function oidOf(schema: string | undefined, name: string): SQL {
  if (schema === undefined) return sql.raw(`to_regclass(${literal(quoted(name))})`);
  // Not to_regclass, which fails for a schema that the role may not use.
  return sql.raw(`(select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${literal(schema)} and c.relname = ${literal(name)})`);
}

/** @param db to find out by which name the database has a column that is declared without one (Drizzle's `casing`) */
export async function declare(db: Database, table: JourneyTable): Promise<DeclaredTable> {
  const { schema, name, columns } = getTableConfig(table);
  const dialect = await dialectOf(db, oidOf(schema, name), columns);
  const keys = SESSION_KEYS.map((key) => table[key]);
  const ofMessages = messagesOf(table as unknown as SessionTable);
  const replyTables = repliesOf(table as unknown as SessionTable);
  const all = [table, ofMessages, replyTables.replies, replyTables.chunks].map((one) => getTableConfig(one));
  const distribute = `journey-db distribute${optionsOf({ schema, key: name })}`;
  const distributed = (await areDistributed(
    db,
    all.map(({ schema, name }) => oidOf(schema, name)),
  ))
    ? { distribute, undo: `${distribute} --undo` }
    : undefined;
  const messages: DeclaredTable = {
    ...describe(ofMessages, dialect, getTableConfig(ofMessages).columns, {
      distributed,
      row: "message",
      optional: { with: "message-rows", by: "messagesTable", rows: "messages", parent: "session" },
    }),
    messageParts: messageTableSqlParts(messageNamesOf(table)),
  };
  const partsIn = (inSchema: string | undefined) =>
    replyTableSqlParts({ ...replyNamesOf(table), schema: inSchema });
  const ofReplies = { with: "durable-replies", by: "replyTables" } as const;
  const replies = [
    describe(replyTables.replies, dialect, getTableConfig(replyTables.replies).columns, {
      distributed,
      row: "reply",
      optional: { ...ofReplies, rows: "replies", parent: "session" },
      triggers: distributed ? [] : [notifying("replies", schema, partsIn)],
    }),
    describe(replyTables.chunks, dialect, getTableConfig(replyTables.chunks).columns, {
      distributed,
      row: "batch",
      optional: { ...ofReplies, rows: "chunks", parent: "reply" },
    }),
  ] as const;
  const hasMessages = await hasTable(db, messages);
  const hasReplies = (await hasTable(db, replies[0])) || (await hasTable(db, replies[1]));
  return describe(table, dialect, keys, {
    distributed,
    row: "session",
    messages: hasMessages ? messages : undefined,
    replies: hasReplies ? replies : undefined,
    triggers: [
      updatedAt(table, hasMessages),
      // On a distributed table it would notify on the server that has the session, where nobody listens.
      ...(hasReplies && !distributed ? [notifying("sessions", schema, partsIn)] : []),
    ],
  });
}

/** The condition of the trigger of `updated_at` as the server prints it. Without it, it does the same more slowly. */
const CONDITION =
  "FOR EACH ROW WHEN ((((new.updated_at = now()) AND (new.updated_at > old.updated_at)) IS NOT TRUE)) EXECUTE FUNCTION";

function updatedAt(table: JourneyTable, hasMessages: boolean): DeclaredTrigger {
  const names = namesOf(table);
  return {
    key: names.trigger,
    name: quoted(names.trigger),
    function: { key: names.function, name: quoted(names.function) },
    fires: "before every update of a row",
    // For each row (1), before (2), update (16).
    type: 19,
    condition: CONDITION,
    body: FUNCTION_BODY,
    with: undefined,
    missing: `updated_at does not change${hasMessages ? ", and messages in rows get out of order" : ""}`,
    different: "a revision may repeat",
    create(schema) {
      const { createFunction, dropTrigger, createTrigger, rights } = tableSqlParts({ ...names, schema });
      return [createFunction, dropTrigger, createTrigger, rights];
    },
    createFunction: tableSqlParts(names).createFunction,
  };
}

/** For each row (1), insert (4), delete (8), update (16). */
const EVENTS: Record<string, number> = { INSERT: 4, DELETE: 8, UPDATE: 16 };

function notifying(
  of: "sessions" | "replies",
  schema: string | undefined,
  partsIn: (schema: string | undefined) => ReplyTableSql,
): DeclaredTrigger {
  const one: NotifySql = partsIn(schema)[of];
  return {
    key: one.trigger,
    name: quoted(one.trigger),
    function: { key: one.function, name: quoted(one.function) },
    fires: `after every ${one.events.toLowerCase()} of a row`,
    type: one.events.split(" OR ").reduce((sum, event) => sum + (EVENTS[event] as number), 1),
    condition: null,
    body: one.body,
    with: "durable-replies",
    missing: "those who wait for a change find it only when they look at intervals",
    different: "those who wait for a change may find it only when they look at intervals",
    create(schema) {
      const { createFunction, dropTrigger, createTrigger, rights } = partsIn(schema)[of];
      return [createFunction, dropTrigger, createTrigger, rights];
    },
    createFunction: one.createFunction,
  };
}

/** An application may have a table of the same name for something else. */
async function hasTable(db: Database, { oid, columns }: DeclaredTable): Promise<boolean> {
  const names = columns.map(({ name }) => literal(name)).join(", ");
  const [found] = await read<{ columns: number }>(
    db,
    sql`select count(*) as columns from pg_attribute where attrelid = ${oid} and not attisdropped and attname in (${sql.raw(names)})`,
  );
  return (found?.columns ?? 0) >= columns.length - 1;
}

/** The check of `messages` of a table whose sessions may have them in rows. */
const ARRAY_OR_ROWS = {
  condition: MARKER_CONDITION,
  definition:
    "CHECK (((jsonb_typeof(messages) = 'array'::text) OR (NOT (jsonb_typeof((messages -> 'rows'::text)) IS DISTINCT FROM 'number'::text))))",
};

/** @param packageColumns the columns that are not the application's */
function describe(
  table: PgTable,
  dialect: Dialect,
  packageColumns: readonly PgColumn[],
  {
    row,
    distributed,
    optional,
    messages,
    replies,
    triggers = [],
  }: Pick<DeclaredTable, "row" | "distributed"> &
    Partial<Pick<DeclaredTable, "optional" | "messages" | "replies" | "triggers">>,
): DeclaredTable {
  const config = getTableConfig(table);
  const names = namesOf(table as JourneyTable);
  const nameOf = (column: PgColumn) => cut(dialect.casing.getColumnCasing(column));
  const textOf = (expression: SQL) => dialect.sqlToQuery(expression.inlineParams()).sql;
  const own = config.columns.filter((column) => !packageColumns.includes(column));
  const key = config.primaryKeys[0]?.columns ?? packageColumns.filter(({ primary }) => primary);
  const columns = packageColumns.map((column) => {
    const type = column.getSQLType();
    const value: unknown = column.default;
    const stated = () => `'${typeof value === "string" ? value : JSON.stringify(value)}'::${type}`;
    const declaredDefault = value === undefined ? null : is(value, SQL) ? textOf(value) : stated();
    return {
      name: column.name,
      type,
      default: declaredDefault,
      primary: key.includes(column),
      nullable: !column.notNull,
    };
  });
  const checkNames = ["user_id_not_empty", "messages_is_array", "metadata_is_object", "state"].map(
    (suffix) => `${config.name}_${suffix}`,
  );
  const allChecks = config.checks.map(({ name, value }) => ({
    key: name,
    name: quoted(name),
    condition: textOf(value),
  }));
  const checks = allChecks
    .filter(({ key }) => checkNames.includes(key))
    .map((check): PackageCheck => {
      const ofMessages = check.key === `${config.name}_messages_is_array`;
      if (ofMessages && messages) return { ...check, ...ARRAY_OR_ROWS, wider: null, with: "message-rows" };
      // The server prints the type of each literal, and a list as an array.
      const printed = check.condition
        .replaceAll(/'[^']*'/g, "$&::text")
        .replace(/ in \((.*)\)$/, " = ANY (ARRAY[$1])");
      return {
        ...check,
        definition: `CHECK ((${printed}))`,
        wider: ofMessages ? ARRAY_OR_ROWS : null,
      };
    });
  const byUpdate = messages && {
    key: messageNamesOf(table as JourneyTable).updatedIndex,
    of: ["user_id", "updated_at", "id"],
  };
  const indexNames = optional
    ? config.indexes.map(({ config: { name } }) => name as string)
    : [`idx_${config.name}_user_id`, `idx_${config.name}_user_id_created_at_id`];
  const byId = distributed && !optional && { key: `idx_${config.name}_id`, of: ["id"] };
  const allIndexes = config.indexes.map(({ config: index }) => {
    const plain = index.columns.every((one) => "name" in one) && index.where === undefined;
    const of = index.columns.map((one) =>
      "name" in one ? nameOf(columnOf(config.columns, one.name ?? "")) : "",
    );
    const key = index.name ?? `${config.name}_${of.join("_")}_index`;
    return { key, index, columns: plain ? of : undefined, of };
  });
  const indexes = [
    ...allIndexes.filter(({ key }) => indexNames.includes(key)),
    ...(byUpdate ? [byUpdate] : []),
    ...(byId ? [byId] : []),
  ].map(({ key, of }) => ({
    key,
    name: quoted(key),
    columns: of.join(", "),
    definition: `btree (${of.join(", ")})`,
    with: key === byUpdate?.key ? ("message-rows" as const) : undefined,
  }));
  const target = qualified(config.schema, config.name);
  return {
    row,
    distributed,
    optional,
    messages,
    replies,
    messageParts: undefined,
    sql: target,
    label: config.schema === undefined ? config.name : `${config.schema}.${config.name}`,
    oid: oidOf(config.schema, config.name),
    key: config.name,
    schema: config.schema,
    triggers,
    parts: (schema = names.schema) => tableSqlParts({ ...names, schema }),
    columns,
    primaryKey: [...(distributed && !optional ? ["user_id"] : []), ...key.map(({ name }) => name)].join(", "),
    checks,
    indexes,
    own: {
      columns: own.map((column) => ownColumn(column, nameOf(column), textOf)),
      indexes: allIndexes
        .filter(({ key }) => !indexes.some((one) => one.key === key))
        .map(({ key, index, columns, of }) => ({
          key,
          name: quoted(key),
          unique: index.unique,
          method: index.method ?? "btree",
          partial: index.where !== undefined,
          columns,
          create: createIndex(key, target, index, of, textOf),
        })),
      uniques: [
        ...own
          .filter(({ isUnique }) => isUnique)
          .map((column) => ({
            key: column.uniqueName ?? `${config.name}_${nameOf(column)}_unique`,
            columns: [nameOf(column)],
            nullsNotDistinct: column.uniqueType === "not distinct",
          })),
        ...config.uniqueConstraints.map((one) => ({
          key: one.getName() ?? `${config.name}_${one.columns.map(nameOf).join("_")}_unique`,
          columns: one.columns.map(nameOf),
          nullsNotDistinct: one.nullsNotDistinct,
        })),
      ].map(({ key, columns, nullsNotDistinct }) => ({
        key,
        name: quoted(key),
        columns,
        nullsNotDistinct,
        create: `alter table ${target} add constraint ${quoted(key)} unique${nullsNotDistinct ? " nulls not distinct" : ""} (${columns.map(quoted).join(", ")})`,
      })),
      checks: allChecks.filter(({ key }) => !checkNames.includes(key)),
      foreignKeys: config.foreignKeys.map((foreignKey) => {
        const { columns, foreignColumns, foreignTable } = foreignKey.reference();
        const key = foreignKey.getName();
        const withOwner = distributed && ["message", "reply"].includes(row) ? ["user_id"] : [];
        const [from, to] = [columns, foreignColumns].map((of) => [...withOwner, ...of.map(nameOf)]) as [
          string[],
          string[],
        ];
        const { name, schema } = getTableConfig(foreignTable as PgTable);
        const { onDelete = "no action" } = foreignKey;
        // No session of a distributed table gets another owner by an update.
        const onUpdate = (distributed && optional ? undefined : foreignKey.onUpdate) ?? "no action";
        const foreign = qualified(schema, name);
        const pairs = from.map((one, index) => `f.${quoted(to[index] as string)} = t.${quoted(one)}`);
        return {
          key,
          name: quoted(key),
          columns: from,
          foreignSchema: schema,
          foreignTable: getTableName(foreignTable),
          foreignColumns: to,
          onDelete,
          onUpdate,
          create: `add constraint ${quoted(key)} foreign key (${from.map(quoted).join(", ")}) references ${foreign} (${to.map(quoted).join(", ")}) on delete ${onDelete} on update ${onUpdate}`,
          broken: `${from.map((one) => `t.${quoted(one)} is not null`).join(" and ")} and not exists (select from ${foreign} f where ${pairs.join(" and ")})`,
        };
      }),
      policies: config.policies.map((policy) => {
        const to = (Array.isArray(policy.to) ? policy.to : [policy.to ?? "public"]).map((role) => {
          const name = is(role, PgRole) ? role.name : String(role);
          return /^(public|current_role|current_user|session_user)$/.test(name) ? name : quoted(name);
        });
        const clause = (word: string, condition: SQL | undefined) =>
          condition === undefined ? "" : ` ${word} (${textOf(condition)})`;
        return {
          key: policy.name,
          name: quoted(policy.name),
          create: `create policy ${quoted(policy.name)} on ${target} as ${policy.as ?? "permissive"} for ${policy.for ?? "all"} to ${to.join(", ")}${clause("using", policy.using)}${clause("with check", policy.withCheck)}`,
        };
      }),
    },
    columnRows: asRows(
      columns,
      sql`name text, type text, "default" text, "primary" boolean, nullable boolean`,
    ),
    checkRows: asRows(checks, sql`name text, definition text, wider jsonb`),
    indexRows: asRows(indexes, sql`name text, columns text, definition text`),
  };
}

const columnOf = (columns: readonly PgColumn[], name: string) =>
  columns.find((column) => column.name === name) as PgColumn;

interface Casing {
  getColumnCasing(column: PgColumn): string;
}
type Dialect = Pick<PgDialect, "sqlToQuery"> & { casing: Casing };

/** Writes the names of columns as the database has them: as declared, or, without a declared name, in snake case. */
async function dialectOf(db: Database, oid: SQL, columns: readonly PgColumn[]): Promise<Dialect> {
  const snake = new PgDialect({ casing: "snake_case" }) as unknown as Dialect;
  const plain = new PgDialect() as unknown as Dialect;
  const differing = columns.filter((column) => snake.casing.getColumnCasing(column) !== column.name);
  if (differing.length === 0) return plain;
  const stored = await read<{ name: string }>(
    db,
    sql`select attname::text as name from pg_attribute where attrelid = ${oid} and attnum > 0 and not attisdropped`,
  );
  const has = (name: string) => stored.some((one) => one.name === name);
  // By majority, since one of them may be missing.
  const asDeclared = differing.filter((column) => has(column.name)).length;
  const inSnakeCase = differing.filter((column) => has(snake.casing.getColumnCasing(column))).length;
  return inSnakeCase > asDeclared ? snake : plain;
}

const SERIAL: Record<string, string> = { serial: "integer", bigserial: "bigint", smallserial: "smallint" };

function ownColumn(column: PgColumn, key: string, textOf: (expression: SQL) => string): OwnColumn {
  const declaredType = column.getSQLType().trim();
  const serial = SERIAL[declaredType];
  const declaredEnum = (elementOf(column) as PgColumn & { enum?: DeclaredEnum }).enum;
  const enumType = declaredEnum && qualified(declaredEnum.schema, declaredEnum.enumName, quotedName);
  const dimensions = /(\[\d*\])*$/.exec(declaredType)?.[0] ?? "";
  const type = enumType ? enumType + dimensions : (serial ?? declaredType);
  // A collation is no part of the type's name.
  const lookup = type.replace(/\s+collate\s.*$/is, "");
  const { generated, generatedIdentity: identity, default: declaredDefault } = column;
  const value: unknown =
    declaredDefault === undefined || is(declaredDefault, SQL) ? declaredDefault : driverValue(column);
  const written = value === undefined ? undefined : is(value, SQL) ? textOf(value) : valueText(value, lookup);
  const filledBy = generated
    ? "expression"
    : identity
      ? "identity"
      : serial
        ? "sequence"
        : declaredDefault !== undefined
          ? "default"
          : undefined;
  const clause = () => {
    if (generated) {
      const expression: unknown = typeof generated.as === "function" ? generated.as() : generated.as;
      return ` generated always as (${is(expression, SQL) ? textOf(expression) : String(expression)}) stored`;
    }
    if (identity?.sequenceName || Object.keys(identity?.sequenceOptions ?? {}).length > 0) return undefined;
    if (identity || serial)
      return ` generated ${identity?.type === "always" ? "always" : "by default"} as identity`;
    if (declaredDefault === undefined) return "";
    return written === undefined ? undefined : ` default ${written}`;
  };
  return {
    key,
    name: quoted(key),
    type,
    lookup,
    enum:
      declaredEnum === undefined
        ? undefined
        : { type: enumType as string, schema: declaredEnum.schema, values: declaredEnum.enumValues },
    notNull: column.notNull,
    default: filledBy === "default" ? inOneLine(written) : undefined,
    defaultIsValue: !is(value, SQL),
    filledBy,
    always: identity?.type === "always",
    clause: inOneLine(clause()),
  };
}

/** Findings are printed in one line, and a comment would hide what follows it. */
const inOneLine = (text: string | undefined) =>
  text !== undefined && /[\n\r]|--|\/\*/.test(text) ? undefined : text;

/** Both kinds of enums of Drizzle. */
interface DeclaredEnum {
  enumName: string;
  schema: string | undefined;
  enumValues: readonly string[];
}

const elementOf = (column: PgColumn): PgColumn =>
  is(column, PgArray) ? elementOf(column.baseColumn as PgColumn) : column;

function driverValue(column: PgColumn): unknown {
  try {
    return column.mapToDriverValue(column.default);
  } catch {
    return undefined;
  }
}

const valueText = (value: unknown, type: string): string | undefined =>
  value === null || typeof value === "object" ? undefined : `${literal(String(value))}::${type}`;

/** The length or precision in a type, as the server or Drizzle writes it; undefined for a type without one, or with another. */
export function modifiersOf(type: string): string | undefined {
  const [, base, inside] =
    /^((?:var)?char|character(?: varying)?|numeric|dec|decimal|(?:var)?bit(?: varying)?|time(?:stamp)?(?:tz)?|vector|halfvec)\b\s*(?:\(([^)]*)\))?/i.exec(
      type,
    ) ?? [];
  if (base === undefined) return undefined;
  if (inside === undefined)
    return /^(char|character|bit)$/i.test(base) ? "1" : /^time/i.test(base) ? "6" : "";
  const text = inside.replaceAll(/\s/g, "");
  return /^(numeric|dec)/i.test(base) && !text.includes(",") ? `${text},0` : text;
}

type IndexConfig = ReturnType<typeof getTableConfig>["indexes"][number]["config"];

function createIndex(
  key: string,
  target: string,
  index: IndexConfig,
  names: readonly string[],
  textOf: (expression: SQL) => string,
): string {
  const columns = index.columns.map((one, position) => {
    if (is(one, SQL)) return textOf(one);
    const { order, nulls, opClass } = (one as { indexConfig: Record<string, string | undefined> })
      .indexConfig;
    const ordered = (index.method ?? "btree") === "btree";
    return [
      quoted(names[position] as string),
      opClass,
      ordered && order === "desc" ? "desc" : undefined,
      ordered && nulls ? `nulls ${nulls}` : undefined,
    ]
      .filter((word) => word !== undefined)
      .join(" ");
  });
  const settings = Object.entries(index.with ?? {}).map(([name, value]) => `${name}=${value}`);
  return [
    `create ${index.unique ? "unique " : ""}index ${quoted(key)} on ${target} using ${index.method ?? "btree"} (${columns.join(", ")})`,
    settings.length > 0 ? ` with (${settings.join(", ")})` : "",
    index.where === undefined ? "" : ` where ${textOf(index.where)}`,
  ].join("");
}

import { getTableConfig } from "drizzle-orm/pg-core";
import * as z from "zod";
import { repliesOf } from "../durable-replies/tables.js";
import { messagesOf } from "../message-rows/table.js";
import { type JourneyTable, quotedName } from "../schema.js";
import { type OptionalMigrations, withSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";

const ALONE = new Set(["id", "phase", "messages", "metadata"]);

/** Quotes a name unless it surely needs no quotes. Reserved words have no underscore, except those excluded here. */
export const quoted = (name: string): string =>
  ALONE.has(name) || /^(?!current_|session_user$|system_user$)[a-z_]+_[a-z0-9_]*$/.test(name)
    ? name
    : quotedName(name);

/** A string literal, whatever standard_conforming_strings is. */
export const literal = (text: string): string =>
  `${text.includes("\\") ? "E" : ""}'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

/** The names of a table and of its trigger and function, which are derived from it. */
export interface TableNames {
  schema: string | undefined;
  table: string;
  trigger: string;
  function: string;
}

export function namesOf(table: JourneyTable): TableNames {
  const { name, schema } = getTableConfig(table);
  return { schema, table: name, trigger: `${name}_updated_at`, function: `update_${name}_updated_at` };
}

/** What a name is prefixed with: without a schema, the search_path applies. */
export const qualified = (schema: string | undefined, name: string, quote = quoted): string =>
  schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;

/** A stored time at the end of the range (or infinity) cannot be increased and starts again at now(). */
export const FUNCTION_BODY = `
BEGIN
	NEW.updated_at := greatest(
		now(),
		CASE WHEN OLD.updated_at < '294276-01-01 00:00:00+00'::timestamptz THEN OLD.updated_at + interval '1 microsecond' END
	);
	RETURN NEW;
END
`;

/** The parts of `tableSql`, each one statement. */
export interface TableSql {
  createFunction: string;
  dropTrigger: string;
  createTrigger: string;
  rights: string;
  compression: string;
  settings: string;
  storage: string;
}

/** A DO block. Its delimiter occurs nowhere in it. */
function block(body: string): string {
  let tag = "$$";
  while (body.includes(tag)) tag = `$a${tag.slice(1)}`;
  return `DO ${tag}\n${body}\n${tag};`;
}

const createFunction = (call: string, body: string) => `CREATE OR REPLACE FUNCTION ${call} RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$${body}$$;`;

/** An EXECUTE of what `format` makes of the text. Text that came from a name is given to `asFormat` before. */
const execute = (text: string, values: string) => `EXECUTE format(${literal(text)}, ${values});`;
const asFormat = (text: string) => text.replaceAll("%", "%%");

/** Takes a privilege on something from Supabase's roles, where they exist. */
const revokeFromPublished = (...what: string[]) =>
  `FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			${what.map((one) => execute(`REVOKE ALL ON ${asFormat(one)} FROM %I`, "role_name")).join("\n\t\t\t")}
		END IF;
	END LOOP;`;

/** Gives a table of what belongs to sessions their owner and privileges. */
function rightsOfSessions({ schema, table }: Pick<TableNames, "schema" | "table">, of: string): string {
  const regclass = `${literal(qualified(schema, table))}::regclass`;
  const target = qualified(schema, of, quotedName);
  return block(`DECLARE
	role_name text;
	privilege text;
BEGIN
	SELECT relowner::regrole INTO role_name FROM pg_catalog.pg_class WHERE oid = ${regclass};
	${execute(`ALTER TABLE ${asFormat(target)} OWNER TO %s`, "role_name")}
	REVOKE ALL ON TABLE ${target} FROM PUBLIC;
	${revokeFromPublished(`TABLE ${target}`)}
	FOR role_name, privilege IN
		SELECT grantee::regrole, privilege_type FROM pg_catalog.pg_class, aclexplode(relacl)
		WHERE oid = ${regclass} AND grantee NOT IN (0, relowner) AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
	LOOP
		${execute(`GRANT %s ON TABLE ${asFormat(target)} TO %s`, "privilege, role_name")}
	END LOOP;
END`);
}

export function tableSqlParts(names: TableNames): TableSql {
  const target = qualified(names.schema, names.table, quotedName);
  const call = `${qualified(names.schema, names.function, quotedName)}()`;
  const trigger = quotedName(names.trigger);
  const regclass = `${literal(qualified(names.schema, names.table))}::regclass`;
  return {
    createFunction: createFunction(call, FUNCTION_BODY),
    dropTrigger: `DROP TRIGGER IF EXISTS ${trigger} ON ${target};`,
    createTrigger: `CREATE TRIGGER ${trigger}
	BEFORE UPDATE ON ${target}
	FOR EACH ROW
	WHEN ((NEW.updated_at = now() AND NEW.updated_at > OLD.updated_at) IS NOT TRUE)
	EXECUTE FUNCTION ${call};`,
    rights: block(`DECLARE
	role_name text;
BEGIN
	REVOKE ALL ON TABLE ${target} FROM PUBLIC;
	REVOKE ALL ON FUNCTION ${call} FROM PUBLIC;
	${revokeFromPublished(`TABLE ${target}`, `FUNCTION ${call}`)}
	IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role') THEN
		GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ${target} TO service_role;
	END IF;
END`),
    compression: block(`BEGIN
	ALTER TABLE ${target} ALTER COLUMN "messages" SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END`),
    settings: `ALTER TABLE ${target} SET (fillfactor = 60, toast.autovacuum_vacuum_scale_factor = 0.05);`,
    storage: block(`BEGIN
	IF EXISTS (
		SELECT FROM pg_catalog.pg_attribute
		WHERE attrelid = ${regclass} AND attname = 'messages' AND attcompression = 'l'
	) THEN
		ALTER TABLE ${target} ALTER COLUMN "messages" SET STORAGE EXTENDED;
	ELSE
		ALTER TABLE ${target} ALTER COLUMN "messages" SET STORAGE EXTERNAL;
	END IF;
END`),
  };
}

/** Names of a table of sessions and of its table of messages. */
export interface MessageTableNames extends Pick<TableNames, "schema" | "table"> {
  messages: string;
  /** The constraint that the sessions' column of messages must satisfy. */
  check: string;
  /** The index of the sessions by `updated_at`. */
  updatedIndex: string;
}

export function messageNamesOf(table: JourneyTable): MessageTableNames {
  const { name, schema } = getTableConfig(table);
  return {
    schema,
    table: name,
    messages: getTableConfig(messagesOf(table as never)).name,
    check: `${name}_messages_is_array`,
    updatedIndex: `idx_${name}_user_id_updated_at_id`,
  };
}

/** The condition of the check on the sessions' messages: an array, or the marker of a session that keeps them in rows. */
export const MARKER_CONDITION =
  "jsonb_typeof(messages) = 'array' OR jsonb_typeof(messages -> 'rows') IS NOT DISTINCT FROM 'number'";

/** The parts of `tableSql` for message rows, each one statement. */
export interface MessageTableSql {
  check: string;
  validate: string;
  rights: string;
  storage: string;
  statistics: string;
  updatedIndex: string;
}

export function messageTableSqlParts(names: MessageTableNames): MessageTableSql {
  const sessions = qualified(names.schema, names.table, quotedName);
  const messages = qualified(names.schema, names.messages, quotedName);
  const regclass = `${literal(qualified(names.schema, names.table))}::regclass`;
  const check = quotedName(names.check);
  return {
    check: block(`BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint
		WHERE conrelid = ${regclass} AND conname = ${literal(names.check)} AND pg_get_constraintdef(oid) LIKE '%rows%'
	) THEN
		ALTER TABLE ${sessions} DROP CONSTRAINT IF EXISTS ${check}, ADD CONSTRAINT ${check} CHECK (${MARKER_CONDITION}) NOT VALID;
	END IF;
END`),
    validate: block(`BEGIN
	IF pg_table_size(${regclass}) < 64 * 1024 * 1024 THEN
		ALTER TABLE ${sessions} VALIDATE CONSTRAINT ${check};
	END IF;
EXCEPTION WHEN check_violation THEN
	NULL;
END`),
    rights: rightsOfSessions(names, names.messages),
    storage: `ALTER TABLE ${messages} ALTER COLUMN "message" SET STORAGE EXTERNAL, SET (toast_tuple_target = 4080);`,
    statistics: `CREATE STATISTICS IF NOT EXISTS ${qualified(names.schema, `${names.messages}_owner`, quotedName)} (dependencies) ON "session_id", "user_id" FROM ${messages};`,
    updatedIndex: `CREATE INDEX IF NOT EXISTS ${quotedName(names.updatedIndex)} ON ${sessions} USING btree ("user_id","updated_at","id");`,
  };
}

/** Each part with the reason for it. */
function messageTableSql(table: JourneyTable): string[] {
  const parts = messageTableSqlParts(messageNamesOf(table));
  return [
    `-- A session that keeps its messages in rows has an object in their place, with their number.\n${parts.check}`,
    `-- Validating reads every conversation while the table is locked: on a large table, journey-db verify prints the statement.\n${parts.validate}`,
    `-- The owner and the privileges of the sessions.\n${parts.rights}`,
    `-- Messages of up to 4 kB stay in their row, and longer ones are not compressed: both make writing and reading faster.\n${parts.storage}`,
    `-- A session has one owner: otherwise the planner expects one message of the longest session.\n${parts.statistics}`,
    `-- Serves list with orderBy "updated".\n${parts.updatedIndex}`,
  ];
}

/** Names of a table of sessions and of the tables of their replies. */
export interface ReplyTableNames extends Pick<TableNames, "schema" | "table"> {
  replies: string;
  chunks: string;
}

export function replyNamesOf(table: JourneyTable): ReplyTableNames {
  const { name, schema } = getTableConfig(table);
  const { replies, chunks } = repliesOf(table as never);
  return { schema, table: name, replies: getTableConfig(replies).name, chunks: getTableConfig(chunks).name };
}

/** The trigger of a table that notifies those who wait, and its function. */
export interface NotifySql extends TableNames {
  /** What the trigger fires after. */
  events: string;
  body: string;
  createFunction: string;
  dropTrigger: string;
  createTrigger: string;
  /** Of the function. */
  rights: string;
}

const functionRights = (functions: string) =>
  block(`DECLARE
	role_name text;
BEGIN
	REVOKE ALL ON FUNCTION ${functions} FROM PUBLIC;
	${revokeFromPublished(`FUNCTION ${functions}`)}
END`);

const SESSION_BODY = `
BEGIN
	PERFORM pg_catalog.pg_notify('journey_db', OLD.id::text);
	RETURN NULL;
END
`;

const REPLY_BODY = `
BEGIN
	IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.state <> OLD.state THEN
		PERFORM pg_catalog.pg_notify('journey_db', coalesce(NEW.session_id, OLD.session_id)::text);
	ELSIF NEW.batches <> OLD.batches THEN
		PERFORM pg_catalog.pg_notify('journey_db', NEW.session_id || '+');
	END IF;
	RETURN NULL;
END
`;

function notifySql(schema: string | undefined, table: string, events: string, body: string): NotifySql {
  const names = { schema, table, trigger: `${table}_notify`, function: `notify_${table}` };
  const target = qualified(schema, table, quotedName);
  const call = `${qualified(schema, names.function, quotedName)}()`;
  const trigger = quotedName(names.trigger);
  return {
    ...names,
    events,
    body,
    createFunction: createFunction(call, body),
    dropTrigger: `DROP TRIGGER IF EXISTS ${trigger} ON ${target};`,
    createTrigger: `CREATE TRIGGER ${trigger}
	AFTER ${events} ON ${target}
	FOR EACH ROW
	EXECUTE FUNCTION ${call};`,
    rights: functionRights(call),
  };
}

/** The parts of `tableSql` for durable replies. */
export interface ReplyTableSql {
  rights: { replies: string; chunks: string };
  sessions: NotifySql;
  replies: NotifySql;
  /** Of both functions. */
  functions: string;
}

export function replyTableSqlParts(names: ReplyTableNames): ReplyTableSql {
  const { schema } = names;
  const sessions = notifySql(schema, names.table, "UPDATE OR DELETE", SESSION_BODY);
  const replies = notifySql(schema, names.replies, "INSERT OR UPDATE OR DELETE", REPLY_BODY);
  const functions = [sessions, replies]
    .map((one) => `${qualified(schema, one.function, quotedName)}()`)
    .join(", ");
  return {
    rights: {
      replies: rightsOfSessions(names, names.replies),
      chunks: rightsOfSessions(names, names.chunks),
    },
    sessions,
    replies,
    functions: functionRights(functions),
  };
}

function replyTableSql(table: JourneyTable): string[] {
  const { rights, sessions, replies, functions } = replyTableSqlParts(replyNamesOf(table));
  return [
    `-- The owner and the privileges of the sessions.\n${rights.replies}`,
    rights.chunks,
    `-- Notifies those who wait of a session that has changed. Without this, they look at intervals.\n${sessions.createFunction}`,
    sessions.dropTrigger,
    sessions.createTrigger,
    `-- With "+" for a batch of its reply.\n${replies.createFunction}`,
    replies.dropTrigger,
    replies.createTrigger,
    `-- Triggers call their functions without the privilege.\n${functions}`,
  ];
}

export interface TableSqlOptions {
  /**
   * `["message-rows"]`: also what the table of `messagesTable` needs. `["durable-replies"]`: what the tables of
   * `replyTables` need. @default []
   */
  with?: readonly OptionalMigrations[] | undefined;
}

const optionsSchema = z.strictObject({ with: withSchema });

/**
 * What Drizzle cannot declare for a table of `journeyTable`: the trigger that increases `updated_at` and its function,
 * the privileges, and the storage settings. With message rows, also the privileges and the storage of the table of
 * `messagesTable`, and what changes on the sessions' table: its check admits them, and an index orders it by `updated_at`.
 * With durable replies, the privileges of the tables of `replyTables`, and the triggers that notify those who wait. Run the statements in order, after the tables are created. They can be run
 * again. The migrations of this package contain the same for the default table.
 *
 * `journey-db sql` prints them for a migration of `drizzle-kit generate --custom`. This function is for programs that
 * create their tables without migration files, such as tests after `drizzle-kit push`.
 *
 * @example
 * for (const statement of tableSql(chats)) await db.execute(sql.raw(statement));
 * @throws JourneyDbError invalid_input for an unknown option
 */
export function tableSql(table: JourneyTable, options: TableSqlOptions = {}): string[] {
  const { with: chosen } = parse(optionsSchema, options);
  const parts = tableSqlParts(namesOf(table));
  return [
    `-- updated_at strictly increases, so that a revision that is made from it never repeats.\n${parts.createFunction}`,
    parts.dropTrigger,
    `-- The package's statements set updated_at to now(): the trigger changes only what that does not increase.\n${parts.createTrigger}`,
    `-- Row level security does not stop TRUNCATE, so every other role loses its privileges; Supabase's roles only where they exist.\n${parts.rights}`,
    `-- lz4 compresses several times faster than pglz. Not every server has it.\n${parts.compression}`,
    `-- Room in each page for the next version of a row, so that an append changes no index; early vacuum of conversations.\n${parts.settings}`,
    `-- Without lz4, uncompressed: pglz would take most of the time of an append.\n${parts.storage}`,
    ...(chosen.includes("message-rows") ? messageTableSql(table) : []),
    ...(chosen.includes("durable-replies") ? replyTableSql(table) : []),
  ];
}

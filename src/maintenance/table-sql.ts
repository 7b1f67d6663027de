import { getTableConfig } from "drizzle-orm/pg-core";
import * as z from "zod";
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

export function tableSqlParts(names: TableNames): TableSql {
  const target = qualified(names.schema, names.table, quotedName);
  const call = `${qualified(names.schema, names.function, quotedName)}()`;
  const trigger = quotedName(names.trigger);
  const regclass = `${literal(qualified(names.schema, names.table))}::regclass`;
  const revokeFrom = (what: string) =>
    `EXECUTE format(${literal(`REVOKE ALL ON ${what.replaceAll("%", "%%")} FROM %I`)}, role_name);`;
  return {
    createFunction: `CREATE OR REPLACE FUNCTION ${call} RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$${FUNCTION_BODY}$$;`,
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
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			${revokeFrom(`TABLE ${target}`)}
			${revokeFrom(`FUNCTION ${call}`)}
		END IF;
	END LOOP;
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
  const formatted = (text: string, values: string) =>
    `EXECUTE format(${literal(text.replaceAll(quotedName(names.messages), (name) => name.replaceAll("%", "%%")))}, ${values});`;
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
    rights: block(`DECLARE
	role_name text;
	privilege text;
BEGIN
	SELECT relowner::regrole INTO role_name FROM pg_catalog.pg_class WHERE oid = ${regclass};
	${formatted(`ALTER TABLE ${messages} OWNER TO %s`, "role_name")}
	REVOKE ALL ON TABLE ${messages} FROM PUBLIC;
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			${formatted(`REVOKE ALL ON TABLE ${messages} FROM %I`, "role_name")}
		END IF;
	END LOOP;
	FOR role_name, privilege IN
		SELECT grantee::regrole, privilege_type FROM pg_catalog.pg_class, aclexplode(relacl)
		WHERE oid = ${regclass} AND grantee NOT IN (0, relowner) AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
	LOOP
		${formatted(`GRANT %s ON TABLE ${messages} TO %s`, "privilege, role_name")}
	END LOOP;
END`),
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

export interface TableSqlOptions {
  /** `["message-rows"]`: also what the table of `messagesTable` needs. @default [] */
  with?: readonly OptionalMigrations[] | undefined;
}

const optionsSchema = z.strictObject({ with: withSchema });

/**
 * What Drizzle cannot declare for a table of `journeyTable`: the trigger that increases `updated_at` and its function,
 * the privileges, and the storage settings. With message rows, also the privileges and the storage of the table of
 * `messagesTable`, and what changes on the sessions' table: its check admits them, and an index orders it by `updated_at`. Run the statements in order, after the tables are created. They can be run
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
  ];
}

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import nextEnv from "@next/env";
import { sql } from "drizzle-orm";
import { rowsOf } from "../admin/call.js";
import { type Connection, connect, EMBEDDED_FOLDER } from "../connection/connect.js";
import { configuredUrl, parseDatabaseUrl, type ServerAddress } from "../connection/database-url.js";
import { openEmbedded } from "../connection/embedded.js";
import { dataFolder } from "../connection/embedded-folder.js";
import { userIdSchema } from "../messages.js";
import { fromDriver } from "../model/driver-errors.js";
import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import type { Statement, Values } from "../queries/statement.js";
import { type JourneyTable, journeySessions, journeyTable, qualifiedName } from "../schema.js";
import { parse } from "../validation/parse.js";

/** Exit codes. */
export const FAILED = 1;
export const WRONG_USAGE = 2;

/** Time limit of a statement, for the server and for the command: some read or write every row. */
export const TIMEOUT_MS = 10 * 60_000;

/** What to do about an error whose message does not say it. */
const REMEDY: Partial<Record<JourneyDbErrorCode, string>> = {
  unavailable: "Check that the server runs and that the URL names its host and port.",
  timeout: "Try again while the database is less busy.",
  configuration:
    "Check --url, DIRECT_URL and DATABASE_URL, and the role that the URL names. If DATABASE_URL goes through a pooler, set DIRECT_URL to bypass it.",
};

/** Prints a line of the result. */
export const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Clears the line of a progress bar, and saves the position below it, to which the bar returns when it ends. */
const [CLEAR, SAVE] = ["\r\x1b[K", "\x1b7"];

/** Prints a line that is not part of the result. */
export const warn = (line: string) => {
  const isTerminal = process.stderr.isTTY === true;
  process.stderr.write(`${isTerminal ? CLEAR : ""}journey-db: ${line}\n${isTerminal ? SAVE : ""}`);
};

/** The message of an error, with the constraint that refused a row. */
export function sentenceOf({ message, constraint }: JourneyDbError): string {
  const by =
    constraint === undefined || message.includes(`"${constraint}"`) ? "" : ` (constraint "${constraint}")`;
  return `${message.replace(/\.$/, "")}${by}.`;
}

let failed = false;

/** Prints the first failure in one line. Later ones are its consequences. */
export function fail(thrown: unknown, remedies: typeof REMEDY = {}): void {
  process.exitCode = FAILED;
  if (failed) return;
  failed = true;
  const error = fromDriver(thrown, false);
  const remedy = remedies[error.code] ? ` ${remedies[error.code]}` : "";
  warn(`${error.code}: ${sentenceOf(error)}${remedy}`);
}

/** The error of a stream or a file that cannot be written, without its path. */
export const unwritable = (name: string, { code }: NodeJS.ErrnoException) =>
  new JourneyDbError("invalid_input", `${name}: expected a file that can be written (${code})`);

/** Stands for the embedded database, in place of a URL. */
export const EMBEDDED = Symbol("--embedded");

/** The options that every command has. */
export interface UrlOption {
  url?: string | typeof EMBEDDED;
}

/** Loads the .env files of the working directory as Next.js does: variables that are set already take precedence. */
export function readEnvFiles(): void {
  // It names the file first; what follows may quote it.
  const error = (what: unknown) => warn(String(what));
  nextEnv.loadEnvConfig(process.cwd(), process.env.NODE_ENV !== "production", { info: () => {}, error });
}

/** Host and database, without user and password. */
export function nameOf({ host, port, database }: ServerAddress): string {
  const name = database || process.env.PGDATABASE || "(named like the user)";
  return `postgres at ${host.includes(":") ? `[${host}]` : host}:${port}/${name}`;
}

export const hasEmbedded = () => existsSync(dataFolder(EMBEDDED_FOLDER));

export const sayEmbedded = () => warn(`embedded database in ${resolve(EMBEDDED_FOLDER)}`);

const NO_DATABASE =
  "No database is named: pass --url, set DIRECT_URL or DATABASE_URL (in the environment or in a .env file of this folder), or pass --embedded for the embedded one in ";

/** Prints the name of the database on stderr before it is used. */
async function open(option: UrlOption["url"], creates: boolean): Promise<Connection> {
  const folder = resolve(EMBEDDED_FOLDER);
  if (option === EMBEDDED) {
    sayEmbedded();
    if (creates || hasEmbedded()) return openEmbedded(folder, { migrates: false });
    throw new JourneyDbError(
      "configuration",
      `${folder} contains no database; migrate --embedded creates one`,
    );
  }
  readEnvFiles();
  const variable = ["DIRECT_URL", "DATABASE_URL"].find((name) => configuredUrl(process.env, name));
  const url = option ?? configuredUrl(process.env, "DIRECT_URL", "DATABASE_URL");
  if (url === undefined) {
    const found = hasEmbedded() ? `${folder}, which exists` : EMBEDDED_FOLDER;
    throw new JourneyDbError("configuration", `${NO_DATABASE}${found}`);
  }
  // Here, since connect does not know where a URL comes from.
  warn(nameOf(parseDatabaseUrl(url, option === undefined ? (variable ?? "") : "--url")));
  return connect({ url, max: 1, statementTimeoutMs: TIMEOUT_MS });
}

/**
 * Opens the database, and prints errors that occur while it is used.
 *
 * @param options `creates`: creates an embedded database if there is none
 */
export async function withDatabase(
  url: UrlOption["url"],
  use: (db: Connection["db"]) => Promise<void>,
  { creates = false } = {},
) {
  const { db, close } = await open(url, creates);
  try {
    await use(db);
  } catch (thrown) {
    fail(thrown, REMEDY);
  } finally {
    await close();
  }
}

/** @throws JourneyDbError invalid_input */
export const ownerOf = (userId: string) => parse(userIdSchema, userId, "userId");

/** The options of a command on the sessions of one table. */
export interface TableOptions extends UrlOption {
  table?: string;
  schema?: string;
}

/** @throws JourneyDbError invalid_input for a name that `journeyTable` refuses */
export function tableOf({ table, schema }: Omit<TableOptions, "url">): JourneyTable {
  if (table !== undefined) return journeyTable(schema === undefined ? table : { name: table, schema });
  if (schema === undefined) return journeySessions;
  throw new JourneyDbError("invalid_input", "--schema: expected together with --table");
}

/**
 * Opens the database to read and write sessions. If row level security hides them, there would seem to be
 * none.
 */
export const withSessions = (
  url: UrlOption["url"],
  table: JourneyTable,
  use: (db: Connection["db"]) => Promise<void>,
) =>
  withDatabase(url, async (db) => {
    const [found] = await db
      .select({
        hidden: sql<boolean | null>`row_security_active(to_regclass(${qualifiedName(table)}::text)::oid)`,
      })
      .from(sql`(select) as nothing`);
    if (found?.hidden)
      throw new JourneyDbError("configuration", "Row level security hides the sessions from the role.");
    await use(db);
  });

/** Sends a statement on a user's sessions. */
export const send = <Row>(db: Connection["db"], statement: Statement<Row>, values: Values) =>
  rowsOf(statement, db, values, { timeoutMs: TIMEOUT_MS });

/** Why sessions could not be deleted. */
export const leftKept = (sessions: number, constraints: readonly string[]) =>
  `left: ${counted(sessions, "session")}, since another table or a trigger prevents ${sessions === 1 ? "its" : "their"} deletion${constraints.length === 0 ? "" : ` (${constraints.map((name) => `constraint "${name}"`).join(", ")})`}; delete or change the rows there first`;

/** `1 session`, `2 sessions`. */
export const counted = (n: number, what: string, many = `${what}s`) => `${n} ${n === 1 ? what : many}`;

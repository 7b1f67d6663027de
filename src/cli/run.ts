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
import { parse } from "../validation/parse.js";

/** Exit codes: a failure or a finding that is an error, and wrong usage. */
export const FAILED = 1;
export const WRONG_USAGE = 2;

/** After which the server stops a statement, and the command too: some read or write every row. */
export const TIMEOUT_MS = 10 * 60_000;

/** What to do about a failure of the server, which does not say it. */
const REMEDY: Partial<Record<JourneyDbErrorCode, string>> = {
  unavailable: "Check that the server runs and that the URL names its host and port.",
  timeout: "Try again while the database is less busy.",
  configuration:
    "Check --url, DIRECT_URL and DATABASE_URL, and the role that the URL names. Where DATABASE_URL goes through a pooler, set DIRECT_URL past it.",
};

/** A line of what was asked for. */
export const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Clears the line where a progress bar may stand, and saves the place below, to which the bar goes back when it ends. */
const [CLEAR, SAVE] = ["\r\x1b[K", "\x1b7"];

/** A line beside what was asked for. */
export const warn = (line: string) => {
  const isTerminal = process.stderr.isTTY === true;
  process.stderr.write(`${isTerminal ? CLEAR : ""}journey-db: ${line}\n${isTerminal ? SAVE : ""}`);
};

let failed = false;

/** Tells the first failure in one line. What is thrown after it is its consequence. */
export function fail(thrown: unknown, remedies: typeof REMEDY = {}): void {
  process.exitCode = FAILED;
  if (failed) return;
  failed = true;
  const { code, message } = fromDriver(thrown, false);
  const sentence = message.endsWith(".") ? message : `${message}.`;
  const remedy = remedies[code] ? ` ${remedies[code]}` : "";
  warn(`${code}: ${sentence}${remedy}`);
}

/** Why a stream or a file could not be written to, without its name. */
export const unwritable = (name: string, { code }: NodeJS.ErrnoException) =>
  new JourneyDbError("invalid_input", `${name}: expected a file that can be written (${code})`);

/** The embedded database, in place of a URL. */
export const EMBEDDED = Symbol("--embedded");

/** The options that every command has. */
export interface UrlOption {
  url?: string | typeof EMBEDDED;
}

/** Reads the .env files of the working directory into the environment, where it does not say the same, as Next.js does. */
export function readEnvFiles(): void {
  // What it fails on it names first; what follows may quote the file.
  const error = (what: unknown) => warn(String(what));
  nextEnv.loadEnvConfig(process.cwd(), process.env.NODE_ENV !== "production", { info: () => {}, error });
}

/** Host and database, without what is nobody's business. */
export function nameOf({ host, port, database }: ServerAddress): string {
  const name = database || process.env.PGDATABASE || "(named like the user)";
  return `postgres at ${host.includes(":") ? `[${host}]` : host}:${port}/${name}`;
}

export const hasEmbedded = () => existsSync(dataFolder(EMBEDDED_FOLDER));

export const sayEmbedded = () => warn(`embedded database in ${resolve(EMBEDDED_FOLDER)}`);

const NO_DATABASE =
  "No database is named: give --url, set DIRECT_URL or DATABASE_URL (the .env files of this folder count too), or give --embedded for the embedded one in ";

/** Says on stderr which database it is, before anything is done with it. */
async function open(given: UrlOption["url"], creates: boolean): Promise<Connection> {
  const folder = resolve(EMBEDDED_FOLDER);
  if (given === EMBEDDED) {
    sayEmbedded();
    if (creates || hasEmbedded()) return openEmbedded(folder, { migrates: false });
    throw new JourneyDbError("configuration", `${folder} holds no database; migrate --embedded makes one`);
  }
  readEnvFiles();
  const variable = ["DIRECT_URL", "DATABASE_URL"].find((name) => configuredUrl(process.env, name));
  const url = given ?? configuredUrl(process.env, "DIRECT_URL", "DATABASE_URL");
  if (url === undefined) {
    const found = hasEmbedded() ? `${folder}, which is there` : EMBEDDED_FOLDER;
    throw new JourneyDbError("configuration", `${NO_DATABASE}${found}`);
  }
  // Here, since connect cannot tell where a URL comes from.
  warn(nameOf(parseDatabaseUrl(url, given === undefined ? (variable ?? "") : "--url")));
  return connect({ url, max: 1, statementTimeoutMs: TIMEOUT_MS });
}

/**
 * Opens the database, and says what went wrong while it was used.
 *
 * @param options `creates`: whether an embedded database is made where there is none
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

/** Opens the database for what reads and writes sessions: where the role is not shown any, that would look as if there were none. */
export const withSessions = (url: UrlOption["url"], use: (db: Connection["db"]) => Promise<void>) =>
  withDatabase(url, async (db) => {
    const [table] = await db
      .select({ hidden: sql<boolean | null>`row_security_active(to_regclass('journey_sessions')::oid)` })
      .from(sql`(select) as nothing`);
    if (table?.hidden)
      throw new JourneyDbError("configuration", "Row level security hides the sessions from the role.");
    await use(db);
  });

/** Sends a statement on a user's sessions. */
export const send = <Row>(db: Connection["db"], statement: Statement<Row>, values: Values) =>
  rowsOf(statement, db, values, { timeoutMs: TIMEOUT_MS });

/** What is said of sessions that a foreign key of another table keeps. */
export const leftKept = (sessions: number, constraints: readonly string[]) =>
  `left: ${counted(sessions, "session")}, since another table or a trigger keeps ${sessions === 1 ? "it" : "them"}${constraints.length === 0 ? "" : ` (${constraints.map((name) => `constraint "${name}"`).join(", ")})`}; see journey-db verify`;

/** `1 session`, `2 sessions`. */
export const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;

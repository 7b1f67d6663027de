import { JourneyDbError, type JourneyDbErrorCode } from "./errors.js";

/** The properties of a driver's error that this package reads. */
interface DriverError {
  code?: unknown;
  constraint?: unknown;
  constraint_name?: unknown;
  table?: unknown;
  table_name?: unknown;
  column?: unknown;
  column_name?: unknown;
  /** Never shown: it contains the values of the row. */
  detail?: unknown;
  message?: unknown;
  /** The server's context: where the error was raised. */
  where?: unknown;
}

const DEFAULT_TABLE = "journey_sessions";

/** The end of the primary key's index, and of the second one that REINDEX CONCURRENTLY builds or drops. */
const ID_INDEX = /^_pkey\d*(_cc(new|old)\d*)*$/;
/** The beginning of the server's detail for a taken id, in every language: `Key (id)=(…) already exists.` */
const ID_IS_TAKEN = /^[^(]*\((user_id, )?id\)=\(/;

/** The relevant properties of an error of a driver or Drizzle. */
interface Thrown {
  /** The SQLSTATE, or the driver's own code. */
  code: string;
  error: DriverError;
}

/** Drizzle wraps errors in a DrizzleQueryError, but not connection errors. */
function driverErrorOf(thrown: unknown): Thrown {
  const outer = (thrown ?? {}) as DriverError & { cause?: DriverError };
  const error = typeof outer.cause === "object" && outer.cause ? outer.cause : outer;
  return {
    code: String(error.code ?? outer.code ?? ""),
    error,
  };
}

/** The server's message. It may contain values of the call: never shown. */
export const messageOf = (thrown: unknown): string => String(driverErrorOf(thrown).error.message ?? "");

/** Whether the surrounding transaction had already failed. */
export const isInFailedTransaction = (thrown: unknown): boolean => driverErrorOf(thrown).code === "25P02";

/** The end of a name that begins with the table's; undefined if it does not. */
const endOf = (name: unknown, table: string): string | undefined =>
  typeof name === "string" && name.startsWith(table) ? name.slice(table.length) : undefined;

/** What a constraint's error is about. */
interface Names {
  constraint?: unknown;
  table?: unknown;
  column?: unknown;
}

/** The whole context of an error that a worker of Citus raised by itself. That of a trigger's RAISE begins with the function. */
const OF_WORKER = /^while executing command on \S+:\d+$/;
/** The number of a shard, which Citus appends to the names of its tables and indexes. */
const SHARD = /_\d{6,}$/;
/** The server's messages of class 23, with the names of a shard. A check has the number only if it was added to a distributed table. */
const OF_SHARD = [
  /^duplicate key value violates unique constraint "(?<constraint>.+)_\d+"$/,
  /^conflicting key value violates exclusion constraint "(?<constraint>.+)_\d+"$/,
  /^new row for relation "(?<table>.+)(?<shard>_\d+)" violates check constraint "(?<constraint>.+?)(\k<shard>)?"$/,
  /^null value in column "(?<column>.+)" of relation "(?<table>.+)_\d+" violates not-null constraint$/,
  /^insert or update on table "(?<table>.+)_\d+" violates foreign key constraint "(?<constraint>.+)_\d+"$/,
  /^update or delete on table ".+" violates (RESTRICT setting of )?foreign key constraint "(?<constraint>.+)_\d+" on table "(?<table>.+)_\d+"$/,
];

/** The table that the server names if a foreign key of another one prevents a delete. */
const DELETED = /^update or delete on table "([^"]+)" violates /;

/** Citus passes on an error of a worker with its message alone, and one of its own shards with the names of the shard. */
function namesOf({ code, error }: Thrown, sessions: string): Names {
  const constraint = error.constraint_name ?? error.constraint;
  const table = error.table_name ?? error.table;
  const column = error.column_name ?? error.column;
  const message = String(error.message);
  if (code.startsWith("23") && (constraint ?? table ?? column) === undefined) {
    if (!OF_WORKER.test(String(error.where))) return {};
    const named = OF_SHARD.map((of) => of.exec(message)?.groups).find((groups) => groups !== undefined);
    return named ? { table: sessions, ...named } : {};
  }
  const shard = SHARD.exec(String(table))?.[0];
  if (
    shard === undefined ||
    (!isShardOfOurs(table, sessions) && !isShardOfOurs(DELETED.exec(message)?.[1], sessions))
  )
    return { constraint, table, column };
  const withoutShard = (name: unknown) =>
    typeof name === "string" && name.endsWith(shard) ? name.slice(0, -shard.length) : name;
  return { constraint: withoutShard(constraint), table: withoutShard(table), column };
}

/** Whether it is the name of a shard of the sessions' table, or of one beside it. */
function isShardOfOurs(name: unknown, sessions: string): boolean {
  const table = String(name).replace(SHARD, "");
  return (
    table !== name &&
    [sessions, ...OPTIONAL_TABLES.map(({ end }) => prefixOf(sessions) + end)].includes(table)
  );
}

/** Whether a unique index refused a row, or two inserts waited for one another in two of them. */
export const isDuplicate = (thrown: unknown): boolean =>
  ["23505", "40P01"].includes(driverErrorOf(thrown).code);

/** Whether the table has no unique key of the columns that an insert names. */
export const lacksKey = (thrown: unknown): boolean => driverErrorOf(thrown).code === "42P10";

/** Whether a serializable transaction was refused, which a statement of its own may repeat. */
export const isSerializationFailure = (thrown: unknown): boolean => driverErrorOf(thrown).code === "40001";

/** Whether the server ended one of several transactions that waited for each other. */
export const isDeadlock = (thrown: unknown): boolean => driverErrorOf(thrown).code === "40P01";

/** Drizzle's HTTP drivers throw this before they send anything. */
export const lacksTransactions = (error: unknown): boolean =>
  error instanceof Error && /no transactions support|transactions are not supported/i.test(error.message);

/** Whether a unique index on the sessions' id refused the row, whatever its name. */
function isTakenId({ code, error }: Thrown, names: Names, table: string): boolean {
  if (code !== "23505") return false;
  if (ID_INDEX.test(endOf(names.constraint, table) ?? "")) return true;
  return names.table === table && ID_IS_TAKEN.test(String(error.detail));
}

/** Errors before the statement is sent: nothing can have changed. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  // A Unix socket that does not exist or is not accessible.
  "ENOENT",
  "EACCES",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "CONNECT_TIMEOUT",
  "CONNECTION_ENDED",
]);
const LOST = /^(E[A-Z]{3,}|CONNECTION_[A-Z_]+|UND_ERR_[A-Z_]+)$/;

// node-postgres, PGlite and the HTTP drivers have only messages for these, no codes.
const ENDED_WORDS = /cannot use a pool after calling end/i;
const NOT_SENT_WORDS = new RegExp(
  `timeout exceeded when trying to connect|timeout expired|${ENDED_WORDS.source}`,
  "i",
);
const LOST_WORDS =
  /connection terminated|not queryable|connection error|is closed|fetch failed|\b(ECONN[A-Z]+|EPIPE)\b/i;

/** The code of connect()'s sockets if TLS is required and the server does not offer it. */
export const NO_TLS = "ERR_TLS_NOT_OFFERED";

/** Node's codes for a refused certificate or TLS connection. */
const TLS_FAILURE =
  /^(ERR_(TLS|SSL|OSSL)_\w+|UNABLE_TO_\w+|CERT_\w+|\w+_SIGNED_CERT(_IN_CHAIN)?|HOSTNAME_MISMATCH|INVALID_CA)$/;

const PACKAGE_CHECK = /^_(user_id_not_empty|messages_is_array|metadata_is_object)$/;

const UNPREPARED =
  "prepared statements do not work here; connect with pooled: true, or put ?pgbouncer=true into the URL (node-postgres: defineJourney({ prepare: false })); a postgres.js client of your own needs prepare: false";

type Meaning = [code: JourneyDbErrorCode, text: string, repeat?: "safe"];

/** By whole SQLSTATE first, then by its class (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const MEANING: Record<string, Meaning> = {
  "0A000": ["unavailable", "the server refused a cached plan or does not support this", "safe"],
  "08": ["unavailable", "the connection failed"],
  "08P01": [
    "configuration",
    "the server refused the connection's settings; behind a pooler connect with pooled: true, or put ?pgbouncer=true into the URL",
  ],
  "22": ["invalid_input", "the server could not store one of the values"],
  "23": ["conflict", "a constraint of the application refused the row"],
  "23502": ["configuration", "a column needs a value, and none was given"],
  "23505": ["conflict", "the id is taken"],
  "23514": ["corrupt", "the stored row breaks a rule of the table; run journey-db verify"],
  "25006": ["unavailable", "the server or the transaction is read-only", "safe"],
  "25P01": ["internal", "the transaction has already ended"],
  "25P02": ["internal", "the surrounding transaction has already failed; roll it back"],
  "25P03": ["timeout", "the surrounding transaction was idle for too long"],
  "25P04": ["timeout", "the surrounding transaction took too long"],
  "26000": ["configuration", UNPREPARED],
  "28": ["configuration", "the server refused the user name or the password"],
  "3D000": ["configuration", "the database does not exist"],
  "40": ["conflict", "another transaction conflicted with it", "safe"],
  "40003": ["unavailable", "whether the call took effect is unknown"],
  // Of Citus.
  CIINF: ["unavailable", "a part of the table moved to another server, or one was lost"],
  "42501": ["configuration", "the role lacks a permission; run journey-db verify"],
  "42703": ["migration", "a column is missing; run journey-db migrate"],
  "42P10": [
    "configuration",
    "the table has no primary key of id, or of user_id and id (defineJourney's distributed); run journey-db verify",
  ],
  "42P01": ["migration", "the table is missing; run journey-db migrate"],
  "42P05": ["configuration", UNPREPARED],
  "53": ["unavailable", "the server has run out of a resource"],
  "53100": ["unavailable", "the server's disk is full"],
  "53300": ["unavailable", "the server has no free connection", "safe"],
  "54": ["too_large", "the value is larger than PostgreSQL can hold"],
  "54001": ["internal", "the statement is too complex for the server"],
  "55P03": ["timeout", "a lock was not available in time", "safe"],
  "57014": ["timeout", "the server stopped the statement at its time limit", "safe"],
  "57P": ["unavailable", "the server is shutting down"],
  "57P05": ["unavailable", "the connection was idle for too long", "safe"],
  "57P03": ["unavailable", "the server is starting or shutting down", "safe"],
  "58": ["unavailable", "the server had a system error"],
};

/** What to do if a table of what belongs to sessions is missing. */
export const optionalRemedy = (table: string, migrations: string): string =>
  table === DEFAULT_TABLE
    ? `run journey-db migrate --with ${migrations}, or for the embedded database pass with: ["${migrations}"] to connect`
    : `apply the application's migrations, with what journey-db sql --with ${migrations} prints`;

/** The ends of the names of the tables that optional migrations create. */
const OPTIONAL_TABLES = [
  { end: "_messages", of: "messages", with: "message-rows" },
  { end: "_replies", of: "replies", with: "durable-replies" },
  { end: "_reply_chunks", of: "chunks of replies", with: "durable-replies" },
];

const prefixOf = (table: string) => (table === DEFAULT_TABLE ? "journey" : table);

/** Which of them is missing: the server's message names it, in every language. */
const missingOptional = (code: string, { message }: DriverError, table: string) =>
  code === "42P01"
    ? OPTIONAL_TABLES.find(({ end }) => String(message).includes(prefixOf(table) + end))
    : undefined;

/** Of Citus, which has no SQLSTATE for a server that is lost within a transaction. */
const LOST_SERVER =
  /^(could not commit transaction for shard|failure on connection marked as essential|connection not open|postmaster was shut down|(server closed the connection|SSL connection has been closed) unexpectedly|could not (send|receive) data)/;

/** A shard that has moved to another server since the statement was planned. */
const MOVED_SHARD = /_\d{6,}" does not exist$/;

const meaningOf = (state: string, { message }: DriverError): Meaning | undefined =>
  (state === "XX000" && LOST_SERVER.test(String(message)) ? MEANING["08"] : undefined) ??
  (state === "42P01" && MOVED_SHARD.test(String(message)) ? MEANING.CIINF : undefined) ??
  MEANING[state] ??
  MEANING[state.slice(0, 3)] ??
  MEANING[state.slice(0, 2)];

function kept(sqlState: string, constraint: string | undefined): JourneyDbError {
  const by = constraint === undefined ? "" : ` (constraint "${constraint}")`;
  const message = `A row that references the session, or a trigger, prevents its deletion${by}; nothing was deleted. Delete or change that row first.`;
  return new JourneyDbError("conflict", message, { sqlState, constraint });
}

/** Refused by a constraint, or by a trigger of the application. */
const KEPT = /^(23|P0)/;

/** Whether a constraint or trigger of the application refused a delete. */
export const isKept = (error: unknown): error is JourneyDbError =>
  error instanceof JourneyDbError && error.code === "conflict" && KEPT.test(error.sqlState ?? "");

/**
 * Converts an error of a driver or Drizzle.
 *
 * @param repeatable whether sending the call twice does no harm: makes an unknown outcome retryable
 * @param deletes whether the call deletes: only constraints and triggers of the application can refuse that
 * @param table the table of the statement
 */
export function fromDriver(
  thrown: unknown,
  repeatable: boolean,
  { deletes = false, table = DEFAULT_TABLE } = {},
): JourneyDbError {
  if (thrown instanceof JourneyDbError) return thrown;
  const driver = driverErrorOf(thrown);
  const { code, error } = driver;
  // An error of the embedded database, wrapped by Drizzle.
  if (error instanceof JourneyDbError) return error;
  if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E")) {
    const names = namesOf(driver, table);
    const takenId = isTakenId(driver, names, table);
    const constraint = typeof names.constraint === "string" ? names.constraint : undefined;
    // A constraint of the application says nothing about the id or the stored row.
    const ofAnother = (names.table ?? table) !== table;
    const foreign =
      (ofAnother ? /^23/ : /^23(?!502)/).test(code) &&
      !takenId &&
      !PACKAGE_CHECK.test(endOf(constraint, table) ?? "");
    if (deletes && KEPT.test(code)) return kept(code, constraint);
    const [kind, meaning, repeat] = meaningOf(foreign ? "23" : code, error) ?? [
      "internal",
      "the server refused the statement",
    ];
    const { column } = names;
    const optional = missingOptional(code, error, table);
    const text =
      code === "23502" && typeof column === "string"
        ? meaning.replace(/^a column/, () => `column "${column}"`)
        : optional
          ? `the table of ${optional.of} is missing; ${optionalRemedy(table, optional.with)}`
          : table === DEFAULT_TABLE
            ? meaning
            : meaning.replace("run journey-db migrate", "apply the application's migrations");
    return new JourneyDbError(kind, `The database returned SQLSTATE ${code}: ${text}.`, {
      retryable: repeat === "safe" || (repeatable && (takenId || kind === "unavailable")),
      sqlState: code,
      constraint,
    });
  }
  const failure = (kind: JourneyDbErrorCode, message: string, retryable = false) =>
    new JourneyDbError(kind, message, { retryable });
  const reason = /^[A-Z_]{3,40}$/.test(code) ? ` (${code})` : "";
  const words = String(error.message ?? "");
  if (NOT_SENT.has(code) || NOT_SENT_WORDS.test(words)) {
    const isClosed = code === "CONNECTION_ENDED" || ENDED_WORDS.test(words);
    return failure("unavailable", `The database cannot be reached${reason}; nothing was sent.`, !isClosed);
  }
  if (LOST.test(code) || LOST_WORDS.test(words)) {
    const message = `The connection to the database was lost${reason}; whether the call took effect is unknown.`;
    return failure("unavailable", message, repeatable);
  }
  if (/query read timeout/i.test(words)) {
    const message = "The driver stopped waiting; whether the call takes effect is unknown.";
    return failure("timeout", message, repeatable);
  }
  // Behind a pooler, postgres.js may get a connection without the prepared statement, and then misreads the results.
  if (code === "ERR_OUT_OF_RANGE")
    return failure("configuration", `The driver could not read the result: ${UNPREPARED}.`);
  if (code === NO_TLS) {
    const message = "The server offers no TLS, which the URL or the environment requires. Nothing was sent.";
    return failure("configuration", message);
  }
  if (TLS_FAILURE.test(code))
    return failure(
      "configuration",
      `No trusted connection could be established (${code}); nothing was sent.`,
    );
  return failure("internal", "The database driver failed with an unknown error.");
}

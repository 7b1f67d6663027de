/** What went wrong, as a closed list that a program can branch on. README has the cause and the remedy of each. */
export type JourneyDbErrorCode =
  | "invalid_input"
  | "not_found"
  | "conflict"
  | "too_large"
  | "unavailable"
  | "timeout"
  | "configuration"
  | "migration"
  | "corrupt"
  | "internal";

interface Details {
  /** Whether the same call may be sent again without harm. @default false */
  retryable?: boolean;
  /** The server's five-character SQLSTATE. */
  sqlState?: string | undefined;
  /** The constraint that the server named. */
  constraint?: string | undefined;
}

/**
 * The only error this package throws.
 *
 * It never holds message text, metadata, SQL parameters or connection strings, neither in
 * `message` nor in own properties, and it has no `cause`: a driver's error carries the failing
 * row in `detail`, and Drizzle's carries all parameters in its message.
 */
export class JourneyDbError extends Error {
  override readonly name = "JourneyDbError";
  readonly code: JourneyDbErrorCode;
  /** True only where sending the same call again is safe. */
  readonly retryable: boolean;
  declare readonly sqlState?: string;
  declare readonly constraint?: string;

  constructor(code: JourneyDbErrorCode, message: string, details: Details = {}) {
    super(message);
    this.code = code;
    this.retryable = details.retryable ?? false;
    if (details.sqlState !== undefined) this.sqlState = details.sqlState;
    if (details.constraint !== undefined) this.constraint = details.constraint;
  }

  /** `JSON.stringify` leaves out an Error's message; this puts it in. */
  toJSON() {
    const { name, code, message, retryable, sqlState, constraint } = this;
    return { name, code, message, retryable, sqlState, constraint };
  }
}

/** What a driver's error is made of, as far as it is safe to look at. */
interface DriverError {
  code?: unknown;
  constraint?: unknown;
  constraint_name?: unknown;
  message?: unknown;
  errors?: unknown;
}

/** The refusals that come before the statement is sent, so that nothing can have happened. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "CONNECT_TIMEOUT",
  "CONNECTION_ENDED",
]);

/** What Node says of a certificate or a TLS connection that it refuses. */
const TLS_FAILURE =
  /^(ERR_(TLS|SSL|OSSL)_\w+|UNABLE_TO_\w+|CERT_\w+|\w+_SIGNED_CERT(_IN_CHAIN)?|HOSTNAME_MISMATCH|INVALID_CA)$/;

type Meaning = [code: JourneyDbErrorCode, text: string, repeat?: "safe"];

/** By whole SQLSTATE first, then by its class (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const MEANING: Record<string, Meaning> = {
  "0A000": ["unavailable", "the server refused a cached plan or does not support this", "safe"],
  "08": ["unavailable", "the connection failed"],
  "08P01": [
    "configuration",
    "it did not take the connection's settings; behind a pooler connect with pooled: true",
  ],
  "22": ["invalid_input", "the server could not store one of the values"],
  "23": ["internal", "an unexpected constraint refused the row"],
  "23505": ["conflict", "the id is taken"],
  "23514": ["corrupt", "the stored row breaks a rule of the table; run journey-db verify"],
  "25006": ["unavailable", "the server or the transaction is read-only"],
  "25P02": ["internal", "the surrounding transaction has already failed; roll it back"],
  "26000": ["configuration", "prepared statements do not work here; connect with pooled: true"],
  "28": ["configuration", "the server refused the user name or the password"],
  "3D000": ["configuration", "the database does not exist"],
  "40": ["conflict", "another transaction was in the way", "safe"],
  "42501": ["configuration", "the role may not do this; run journey-db verify"],
  "42703": ["migration", "a column is missing; run journey-db migrate"],
  "42P01": ["migration", "the table is missing; run journey-db migrate"],
  "42P05": ["configuration", "prepared statements do not work here; connect with pooled: true"],
  "53": ["unavailable", "the server has run out of a resource"],
  "53300": ["unavailable", "the server has no connection left", "safe"],
  "54": ["too_large", "the value is larger than PostgreSQL can hold"],
  "55P03": ["timeout", "a lock was not free in time", "safe"],
  "57014": ["timeout", "the server stopped the statement at its time limit", "safe"],
  "57P": ["unavailable", "the server is shutting down"],
  "57P03": ["unavailable", "the server is starting or shutting down", "safe"],
  "58": ["unavailable", "the server's system failed"],
};

const meaningOf = (state: string): Meaning | undefined =>
  MEANING[state] ?? MEANING[state.slice(0, 3)] ?? MEANING[state.slice(0, 2)];

/**
 * The typed form of whatever a driver or Drizzle threw. Connection errors arrive unwrapped, all
 * others inside a DrizzleQueryError. `repeatable` says whether the call does no harm when it is
 * sent twice, which decides `retryable` where the outcome is unknown.
 */
export function fromDriver(thrown: unknown, repeatable: boolean): JourneyDbError {
  if (thrown instanceof JourneyDbError) return thrown;
  const outer = (thrown ?? {}) as DriverError & { cause?: DriverError };
  const inner = typeof outer.cause === "object" && outer.cause ? outer.cause : outer;
  const code = String(inner.code ?? outer.code ?? "");
  if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E")) {
    const constraint = inner.constraint_name ?? inner.constraint;
    // Another check than this package's is the application's own, and says nothing of the stored row.
    const foreign = code === "23514" && !String(constraint).startsWith("journey_sessions_");
    const [kind, text, repeat] = meaningOf(foreign ? "23" : code) ?? [
      "internal",
      "the server refused the statement",
    ];
    return new JourneyDbError(kind, `The database answered with SQLSTATE ${code}: ${text}.`, {
      retryable: repeat === "safe" || (kind === "unavailable" && repeatable),
      sqlState: code,
      constraint: typeof constraint === "string" ? constraint : undefined,
    });
  }
  if (isConnectionFailure(code, inner)) {
    const reason = /^[A-Z_]{3,40}$/.test(code) ? ` (${code})` : "";
    return NOT_SENT.has(code)
      ? new JourneyDbError("unavailable", `The database cannot be reached${reason}; nothing was sent.`, {
          retryable: code !== "CONNECTION_ENDED",
        })
      : new JourneyDbError(
          "unavailable",
          `The connection to the database was lost${reason}; whether the call took effect is unknown.`,
          { retryable: repeatable },
        );
  }
  if (TLS_FAILURE.test(code)) {
    return new JourneyDbError(
      "configuration",
      `No trusted connection could be made (${code}); nothing was sent.`,
    );
  }
  return new JourneyDbError("internal", "The database driver failed in a way this package does not know.");
}

/** node-postgres and the HTTP drivers give no code for a lost connection, only these words. */
const isConnectionFailure = (code: string, error: DriverError): boolean =>
  /^(E[A-Z]{3,}|EAI_AGAIN|CONNECT_TIMEOUT|CONNECTION_[A-Z_]+|UND_ERR_[A-Z_]+)$/.test(code) ||
  /connection terminated|timeout exceeded when trying to connect|not queryable|connection error|is closed|fetch failed/i.test(
    String(error.message ?? ""),
  );

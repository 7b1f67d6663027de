/** What went wrong, as a closed list that a program can branch on. docs/api.md has the cause and the remedy of each. */
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
  /**
   * True only where sending the same call again leaves one copy of everything. It may overwrite what
   * others wrote meanwhile to the same message, key or phase. Of a call in a transaction, repeat the transaction.
   */
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

/** The kind of error: a closed list that a program can branch on. docs/api.md has the cause and remedy of each. */
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
  /** Whether the same call may be repeated without harm. @default false */
  retryable?: boolean;
  /** The server's five-character SQLSTATE. */
  sqlState?: string | undefined;
  /** The name of the violated constraint. */
  constraint?: string | undefined;
}

/**
 * The only error this package throws.
 *
 * It never contains message text, metadata, SQL parameters or connection strings, and it has no
 * `cause`: a driver's error contains the failing row in `detail`, and Drizzle's contains all
 * parameters in its message.
 */
export class JourneyDbError extends Error {
  override readonly name = "JourneyDbError";
  readonly code: JourneyDbErrorCode;
  /**
   * True only if repeating the call leaves one copy of everything. It may overwrite what others wrote meanwhile to
   * the same message, key or phase. In a transaction, repeat the whole transaction.
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

  /** `JSON.stringify` omits an Error's message; this includes it. */
  toJSON() {
    const { name, code, message, retryable, sqlState, constraint } = this;
    return { name, code, message, retryable, sqlState, constraint };
  }
}

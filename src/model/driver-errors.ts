/** What a driver's error is made of, as far as it is safe to look at. */
interface DriverError {
  code?: unknown;
  constraint?: unknown;
  constraint_name?: unknown;
  table?: unknown;
  table_name?: unknown;
  /** Looked at, never shown: it has the values of the row. */
  detail?: unknown;
  message?: unknown;
}

/** The primary key's index, also the one beside it that REINDEX CONCURRENTLY builds or drops. */
const ID_INDEX = /^journey_sessions_pkey\d*(_cc(new|old)\d*)*$/;
/** How the server's detail begins where the id is taken, in every language: `Key (id)=(…) already exists.` */
const ID_IS_TAKEN = /^[^(]*\(id\)=\(/;

/** What can be told of whatever a driver or Drizzle threw. */
interface Thrown {
  /** The SQLSTATE, or the driver's own code. */
  code: string;
  constraint: unknown;
  error: DriverError;
}

/** Connection errors arrive unwrapped, all others inside a DrizzleQueryError. */
export function driverErrorOf(thrown: unknown): Thrown {
  const outer = (thrown ?? {}) as DriverError & { cause?: DriverError };
  const error = typeof outer.cause === "object" && outer.cause ? outer.cause : outer;
  return {
    code: String(error.code ?? outer.code ?? ""),
    constraint: error.constraint_name ?? error.constraint,
    error,
  };
}

/** Whether the surrounding transaction had already failed. */
export const isInFailedTransaction = (thrown: unknown): boolean => driverErrorOf(thrown).code === "25P02";

/** Whether a unique index of the sessions' id refused the row, whatever the index is called. */
export function isTakenId(thrown: unknown): boolean {
  const { code, constraint, error } = driverErrorOf(thrown);
  if (code !== "23505") return false;
  if (ID_INDEX.test(String(constraint))) return true;
  return (error.table_name ?? error.table) === "journey_sessions" && ID_IS_TAKEN.test(String(error.detail));
}

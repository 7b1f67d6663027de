import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";

const STATUS: Record<JourneyDbErrorCode, number> = {
  invalid_input: 400,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  timeout: 504,
  unavailable: 503,
  configuration: 500,
  migration: 500,
  corrupt: 500,
  internal: 500,
};

/** Receives an error that an operator must see. */
export type OnError = (error: JourneyDbError) => unknown;

export interface ErrorResponseOptions {
  /** Called for each status of 500 and above, never for a 4xx. @default writes one line with console.error */
  onError?: OnError | undefined;
}

/** Its text and codes on one line. An error of this package contains nothing that a user wrote. */
function writeLine({ code, message, sqlState, constraint }: JourneyDbError): void {
  const unnamed = [sqlState && `SQLSTATE ${sqlState}`, constraint && `constraint ${constraint}`].filter(
    (detail) => detail && !message.includes(detail),
  );
  const details = unnamed.length > 0 ? ` (${unnamed.join(", ")})` : "";
  console.error(`@aigos/journey-db: ${code}: ${message}${details}`.replace(/\s+/g, " "));
}

/** Reports an error to the operator. Never throws or rejects: if the hook fails, the default is used. */
export async function report(error: JourneyDbError, onError: OnError = writeLine): Promise<void> {
  try {
    await onError(error);
  } catch {
    writeLine(error);
  }
}

/**
 * The HTTP response for an error of this package: JSON with its `code` and, for a 4xx, the `message`, which
 * names the field. Any other error is thrown again.
 *
 * Errors with a status of 500 or above are passed to `onError`, since frameworks log only what a route throws.
 * If the handle has the request's signal and the browser aborts the request, calls fail with `timeout`: check
 * `request.signal.aborted` first to keep that out of the log.
 *
 * @example
 * return errorResponse(error, { onError: (error) => Sentry.captureException(error) });
 */
export function errorResponse(error: unknown, { onError }: ErrorResponseOptions = {}): Response {
  if (!(error instanceof JourneyDbError)) throw error;
  const { code, message } = error;
  const status = STATUS[code];
  if (status < 500) return Response.json({ code, message }, { status });
  report(error, onError);
  return Response.json({ code }, { status });
}

/**
 * The code that errorResponse sent, read from the Error that useChat made of it; undefined for any other
 * error. For a browser, to distinguish a conversation that continued elsewhere (`conflict`) from a deleted
 * one.
 */
export function errorCode(error: unknown): JourneyDbErrorCode | undefined {
  if (error instanceof JourneyDbError) return error.code;
  try {
    const { code } = JSON.parse((error as Error).message);
    return Object.hasOwn(STATUS, code) ? code : undefined;
  } catch {
    return undefined;
  }
}

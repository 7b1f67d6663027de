import { JourneyDbError, type JourneyDbErrorCode } from "../errors.js";

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

/**
 * The HTTP answer to an error of this package: JSON with its `code`, and of a request that was wrong
 * (4xx) the `message`, which names the field. Any other error is thrown again.
 */
export function errorResponse(error: unknown): Response {
  if (!(error instanceof JourneyDbError)) throw error;
  const { code, message } = error;
  const status = STATUS[code];
  return Response.json(status < 500 ? { code, message } : { code }, { status });
}

/**
 * The code that errorResponse sent, from the Error that useChat made of it; undefined for any other
 * error. In a browser, to tell a conversation that went on elsewhere (`conflict`) from one that is gone.
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

export const reportToOperator = (error: JourneyDbError): void => console.error(error.message);

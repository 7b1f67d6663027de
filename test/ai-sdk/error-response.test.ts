import { expect, test } from "vitest";
import { errorCode, errorResponse } from "../../src/ai-sdk.js";
import { JourneyDbError, type JourneyDbErrorCode } from "../../src/index.js";

const STATUSES: Record<JourneyDbErrorCode, number> = {
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

test.each(Object.entries(STATUSES) as [JourneyDbErrorCode, number][])(
  "%s is answered with %i, and the page reads the code",
  async (code, status) => {
    const response = errorResponse(new JourneyDbError(code, "what was expected"));
    expect(response.status).toBe(status);
    const text = await response.text();
    expect(JSON.parse(text)).toEqual(status < 500 ? { code, message: "what was expected" } : { code });
    expect(errorCode(new Error(text))).toBe(code);
  },
);

test("any other error is thrown as it came", () => {
  const error = new TypeError("a mistake of the application");
  expect(() => errorResponse(error)).toThrow(error);
});

test.each([
  new Error("Failed to fetch"),
  new Error('{"code":"teapot"}'),
  new Error('{"code":"toString"}'),
  new Error("null"),
  new Error('"conflict"'),
  "conflict",
  undefined,
])("what this package did not send has no code: %s", (error) => {
  expect(errorCode(error)).toBeUndefined();
});

test("an error of this package has its own", () => {
  expect(errorCode(new JourneyDbError("conflict", "moved"))).toBe("conflict");
});

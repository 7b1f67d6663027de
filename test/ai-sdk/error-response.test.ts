import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { report } from "../../src/ai-sdk/error-response.js";
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

const CODES = Object.entries(STATUSES) as [JourneyDbErrorCode, number][];
const errorOf = (code: JourneyDbErrorCode, message = "what happened") => new JourneyDbError(code, message);

const written: string[] = [];
beforeEach(() => {
  written.length = 0;
  vi.spyOn(console, "error").mockImplementation((...args) => {
    written.push(args.join(" "));
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

test.each(CODES)("%s is answered with %i, and the page reads the code", async (code, status) => {
  const response = errorResponse(errorOf(code));
  expect(response.status).toBe(status);
  const text = await response.text();
  expect(JSON.parse(text)).toEqual(status < 500 ? { code, message: "what happened" } : { code });
  expect(errorCode(new Error(text))).toBe(code);
});

test("any other error is thrown as it came, and not reported", () => {
  const error = new TypeError("a mistake of the application");
  const onError = vi.fn();
  expect(() => errorResponse(error, { onError })).toThrow(error);
  expect(() => errorResponse(error)).toThrow(error);
  expect(onError).not.toHaveBeenCalled();
  expect(written).toEqual([]);
});

describe("what an operator must see", () => {
  test.each(CODES)("%s, answered with %i, is logged from 500 on", (code, status) => {
    errorResponse(errorOf(code));
    expect(written).toEqual(status < 500 ? [] : [`@aigos/journey-db: ${code}: what happened`]);
  });

  test("is one line, with the SQLSTATE and the constraint where the message does not name them", () => {
    const details = { sqlState: "23503", constraint: "orders_session" };
    errorResponse(new JourneyDbError("internal", "refused:\n  the row", details));
    errorResponse(new JourneyDbError("migration", "SQLSTATE 42P01: no table", { sqlState: "42P01" }));
    errorResponse(new JourneyDbError("unavailable", "no server", { sqlState: "57P03" }));
    expect(written).toEqual([
      "@aigos/journey-db: internal: refused: the row (SQLSTATE 23503, constraint orders_session)",
      "@aigos/journey-db: migration: SQLSTATE 42P01: no table",
      "@aigos/journey-db: unavailable: no server (SQLSTATE 57P03)",
    ]);
  });

  test.each(CODES)("%s can be reported on its own", async (code) => {
    await report(errorOf(code));
    expect(written).toEqual([`@aigos/journey-db: ${code}: what happened`]);
  });

  test.each(CODES)(
    "%s, answered with %i, is given to onError from 500 on, and not logged",
    (code, status) => {
      const error = errorOf(code);
      const onError = vi.fn();
      expect(errorResponse(error, { onError }).status).toBe(status);
      expect(onError.mock.calls).toEqual(status < 500 ? [] : [[error]]);
      expect(written).toEqual([]);
    },
  );

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no tracker");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no tracker"))],
  ])("is logged where onError %s, and the response is returned all the same", async (_, onError) => {
    expect(errorResponse(errorOf("internal"), { onError }).status).toBe(500);
    await vi.waitFor(() => expect(written).toEqual(["@aigos/journey-db: internal: what happened"]), 30_000);
  });
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
  expect(errorCode(errorOf("conflict"))).toBe("conflict");
});

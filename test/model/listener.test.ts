import { expect, test, vi } from "vitest";
import type { Database } from "../../src/model/database.js";
import { openedOf, setOpened } from "../../src/model/listener.js";

test("a listener is found by another copy of the module: Next.js loads one for pages and one for route handlers", async () => {
  vi.resetModules();
  const copy = await import("../../src/model/listener.js");
  expect(copy.openedOf).not.toBe(openedOf);
  const opened = { closing: AbortSignal.abort() };
  const db = {} as Database;
  expect(copy.openedOf(db)).toBeUndefined();
  setOpened(db, opened);
  expect(copy.openedOf(db)).toBe(opened);
});

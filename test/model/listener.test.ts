import { expect, test, vi } from "vitest";
import type { Database } from "../../src/model/database.js";
import { listenerOf, setListener } from "../../src/model/listener.js";

test("a listener is found by another copy of the module: Next.js loads one for pages and one for route handlers", async () => {
  vi.resetModules();
  const copy = await import("../../src/model/listener.js");
  expect(copy.listenerOf).not.toBe(listenerOf);
  const listener = { listen: async () => ({ unlisten: async () => {} }) };
  const db = {} as Database;
  expect(copy.listenerOf(db)).toBeUndefined();
  setListener(db, listener);
  expect(copy.listenerOf(db)).toBe(listener);
});

import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "vitest";
import { forUser, JourneyDbError } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { text } from "./messages.js";

/** Stands for what a user wrote: no error may hold it. */
export const SECRET = "what-the-user-wrote";

/** What the call throws; it must be typed, and hold nothing of what the user wrote. */
export async function errorOf(call: Promise<unknown>): Promise<JourneyDbError> {
  const error = await call.then(
    () => expect.fail("the call did not fail"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(JourneyDbError);
  const typed = error as JourneyDbError;
  expect(typed.name).toBe("JourneyDbError");
  expect(typed.cause).toBeUndefined();
  for (const shown of [
    inspect(typed, { depth: 9, showHidden: true }),
    JSON.stringify(typed),
    String(typed.stack),
  ]) {
    expect(shown).not.toContain(SECRET);
    expect(shown).not.toMatch(/postgres(ql)?:\/\/|password/i);
  }
  return typed;
}

/** A call whose every value is secret. */
export const secretAppend = (database: Database) =>
  forUser(database, `${SECRET}-user`).append(randomUUID(), text(SECRET, SECRET), { create: true });

import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { defineJourney } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { text } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";

const url = await migratedDatabase();

/** Calls of 32 users at once over two clients of the application's own, and the codes of those that fail. */
async function codesOf(prepare: boolean): Promise<string[]> {
  const pooler = await startPgbouncer({ serverConnections: 2 });
  const clients = [0, 1].map(() => openPostgresJs(pooler.through(url), { max: 1, prepare }));
  const journey = defineJourney({ timeoutMs: 4_000 });
  const users = Array.from({ length: 32 }, async (_, n) => {
    const sessions = journey.forUser(clients[n % 2] as (typeof clients)[0], newUser());
    const id = randomUUID();
    const codes: string[] = [];
    for (const call of [
      () => sessions.append(id, text("m1"), { create: true }),
      () => sessions.get(id),
      () => sessions.count(),
      () => sessions.list(),
      () => sessions.append(id, text("m2")),
    ])
      if (!codes.includes("timeout")) await call().catch(({ code }) => codes.push(code));
    return codes;
  });
  return (await Promise.all(users)).flat();
}

it("a postgres.js client of the application's own that prepares fails, or waits in vain: every call ends, typed", {
  timeout: 60_000,
}, async () => {
  const codes = new Set(await codesOf(true));
  // Which of them is up to the driver, which loses track of which answer is whose, and may settle none of its calls.
  expect(["configuration", "invalid_input", "timeout"]).toEqual(expect.arrayContaining([...codes]));
  expect(codes.size).toBeGreaterThan(0);
});

it("one that does not prepare works", { timeout: 60_000 }, async () => {
  expect(await codesOf(false)).toEqual([]);
});

import { forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import type { CountingProxy } from "./counting-proxy.js";
import { newUser } from "./database.js";
import { CASES, conversation } from "./verbs.js";

/**
 * The round trips of each call on a connection that has made it before.
 *
 * @param db with one connection, by way of the proxy
 */
export async function roundTripsOf(
  db: Database,
  proxy: CountingProxy,
  sessionsOf: typeof forUser = forUser,
): Promise<Record<string, number>> {
  const trips: Record<string, number> = {};
  for (const { name, call } of [...CASES, ...CASES]) {
    const sessions = sessionsOf(db, newUser());
    const given = await conversation(sessions);
    const before = proxy.roundTrips;
    await call(sessions, given);
    trips[name] = proxy.roundTrips - before;
  }
  return trips;
}

/** The same number for each call. */
export const each = (trips: number, of: Record<string, number>) =>
  Object.fromEntries(Object.keys(of).map((name) => [name, trips]));

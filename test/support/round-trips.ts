import { defineJourney } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import type { CountingProxy } from "./counting-proxy.js";
import { newUser } from "./database.js";
import { CATALOGUES } from "./verbs.js";

/**
 * The round trips of each call on a connection that has made it before.
 *
 * @param db with one connection, by way of the proxy
 */
export async function roundTripsOf(
  db: Database,
  proxy: CountingProxy,
  define: typeof defineJourney = defineJourney,
): Promise<Record<string, number>> {
  const trips: Record<string, number> = {};
  for (const [table, { cases, conversation, createIn, forUser }] of Object.entries(CATALOGUES)) {
    await createIn(db);
    for (const { name, call } of [...cases, ...cases]) {
      const sessions = forUser(define)(db, newUser());
      const given = await conversation(sessions);
      const before = proxy.roundTrips;
      await call(sessions, given);
      trips[`${table}: ${name}`] = proxy.roundTrips - before;
    }
  }
  return trips;
}

/** The same number for each call. */
export const each = (trips: number, of: Record<string, number>) =>
  Object.fromEntries(Object.keys(of).map((name) => [name, trips]));

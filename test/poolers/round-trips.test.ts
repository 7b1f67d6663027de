import { expect, it } from "vitest";
import { countingProxy } from "../support/counting-proxy.js";
import { migratedDatabase } from "../support/database.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";
import { each, roundTripsOf } from "../support/round-trips.js";

/** What docs/drivers.md says that a call takes behind a transaction pooler. */
const ROUND_TRIPS: Record<keyof typeof POOLED, number> = {
  "postgres.js, connect({ pooled: true })": 2,
  "node-postgres, defineJourney({ prepare: false })": 1,
};

it.each(Object.entries(ROUND_TRIPS))(
  "%s: each call is %i round trips to the pooler",
  async (how, expected) => {
    const pooler = await startPgbouncer();
    const proxy = await countingProxy(pooler.through(await migratedDatabase()));
    const { db, defineJourney } = await POOLED[how as keyof typeof POOLED](proxy.url, 1);
    const trips = await roundTripsOf(db, proxy, defineJourney);
    expect(trips).toEqual(each(expected, trips));
  },
);

import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { countingProxy } from "../support/counting-proxy.js";
import {
  migratedDatabase,
  newUser,
  openConnected,
  openNodePostgres,
  openPostgresJs,
} from "../support/database.js";
import { each, roundTripsOf } from "../support/round-trips.js";

// Over a network the way to the server and back is most of what a call takes.

const DRIVERS = {
  "postgres.js": async (through: string) => openPostgresJs(through, { max: 1 }),
  "postgres.js, connect()": (through: string) => openConnected(through, { max: 1 }),
  "node-postgres": async (through: string) => openNodePostgres(through, { max: 1 }),
};

it.each(Object.entries(DRIVERS))(
  "%s: each call is one round trip once the connection has made it before",
  async (_, open) => {
    const proxy = await countingProxy(await migratedDatabase());
    const trips = await roundTripsOf(await open(proxy.url), proxy);
    expect(trips).toEqual(each(1, trips));
  },
);

it.each(Object.entries(DRIVERS))(
  "%s: a transaction's begin and commit are seen as two more",
  async (_, open) => {
    const proxy = await countingProxy(await migratedDatabase());
    const db = await open(proxy.url);
    await forUser(db, newUser()).count();
    const before = proxy.roundTrips;
    await db.transaction((tx) => forUser(tx, newUser()).count());
    expect(proxy.roundTrips - before).toBeGreaterThanOrEqual(3);
  },
);

import { defineJourney, forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { openNodePostgres, openPooled } from "./database.js";

/** A database behind a transaction pooler, and the package's functions as such a database needs them. */
export interface Pooled {
  db: Database;
  forUser: typeof forUser;
  defineJourney: typeof defineJourney;
}

/** The ways docs/drivers.md names for a transaction pooler. */
export const POOLED = {
  "postgres.js, connect({ pooled: true })": async (url: string, max: number): Promise<Pooled> => ({
    db: await openPooled(url, max),
    forUser,
    defineJourney,
  }),
  "node-postgres, defineJourney({ prepare: false })": async (url: string, max: number): Promise<Pooled> => ({
    db: openNodePostgres(url, { max }),
    forUser: defineJourney({ prepare: false }).forUser,
    defineJourney: (options) => defineJourney({ ...options, prepare: false }),
  }),
} satisfies Record<string, (url: string, max: number) => Promise<Pooled>>;

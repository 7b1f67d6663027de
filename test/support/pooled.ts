import { defineJourney, forUser } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import { openNodePostgres, openPooled } from "./database.js";

/** A database behind a transaction pooler, and forUser as such a database needs it. */
export interface Pooled {
  db: Database;
  forUser: typeof forUser;
}

/** The ways docs/drivers.md names for a transaction pooler. */
export const POOLED = {
  "postgres.js, connect({ pooled: true })": async (url: string, max: number): Promise<Pooled> => ({
    db: await openPooled(url, max),
    forUser,
  }),
  "node-postgres, defineJourney({ prepare: false })": async (url: string, max: number): Promise<Pooled> => ({
    db: openNodePostgres(url, { max }),
    forUser: defineJourney({ prepare: false }).forUser,
  }),
} satisfies Record<string, (url: string, max: number) => Promise<Pooled>>;

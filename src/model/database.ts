import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";

/** Any Drizzle PostgreSQL database or transaction: postgres.js, node-postgres, PGlite, Neon and others. */
// biome-ignore lint/suspicious/noExplicitAny: the application's own schema types
export type Database = PgDatabase<PgQueryResultHKT, any, any>;

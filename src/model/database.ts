import type { ExtractTablesWithRelations } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";

/**
 * Any Drizzle PostgreSQL database or transaction: postgres.js, node-postgres, PGlite, Neon and others. `Schema` is that
 * of its `db.query`.
 */
// biome-ignore lint/suspicious/noExplicitAny: the application's own schema types
export type Database<Schema extends Record<string, unknown> = any> = PgDatabase<
  PgQueryResultHKT,
  Schema,
  // biome-ignore lint/suspicious/noExplicitAny: a database whose schema is not known
  string extends keyof Schema ? any : ExtractTablesWithRelations<Schema>
>;

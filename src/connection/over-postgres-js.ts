import {
  createTableRelationsHelpers,
  extractTablesRelationalConfig,
  type TablesRelationalConfig,
} from "drizzle-orm";
import { PgDatabase, PgDialect } from "drizzle-orm/pg-core";
import { type PostgresJsQueryResultHKT, PostgresJsSession } from "drizzle-orm/postgres-js/session";
import type { Sql } from "postgres";
import type { Database } from "../model/database.js";
import type { PoolClient } from "./pool-client.js";

/** Types that Drizzle converts itself: dates, times, intervals, and arrays of these and of numerics. */
const CONVERTED = [1082, 1083, 1114, 1115, 1182, 1184, 1185, 1231];
const JSON_TYPES = [114, 3802];

/** Makes a client pass these values on unchanged. */
export function leaveTypesToDrizzle({ options: { parsers, serializers } }: Sql): void {
  const unchanged = (value: unknown) => value;
  for (const type of CONVERTED) parsers[type] = unchanged;
  for (const type of [...CONVERTED, ...JSON_TYPES]) serializers[type] = unchanged;
}

/** `drizzle({ client, schema })` without drizzle-orm/postgres-js, which imports the optional package postgres: bundlers would stop at it. */
export function overPostgresJs(client: PoolClient, fullSchema?: Record<string, unknown>): Database {
  const dialect = new PgDialect();
  const { tables, tableNamesMap } = extractTablesRelationalConfig<TablesRelationalConfig>(
    fullSchema ?? {},
    createTableRelationsHelpers,
  );
  const schema = fullSchema && { fullSchema, schema: tables, tableNamesMap };
  const session = new PostgresJsSession<Sql, Record<string, unknown>, TablesRelationalConfig>(
    client as unknown as Sql,
    dialect,
    schema,
  );
  return new PgDatabase<PostgresJsQueryResultHKT, Record<string, unknown>, TablesRelationalConfig>(
    dialect,
    session,
    schema,
  );
}

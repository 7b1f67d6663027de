import { getTableName, type SQL, sql } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import { messagesRemedy } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { perTable } from "../queries/statement.js";
import { qualifiedName, type SessionTable } from "../schema.js";
import { messagesOf } from "./table.js";

/**
 * The table of a table's messages in the database, as SQL: a regclass, or null. An application may have a table of the
 * same name for something else. One column may be missing, which `verify` reports.
 */
export const existingMessages = perTable((table): SQL => {
  const messages = messagesOf(table);
  const names = getTableConfig(messages).columns.map(({ name }) => name);
  return sql`(select attrelid::regclass from pg_attribute
    where attrelid = to_regclass(${qualifiedName(messages as never)}::text) and not attisdropped
      and attname in (${sql.raw(names.map((name) => `'${name}'`).join(", "))})
    group by attrelid having count(*) >= ${sql.raw(String(names.length - 1))})`;
});

/** The error of what needs the table of a table's messages. */
export const messagesMissing = (table: SessionTable): JourneyDbError =>
  new JourneyDbError(
    "migration",
    `The table ${qualifiedName(messagesOf(table) as never)} is missing; ${messagesRemedy(getTableName(table))}.`,
    { sqlState: "42P01" },
  );

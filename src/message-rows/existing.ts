import { getTableName } from "drizzle-orm";
import { optionalRemedy } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { existingTable } from "../queries/existing.js";
import { perTable } from "../queries/statement.js";
import { qualifiedName, type SessionTable } from "../schema.js";
import { messagesOf } from "./table.js";

/** The table of a table's messages in the database. One column may be missing, which `verify` reports. */
export const existingMessages = perTable((table) => existingTable(messagesOf(table), 1));

/** The error of what needs the table of a table's messages. */
export const messagesMissing = (table: SessionTable): JourneyDbError =>
  new JourneyDbError(
    "migration",
    `The table ${qualifiedName(messagesOf(table) as never)} is missing; ${optionalRemedy(getTableName(table), "message-rows")}.`,
    { sqlState: "42P01" },
  );

import { sql } from "drizzle-orm";
import { migrate } from "../../src/maintenance/migrate.js";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import { type JourneyTable, journeySessions } from "../../src/schema.js";
import { createTables } from "./own-table.js";

/** How a table's sessions keep their messages. */
export const LAYOUTS = ["column", "rows"] as const;

/** Creates the table of a table's messages, and what it needs. */
export async function createMessages(db: Database, table: JourneyTable): Promise<void> {
  if (table === journeySessions) return void (await migrate(db, { with: ["message-rows"] }));
  await createTables(db, { messages: messagesTable(table) });
  for (const statement of tableSql(table, { with: ["message-rows"] })) await db.execute(sql.raw(statement));
}

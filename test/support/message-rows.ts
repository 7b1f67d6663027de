import { sql } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import { messagesTable } from "../../src/message-rows.js";
import type { Database } from "../../src/model/database.js";
import type { JourneyTable } from "../../src/schema.js";

/** How a table's sessions keep their messages. */
export const LAYOUTS = ["column", "rows"] as const;

/** Makes the table of a table's messages, and what it needs. */
export async function createMessages(db: Database, table: JourneyTable): Promise<void> {
  const { name, schema = "public" } = getTableConfig(table);
  const messages = getTableConfig(messagesTable(table)).name;
  const [sessions, rows] = [`"${schema}"."${name}"`, `"${schema}"."${messages}"`];
  for (const statement of [
    `alter table ${sessions} drop constraint "${name}_messages_is_array", add constraint "${name}_messages_is_array"
      check (jsonb_typeof(messages) = 'array' or jsonb_typeof(messages -> 'rows') is not distinct from 'number')`,
    `create table ${rows} (user_id text not null, session_id uuid not null references ${sessions} (id) on delete cascade,
      id text not null, appended_at timestamptz not null, n int not null, message json not null,
      constraint "${messages}_pkey" primary key (session_id, user_id, id))`,
    `create index "idx_${messages}_order" on ${rows} (user_id, session_id, appended_at, n)`,
    `alter table ${rows} alter message set storage external`,
    `create index "idx_${name}_user_id_updated_at_id" on ${sessions} (user_id, updated_at, id)`,
  ])
    await db.execute(sql.raw(statement));
}

import { readFileSync } from "node:fs";
import type { Sql } from "postgres";

/** The table as it was made by hand before this package existed. */
export const OLD_TABLE = readFileSync(new URL("../fixtures/journey_sessions.sql", import.meta.url), "utf8");

export const makeOldTable = (sql: Sql) => sql.unsafe(OLD_TABLE);

/** All rows with every value to the last digit, as text. */
export const rowsOf = async (sql: Sql) => [
  ...(await sql.unsafe(`select id, user_id, phase, messages::text, metadata::text,
    created_at::text, updated_at::text, pg_column_size(messages) as size from journey_sessions order by id`)),
];

import { sql } from "drizzle-orm";
import { allOwnedBy, perTable, statement } from "./statement.js";

export const count = perTable((table) =>
  statement<{ sessions: number }>(table, "count", (db) =>
    db.select({ sessions: sql<number>`count(*)::int` }).from(table).where(allOwnedBy(table)),
  ),
);

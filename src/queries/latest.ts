import { desc } from "drizzle-orm";
import { type SessionRow, sessionColumns } from "./columns.js";
import { allOwnedBy, perTable, statement } from "./statement.js";

export const latest = perTable((table) =>
  statement<SessionRow>(table, "latest", (db) =>
    db
      .select(sessionColumns(table))
      .from(table)
      .where(allOwnedBy(table))
      .orderBy(desc(table.createdAt), desc(table.id))
      .limit(1),
  ),
);

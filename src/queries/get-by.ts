import { and, desc } from "drizzle-orm";
import type { Filter } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { filtered } from "./filter.js";
import { allOwnedBy, isEmpty, perShape, statement } from "./statement.js";

/** The owner's newest session that the filters find. */
export const getBy = perShape(isEmpty, (table, where: Filter[], preparing) =>
  statement<SessionRow>(
    table,
    "get_by",
    (db) =>
      db
        .select(sessionColumns(table))
        .from(table)
        .where(and(allOwnedBy(table), ...filtered(table, where)))
        .orderBy(desc(table.createdAt), desc(table.id))
        .limit(1),
    preparing,
  ),
);

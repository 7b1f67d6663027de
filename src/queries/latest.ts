import { and, desc } from "drizzle-orm";
import type { Filter, SessionTable } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { filtered } from "./filter.js";
import { allOwnedBy, isEmpty, type Preparing, perShape, perTable, statement } from "./statement.js";

/** The owner's session that was created last, of those that the filters find. */
const latestOf = (table: SessionTable, name: string, where: readonly Filter[], preparing?: Preparing) =>
  statement<SessionRow>(
    table,
    name,
    (db) =>
      db
        .select(sessionColumns(table))
        .from(table)
        .where(and(allOwnedBy(table), ...filtered(table, where)))
        .orderBy(desc(table.createdAt), desc(table.id))
        .limit(1),
    preparing,
  );

export const latest = perTable((table) => latestOf(table, "latest", []));

/** Its shape is the filters. */
export const getBy = perShape(isEmpty, (table, where: Filter[], preparing) =>
  latestOf(table, "get_by", where, preparing),
);

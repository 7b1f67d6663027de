import { type SessionRow, sessionColumns } from "./columns.js";
import { ownedBy, perTable, statement } from "./statement.js";

export const get = perTable((table) =>
  statement<SessionRow>(table, "get", (db) =>
    db.select(sessionColumns(table)).from(table).where(ownedBy(table)),
  ),
);

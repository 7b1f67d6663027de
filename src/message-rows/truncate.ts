import { sql } from "drizzle-orm";
import { param, perTable, withParts } from "../queries/statement.js";
import { truncate as truncateColumn } from "../queries/truncate.js";
import { ifRevision, metadataIsObject, sameRevision } from "../queries/write.js";
import { hasRow, isPlaced, isUnchanged, lastRow, marker, ownRows, rowsOf } from "./conversation.js";
import { messagesOf } from "./table.js";
import {
  conditionsOf,
  locked,
  type RowsWritten,
  rowsWrite,
  updated,
  writtenOf,
  writtenRow,
} from "./write.js";

const from = sql`${param("from")}::text`;

export const truncate = perTable((table) => {
  const messages = messagesOf(table);
  const conditions = conditionsOf(table, { from, ifRevision }, [
    sameRevision(table),
    metadataIsObject(table),
    ["message", sql`(${isUnchanged(table)} and ${hasRow(table, sql`input."from"`)})`],
  ]);
  return rowsWrite<RowsWritten>(
    table,
    "truncate",
    conditions,
    (db) =>
      withParts(
        db,
        {
          locked: locked(table, conditions),
          kept: lastRow(table, isPlaced(table, "<", from)),
          deleted: sql`delete from ${messages} using locked where ${ownRows(messages)} and ${isPlaced(table, ">=", from)} returning 1`,
          dropped: sql`select count(*)::int as rows from deleted`,
          written: updated(
            db,
            table,
            marker(sql`${rowsOf(sql`locked.messages`)} - dropped.rows`, sql`(select id from kept)`),
            sql`locked, dropped`,
          ),
        },
        writtenRow,
        writtenOf(table),
        ["kept"],
      ),
    { inColumn: truncateColumn(table).conditions },
  );
});

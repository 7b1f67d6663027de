import { sql } from "drizzle-orm";
import { replaceMessages as replaceInColumn } from "../queries/replace-messages.js";
import { perTable, withParts } from "../queries/statement.js";
import { ifRevision, metadataIsObject, sameRevision } from "../queries/write.js";
import { isComplete, ownRows } from "./conversation.js";
import { messagesOf } from "./table.js";
import {
  conditionsOf,
  given,
  insertMessages,
  locked,
  MOVED,
  markerOfGiven,
  maxMessageBytes,
  messagesFit,
  ofCall,
  ofGiven,
  type RowsWritten,
  rowsWrite,
  updated,
  writtenOf,
  writtenRow,
} from "./write.js";

export const replaceMessages = perTable((table) => {
  const messages = messagesOf(table);
  const conditions = conditionsOf(table, { ...ofCall, ifRevision, maxMessageBytes }, [
    sameRevision(table),
    metadataIsObject(table),
    ["message size", messagesFit],
    isComplete(table),
  ]);
  return rowsWrite<RowsWritten>(
    table,
    "replace_messages",
    conditions,
    (db) =>
      withParts(
        db,
        {
          given,
          locked: locked(table, conditions, { ...conditions.values, ...ofGiven }),
          // One statement must not change a row twice: a message that stays is moved.
          deleted: sql`delete from ${messages} using locked
            where ${ownRows(messages)} and ${messages.id} not in (select id from given) returning 1`,
          stored: insertMessages(
            table,
            [sql`locked.id`, sql`given.id`, sql`locked.time`, sql`given.n`, sql`given.message`],
            sql`locked, given`,
            { moves: MOVED },
          ),
          written: updated(db, table, markerOfGiven, sql`locked`),
        },
        writtenRow,
        writtenOf(table),
      ),
    { inColumn: replaceInColumn(table).conditions },
  );
});

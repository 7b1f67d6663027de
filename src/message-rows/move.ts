import { sql } from "drizzle-orm";
import { exactTime } from "../queries/columns.js";
import { arrayOf, m } from "../queries/conversation.js";
import type { MovedRow } from "../queries/layout.js";
import { param, perTable, type Statement, withParts } from "../queries/statement.js";
import { type Conditions, ifRevision, sameRevision, write } from "../queries/write.js";
import type { SessionTable } from "../schema.js";
import { hasOrderedTime, isInRows, isUnchanged, marker, ownRows } from "./conversation.js";
import { messagesOf } from "./table.js";
import { insertMessages, locked, rowsStatement, updated, writtenId, writtenOf } from "./write.js";

/** Its refusals name what keeps a session from being moved. "rows" or "column": it is there already. */
const moving = (
  table: SessionTable,
  name: string,
  conditions: Conditions,
  build: Statement<MovedRow>["build"],
) => write<MovedRow>(table, name, conditions, build, { kind: rowsStatement });

/**
 * Moves a session's messages from the column into rows, if each element has an id of its own that is a text. The
 * conversation is read from the locked session, so no write of others is lost.
 */
export const moveToRows = perTable((table) => {
  const messages = messagesOf(table);
  const elements = sql`jsonb_array_elements(${m}) as e(message)`;
  const ids = sql`select count(distinct e.message ->> 'id') filter (where jsonb_typeof(e.message -> 'id') = 'string' and char_length(e.message ->> 'id') between 1 and 256) from ${elements}`;
  const conditions: Conditions = {
    values: { ifRevision },
    row: [sameRevision(table), hasOrderedTime(table)],
    conversation: [
      ["id", sql`not exists (select from ${messages} where ${ownRows(messages)})`],
      ["message", sql`(${ids}) = jsonb_array_length(${m})`],
    ],
  };
  return moving(table, "move_to_rows", conditions, (db) =>
    withParts<MovedRow>(
      db,
      {
        locked: locked(table, conditions),
        stored: insertMessages(
          table,
          [sql`locked.id`, sql`e.message ->> 'id'`, sql`locked.time`, sql`e.n`, sql`e.message`],
          sql`locked, jsonb_array_elements(locked.messages) with ordinality as e(message, n)`,
        ),
        written: updated(
          db,
          table,
          marker(sql`jsonb_array_length(locked.messages)`, sql`locked.messages -> -1 -> 'id'`),
          sql`locked`,
        ),
      },
      { id: writtenId, revision: exactTime(sql`written.updated_at`) },
      writtenOf(table),
    ),
  );
});

/**
 * Moves a session's messages from rows into the column, if it can hold them. Writes nothing if others have written since
 * it began.
 */
export const moveToColumn = perTable((table) => {
  const messages = messagesOf(table);
  const { appendedAt, n } = messages;
  const conditions: Conditions = {
    values: { maxBytes: sql`${param("maxBytes")}::int` },
    row: [
      isInRows(table),
      ["column", isUnchanged(table)],
      [
        "rows",
        // Another program may have written any number.
        sql`(${table.messages} -> 'rows')::numeric = (select count(*) from ${messages} where ${ownRows(messages)})`,
      ],
      // Long messages are not compressed, so this reads none of them.
      [
        "size",
        sql`(select coalesce(sum(pg_column_size(${messages.message})), 0) from ${messages} where ${ownRows(messages)}) <= input."maxBytes"`,
      ],
    ],
  };
  return moving(table, "move_to_column", conditions, (db) =>
    withParts<MovedRow>(
      db,
      {
        locked: locked(table, conditions),
        conversation: sql`select ${arrayOf(sql`${messages.message}::jsonb`, sql`${appendedAt}, ${n}`)} as messages from ${messages} where ${ownRows(messages)}`,
        deleted: sql`delete from ${messages} using locked where ${ownRows(messages)} returning 1`,
        written: updated(db, table, sql`conversation.messages`, sql`locked, conversation`),
      },
      { id: writtenId, revision: exactTime(sql`written.updated_at`) },
      writtenOf(table),
      ["conversation"],
    ),
  );
});

import { sql } from "drizzle-orm";
import { allColumns, createdSession } from "../queries/columns.js";
import { type ForkShape, forkColumns, isPlainFork } from "../queries/fork.js";
import type { ReadRow } from "../queries/layout.js";
import { onlyColumns } from "../queries/own-columns.js";
import { input, param, perShape } from "../queries/statement.js";
import { type Conditions, metadataIsObject, type Write, writable } from "../queries/write.js";
import { keyOf } from "../schema.js";
import { hasRow, isComplete, isInRows, isPlaced, marker, ownRows } from "./conversation.js";
import { NO_LIMIT, oldestFirst, sessionThenMessages } from "./read.js";
import { messagesOf } from "./table.js";
import { rowsWrite } from "./write.js";

const through = sql`${param("through")}::text`;

/** Copies a session in rows. All of it is as of one moment, so nothing is locked. */
export const fork = perShape(isPlainFork, (table, shape: ForkShape, preparing): Write<ReadRow> => {
  const messages = messagesOf(table);
  const order = oldestFirst(table);
  const conditions: Conditions = {
    values: { newId: sql`${param("newId")}::uuid`, through },
    row: [
      isInRows(table),
      metadataIsObject(table),
      isComplete(table),
      ["message", hasRow(table, sql`input.through`)],
      ["id", sql`input."newId" is null`, "explained only"],
    ],
  };
  const isCopied = sql`${ownRows(messages)} and (${through} is null or ${isPlaced(table, "<=", through)})`;
  const copies = sql`case when ${through} is null then ${table.messages}
    else ${marker(sql`(select count(*)::int from ${messages} where ${isCopied})`, through)} end`;
  return rowsWrite<ReadRow>(
    table,
    "fork",
    conditions,
    (db) => {
      const columns = forkColumns(table, shape, copies);
      const made = db
        .insert(onlyColumns(table, Object.keys(columns)))
        .select(
          sql`select ${sql.join(Object.values(columns), sql`, `)} from ${table}, ${input(conditions.values)} where ${writable(table, conditions)}`,
        )
        .onConflictDoNothing({ target: keyOf(table) })
        .returning(allColumns(table))
        .getSQL();
      const created = createdSession(table);
      return sessionThenMessages<ReadRow>(
        db,
        {
          written: made,
          copied: sql`insert into ${messages} (user_id, session_id, id, appended_at, n, message)
            select ${messages.userId}, written.id, ${messages.id}, written.updated_at, row_number() over (order by ${order}), ${messages.message}
            from written, ${messages} where ${isCopied} returning 1`,
          found: sql`select ${created.summary} as summary, ${created.messages} as messages from written`,
        },
        ["summary", "messages"],
        sql`${messages.message} from ${messages} where ${isCopied} and exists (select from written) order by ${order} ${NO_LIMIT}`,
      );
    },
    { preparing },
  );
});

import { type SQL, sql } from "drizzle-orm";
import { allColumns, createdSession } from "../queries/columns.js";
import { type ForkShape, forkColumns, isPlainFork } from "../queries/fork.js";
import type { ReadRow } from "../queries/layout.js";
import { onlyColumns } from "../queries/own-columns.js";
import { input, param, perShape } from "../queries/statement.js";
import { type Conditions, metadataIsObject, type Write, writable } from "../queries/write.js";
import { isDistributed, keyOf } from "../schema.js";
import { hasRow, isComplete, isInRows, isPlaced, lastOf, marker, ownRows, rowsOf } from "./conversation.js";
import { NO_LIMIT, oldestFirst, sessionThenMessages } from "./read.js";
import { messagesOf } from "./table.js";
import { rowsWrite, suppressed } from "./write.js";

const through = sql`${param("through")}::text`;

/** A distributed engine reads the messages after the session: if others have changed it meanwhile, the statement fails. */
const ifWhole = (summary: SQL): SQL =>
  sql`case when (select count(*) from copied) = ${rowsOf(sql`written.messages`)}
    and (select copied.id from copied order by copied.n desc limit 1) is not distinct from ${lastOf(sql`written.messages`)}
    then ${summary} else ${suppressed(sql`written.id`)}::text end`;

/** Copies a session in rows. All of it is as of one moment, so nothing is locked. */
export const fork = perShape(isPlainFork, (table, shape: ForkShape, preparing): Write<ReadRow> => {
  const messages = messagesOf(table);
  const distributed = isDistributed(table);
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
            from written, ${messages} where ${isCopied} returning ${distributed ? sql`id, n, message` : sql`1`}`,
          found: sql`select ${distributed ? ifWhole(created.summary) : created.summary} as summary, ${created.messages} as messages from written`,
        },
        ["summary", "messages"],
        distributed
          ? sql`copied.message from copied order by copied.n ${NO_LIMIT}`
          : sql`${messages.message} from ${messages} where ${isCopied} and exists (select from written) order by ${order} ${NO_LIMIT}`,
      );
    },
    { preparing },
  );
});

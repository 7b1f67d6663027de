import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import {
  type AppendedRow,
  append as appendToColumn,
  newMetadata,
  newMetadataFits,
} from "../queries/append.js";
import { newSession } from "../queries/columns.js";
import type { AppendShape } from "../queries/layout.js";
import { onlyColumns, turn } from "../queries/own-columns.js";
import { input, param, perShape, withParts } from "../queries/statement.js";
import { type Conditions, ifRevision, metadataIsObject, sameRevision, type Write } from "../queries/write.js";
import { keyOf, type SessionTable } from "../schema.js";
import { hasRow, isUnchanged, lastOf, lastRow, marker, ownRows, rowsOf } from "./conversation.js";
import { messagesOf } from "./table.js";
import {
  conditionsOf,
  given,
  givenOne,
  insertMessages,
  locked,
  MOVED,
  markerOfGiven,
  maxMessageBytes,
  messagesFit,
  ofCall,
  ofGiven,
  ofGivenOne,
  rowsWrite,
  updated,
  WRITTEN,
  writtenOf,
  writtenRow,
} from "./write.js";

const from = sql`input."from"`;

/** Whether, apart from the messages of the call, the conversation ends with `after`. */
function endsWith(table: SessionTable): SQL {
  const isGiven = (id: SQL) => sql`${id} = any(input.ids)`;
  const last = lastOf(sql`${table.messages}`);
  const isAfter = sql`is not distinct from input.after`;
  const lastOther = lastRow(table, sql`not ${isGiven(sql`${messagesOf(table).id}`)}`);
  return sql`case
    when ${last} is null or not ${isGiven(last)} then ${last} ${isAfter}
    else ${isUnchanged(table)} and ${lastOther} ${isAfter}
  end`;
}

function conditionsOfAppend(table: SessionTable, { after, from: drops }: AppendShape): Conditions {
  const values = {
    ...ofCall,
    ifRevision,
    maxMessageBytes,
    ...(after && { after: sql`${param("after")}::text` }),
    ...(drops && { from: sql`${param("from")}::text` }),
  };
  return conditionsOf(table, values, [
    sameRevision(table),
    metadataIsObject(table),
    ...(drops ? [["message", sql`(${isUnchanged(table)} and ${hasRow(table, from)})`] as const] : []),
    ...(after ? [["after", endsWith(table)] as const] : []),
    ["message size", messagesFit],
  ]);
}

/** Of the messages of a call: the number of those that are new, and the id of the last of them. */
const isNew = sql`stored.appended_at = (select time from locked)`;
const ADDED = sql`select count(*)::int as rows, (array_agg(stored.id order by stored.n desc))[1] as last from stored where ${isNew}`;
const ADDED_ONE = sql`select (${isNew})::int as rows, case when ${isNew} then stored.id end as last from stored`;

/** The parts of an append that drops nothing, to the session `target`. */
const partsOf = (table: SessionTable, one: boolean, target: SQL, isStored: boolean): Record<string, SQL> => ({
  stored: insertMessages(
    table,
    [sql`target.id`, sql`given.id`, sql`target.time`, sql`given.n`, sql`given.message`],
    sql`${target} as target, given`,
    { isStored },
  ),
  added: one ? ADDED_ONE : ADDED,
});

const grown = marker(
  sql`${rowsOf(sql`locked.messages`)} + added.rows`,
  sql`coalesce(added.last, ${lastOf(sql`locked.messages`)})`,
);

/** The parts of an append that first drops the message `from` and all that follow. */
function partsWithFrom(table: SessionTable): Record<string, SQL> {
  const messages = messagesOf(table);
  const from = sql`${param("from")}::text`;
  const isFrom = (comparison: ">=" | "<") =>
    sql`(${messages.appendedAt}, ${messages.n}) ${sql.raw(comparison)} ((select appended_at from place), (select n from place))`;
  const isDropped = isFrom(">=");
  /** Of the stored message with the id of the given one, if it is not dropped. */
  const staysAt = (column: PgColumn) =>
    sql`(select ${column} from ${messages} where ${owned} and ${messages.id} = given.id and ${isFrom("<")})`;
  const owned = ownRows(messages);
  return {
    place: sql`select ${messages.appendedAt}, ${messages.n} from ${messages} where ${owned} and ${messages.id} = ${from}`,
    dropped: sql`select count(*)::int as rows from ${messages} where ${owned} and ${isDropped}`,
    kept: lastRow(table, isFrom("<")),
    deleted: sql`delete from ${messages} using locked
      where ${owned} and ${isDropped} and ${messages.id} not in (select id from given) returning 1`,
    // A dropped message that the call has is not deleted, but moved: one statement must not change a row twice.
    stored: insertMessages(
      table,
      [
        sql`locked.id`,
        sql`given.id`,
        sql`coalesce(${staysAt(messages.appendedAt)}, locked.time)`,
        sql`coalesce(${staysAt(messages.n)}, given.n)`,
        sql`given.message`,
      ],
      sql`locked, given`,
      { moves: MOVED },
    ),
    added: ADDED,
  };
}

/** Appends messages to a session in rows, or creates it. */
export const append = perShape(
  ({ create }: AppendShape) => create === null || create.length === 0,
  (table, shape: AppendShape, preparing): Write<AppendedRow> => {
    const { one, after, from: drops, create } = shape;
    const name = `append${one ? "_one" : ""}${after ? "_after" : ""}${drops ? "_from" : ""}${create ? "_or_create" : ""}`;
    const conditions = conditionsOfAppend(table, shape);
    const read = one ? ofGivenOne : ofGiven;
    const inColumn = appendToColumn(table).conditions;
    const lockOf = (held: Conditions) => locked(table, held, { ...held.values, ...read });
    const messages = one ? givenOne : given;
    if (!create) {
      const dropping = marker(
        sql`${rowsOf(sql`locked.messages`)} - dropped.rows + added.rows`,
        sql`coalesce(added.last, (select id from kept))`,
      );
      return rowsWrite(
        table,
        name,
        conditions,
        (db) =>
          withParts(
            db,
            {
              given: messages,
              locked: lockOf(conditions),
              ...(drops ? partsWithFrom(table) : partsOf(table, one, sql`locked`, true)),
              written: drops
                ? updated(db, table, dropping, sql`locked, added, dropped`)
                : updated(db, table, grown, sql`locked, added`),
            },
            { ...writtenRow, created: sql<boolean>`false` },
            writtenOf(table),
            drops ? ["dropped", "kept"] : [],
          ),
        { preparing, inColumn },
      );
    }
    const created: Conditions = {
      ...conditions,
      values: { ...conditions.values, ...newMetadata },
      row: [...conditions.row, ["size", newMetadataFits]],
      created: [
        ["message size", messagesFit],
        ["size", newMetadataFits],
      ],
    };
    return rowsWrite(
      table,
      name,
      created,
      (db) => {
        const columns = newSession(table, sql`${param("id")}::uuid`, create);
        const values = input({ bytes: read.bytes, maxMessageBytes, ...newMetadata, ...turn(table) });
        const made = db
          .insert(onlyColumns(table, Object.keys(columns)))
          .select(
            sql`select ${sql.join(Object.values(columns), sql`, `)} from (
            select ${markerOfGiven} as messages, input.metadata from ${values} where ${messagesFit} and ${newMetadataFits}) as new`,
          )
          .onConflictDoNothing({ target: keyOf(table) })
          .returning({
            id: table.id,
            updatedAt: table.updatedAt,
            messages: table.messages,
          })
          .getSQL();
        const target = sql`(select id, updated_at as time from made union all select id, time from locked)`;
        const columnsOf = (part: string) => sql.raw(`select id, updated_at, messages from ${part}`);
        return withParts<AppendedRow>(
          db,
          {
            given: messages,
            made,
            // A distributed engine's statement sees what an earlier part of it has inserted.
            locked: sql`select * from (${lockOf(created)}) as own where not exists (select from made)`,
            ...partsOf(table, one, target, false),
            changed: updated(db, table, grown, sql`locked, added`),
            written: sql`${columnsOf("made")} union all ${columnsOf("changed")}`,
          },
          { ...writtenRow, created: sql<boolean>`exists (select from made)` },
          sql`(select id from made union all select id from locked) as ${WRITTEN}`,
        );
      },
      { preparing, inColumn },
    );
  },
);

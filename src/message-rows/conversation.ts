import { type SQL, sql } from "drizzle-orm";
import { areInRows } from "../queries/conversation.js";
import { ownedBy, param } from "../queries/statement.js";
import type { Condition } from "../queries/write.js";
import type { SessionTable } from "../schema.js";
import { type MessageTable, messagesOf } from "./table.js";

/**
 * What the column `messages` of a session has whose messages are in rows: their number and the id of the last, so that
 * neither is counted or looked up.
 */
export const marker = (rows: SQL, last: SQL): SQL =>
  sql`(select jsonb_build_object('rows', ${rows}, 'last', ${last}))`;

/** The number of messages, of a marker. */
export const rowsOf = (messages: SQL): SQL<number> => sql<number>`(${messages} -> 'rows')::int`;

/** The id of the last message as text, or null, of a marker. */
export const lastOf = (messages: SQL): SQL => sql`(${messages} ->> 'last')`;

/** The rows of the owner's session. */
export const ownRows = (messages: MessageTable): SQL =>
  sql`${messages.userId} = ${param("userId")} and ${messages.sessionId} = ${param("id")}`;

/** A row or rows of the owner's session. */
const select = (what: SQL, messages: MessageTable, rest: SQL): SQL =>
  sql`(select ${what} from ${messages} where ${ownRows(messages)} ${rest})`;

/** The place of the message with this id, or NULLs: each of its columns, since an index serves no comparison with a row. */
export function placeOf(table: SessionTable, id: SQL): [appendedAt: SQL, n: SQL] {
  const messages = messagesOf(table);
  const column = (name: "appendedAt" | "n") =>
    select(sql`${messages[name]}`, messages, sql`and ${messages.id} = ${id}`);
  return [column("appendedAt"), column("n")];
}

/** Compares places with that of a message: `>=`, `<`. */
export const isPlaced = (table: SessionTable, comparison: ">=" | "<=" | "<", id: SQL): SQL => {
  const { appendedAt, n } = messagesOf(table);
  const [time, number] = placeOf(table, id);
  return sql`(${appendedAt}, ${n}) ${sql.raw(comparison)} (${time}, ${number})`;
};

/** Whether the session has the message; true if `id` is null. */
export const hasRow = (table: SessionTable, id: SQL): SQL => {
  const messages = messagesOf(table);
  return sql`(${id} is null or exists ${select(sql``, messages, sql`and ${messages.id} = ${id}`)})`;
};

/** The id of the last message that meets a condition, or null. */
export const lastRow = (table: SessionTable, condition: SQL): SQL => {
  const messages = messagesOf(table);
  return select(
    sql`${messages.id}`,
    messages,
    sql`and ${condition} order by ${messages.appendedAt} desc, ${messages.n} desc limit 1`,
  );
};

/**
 * What a write reads of other rows is as of the beginning of its statement. Nobody has changed them since if the
 * session still has the revision of then; else the statement writes nothing, and is sent again.
 */
export const isUnchanged = (table: SessionTable): SQL =>
  sql`${table.updatedAt} in (select updated_at from ${table} where ${ownedBy(table)})`;

/** All of the session's messages are seen: a policy may hide some, and others may have deleted some. */
export const isComplete = (table: SessionTable): Condition => {
  const messages = messagesOf(table);
  return [
    "count",
    sql`(${isUnchanged(table)} and ${rowsOf(sql`${table.messages}`)} = (select count(*) from ${messages} where ${ownRows(messages)}))`,
  ];
};

/** The session's messages are in rows. */
export const isInRows = (table: SessionTable): Condition => ["column", areInRows(table.messages)];

/** A time that increases with each write. */
export const hasOrderedTime = (table: SessionTable): Condition => [
  "time",
  sql`${table.updatedAt} < '294276-01-01 00:00:00+00'::timestamptz`,
];

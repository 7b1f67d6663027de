import { getTableName, type SQL, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import { messageOf } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { exactTime, type WrittenRow } from "../queries/columns.js";
import {
  type DriverFailure,
  input,
  insertion,
  MOST_ATTEMPTS,
  ownedBy,
  param,
  repeated,
  type Statement,
  type statement,
} from "../queries/statement.js";
import { allHold, type Condition, type Conditions, updating, type Write, write } from "../queries/write.js";
import { isDistributed, type SessionTable } from "../schema.js";
import { hasOrderedTime, isInRows, marker, rowsOf } from "./conversation.js";
import { messagesOf } from "./table.js";

const SUPPRESSED = "journey_db_suppressed_";

/** Fails where it is evaluated. */
export const suppressed = (id: SQL): SQL => sql`(${sql.raw(`'${SUPPRESSED}'`)} || ${id})::uuid`;

/** The last part of a write to the session in `locked`. */
export const WRITTEN = sql`locked left join written on true`;

/** On a distributed table, the trigger gives the session another time than its messages have where its shard has moved. */
export const writtenOf = (table: SessionTable): SQL =>
  isDistributed(table) ? sql`locked left join written on written.updated_at = locked.time` : WRITTEN;

/**
 * The id of the session in `WRITTEN`. If it is locked but was not updated, such as by a trigger of the application's,
 * the statement fails, which undoes all of it: otherwise the messages alone would have changed.
 */
export const writtenId = sql<string>`coalesce(written.id, ${suppressed(sql`locked.id`)})`;

const isSuppressed = (thrown: unknown): boolean => messageOf(thrown).includes(SUPPRESSED);

/** A statement of a write that cannot be suppressed in part. */
export function rowsStatement<Row>(...of: Parameters<typeof statement<Row>>): Statement<Row> {
  const [table] = of;
  const once = insertion<Row>(...of);
  const inserting = isDistributed(table) ? repeated(once, isSuppressed, MOST_ATTEMPTS) : once;
  return {
    ...inserting,
    run: (...call) =>
      inserting.run(...call).catch((failure) => {
        if (!isSuppressed((failure as DriverFailure).thrown)) throw failure;
        const message = isDistributed(table)
          ? "The session was changed at the same moment, or a trigger of the table kept it as it is"
          : "A trigger of the table kept the session as it is";
        throw new JourneyDbError("conflict", `${message}; nothing was written.`, {
          retryable: isDistributed(table),
        });
      }),
  };
}

/** The conditions of every write to messages. */
export const conditionsOf = (
  table: SessionTable,
  values: Record<string, SQL>,
  conditions: readonly Condition[],
): Conditions => ({ values, row: [isInRows(table), ...conditions, hasOrderedTime(table)] });

/**
 * The session, if the conditions hold, locked until the end of the transaction: writers of one session take turns. Its
 * `time` is the revision that the write gives it.
 *
 * @param values the columns of `input`
 */
export const locked = (
  table: SessionTable,
  conditions: Conditions,
  values: Record<string, SQL> = conditions.values,
): SQL =>
  // The conditions are a value: a distributed engine fails to lock the rows of a join.
  sql`select ${table.id}, ${table.messages}, greatest(now(), ${table.updatedAt} + interval '1 microsecond') as time${isDistributed(table) ? sql`, ${table.updatedAt} as was` : sql``}
    from ${table} where ${ownedBy(table)} and (select ${allHold(table, conditions)} from ${input(values)})
    for no key update of ${sql.identifier(getTableName(table))}`;

const messagesParam = sql`${param("messages")}::text::json`;

/** The part `given`: the messages of a call, which are sent once. The planner expects a hundred of any number. */
export const given = sql`select e.message ->> 'id' as id, e.n::int as n, e.message
    from json_array_elements(${messagesParam}) with ordinality as e(message, n)`;
export const givenOne = sql`select e.message ->> 'id' as id, 1 as n, e.message
    from (select ${messagesParam} -> 0 as message offset 0) as e`;

/** Columns of `input`: the ids of the messages of a call, and the bytes of the largest. */
export const ofGiven = {
  ids: sql`(select array_agg(given.id) from given)`,
  bytes: sql`(select max(octet_length(given.message::text)) from given)`,
};
export const ofGivenOne = {
  ids: sql`array[(select given.id from given)]`,
  bytes: sql`(select octet_length(given.message::text) from given)`,
};
/** The same where there is no part `given`: in the query that explains a refusal. */
export const ofCall = {
  ids: sql`(select array_agg(given.id) from (${given}) as given)`,
  bytes: sql`(select max(octet_length(given.message::text)) from (${given}) as given)`,
};

export const maxMessageBytes = sql`${param("maxMessageBytes")}::int`;

/** Whether each message is within the limit. */
export const messagesFit = sql`coalesce(input.bytes <= input."maxMessageBytes", true)`;

/** The marker of a conversation that consists of the messages of a call. */
export const markerOfGiven = marker(
  sql`(select count(*) from given)`,
  sql`(select given.id from given order by given.n desc limit 1)`,
);

/** For a message that is replaced: it moves to the new place. */
export const MOVED = sql`, appended_at = excluded.appended_at, n = excluded.n`;

/**
 * Inserts messages. One whose id the session has replaces that message in its place.
 *
 * @param values the values of a row: session_id, id, appended_at, n, message
 * @param from what they are selected from
 * @param options `moves`: `MOVED`, or nothing. `isStored`: whether the session is stored before the statement begins
 */
export function insertMessages(
  table: SessionTable,
  values: [sessionId: SQL, ...others: SQL[]],
  from: SQL,
  { moves = sql``, isStored = true }: { moves?: SQL; isStored?: boolean } = {},
): SQL {
  const messages = messagesOf(table);
  const userId = param("userId");
  // A distributed engine sends an insert that has its owner from a table to one server, and else asks all.
  const [owner, rows] =
    isStored && isDistributed(table)
      ? [
          sql`own.user_id`,
          sql`${table} as own, ${from} where own.user_id = ${userId} and own.id = ${values[0]}`,
        ]
      : [sql`${userId}::text`, from];
  return sql`insert into ${messages} (user_id, session_id, id, appended_at, n, message)
    select ${sql.join([owner, ...values], sql`, `)} from ${rows}
    on conflict (session_id, id, user_id) do update set message = excluded.message${moves} where ${messages.userId} = ${param("userId")}
    returning ${messages.id}, ${messages.appendedAt}, ${messages.n}`;
}

/**
 * Updates the locked session's marker. `from` names the parts that `marker` reads.
 *
 * On a distributed table, the session may have been read and locked where it was before its shard moved: others have
 * changed it since unless it has the same revision.
 */
export const updated = (db: Database, table: SessionTable, marker: SQL, from: SQL): SQL => {
  const { id, updatedAt, messages } = table;
  return updating(db, table, { messages: marker, updatedAt: sql`locked.time` })
    .from(from)
    .where(
      sql`${table.userId} = ${param("userId")} and ${id} = locked.id${isDistributed(table) ? sql` and ${updatedAt} = locked.was` : sql``}`,
    )
    .returning({ id, updatedAt, messages })
    .getSQL();
};

/** What a write returns of `written`. */
export const writtenRow = {
  id: writtenId,
  updatedAt: exactTime(sql`written.updated_at`),
  messageCount: rowsOf(sql`written.messages`),
};

export type RowsWritten = WrittenRow & { messageCount: number };

/** A write to the messages of a session. */
export function rowsWrite<Row>(
  table: SessionTable,
  name: string,
  conditions: Conditions,
  build: Statement<Row>["build"],
  options: Pick<NonNullable<Parameters<typeof write<Row>>[4]>, "preparing" | "inColumn"> = {},
): Write<Row> {
  return {
    ...write(table, `${name}_rows`, conditions, build, { ...options, kind: rowsStatement }),
    isRepeated: true,
  };
}

import { and, eq, getTableName, is, notExists, type SQL, sql, type WithSubquery } from "drizzle-orm";
import { type PgColumn, PgTransaction } from "drizzle-orm/pg-core";
import * as z from "zod";
import { existingReplies } from "../durable-replies/leftovers.js";
import { repliesOf } from "../durable-replies/tables.js";
import { messagesOf } from "../message-rows/table.js";
import { userIdSchema } from "../messages.js";
import type { Database } from "../model/database.js";
import { fromDriver, isInFailedTransaction } from "../model/driver-errors.js";
import type { JourneyDbError } from "../model/errors.js";
import { areMarked } from "../queries/conversation.js";
import { param, perTable, statement } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import { isDistributed, type JourneyTable, type SessionTable } from "../schema.js";
import { type AdminStatement, asStored, optionsOf, rowOf, table, timeoutMs } from "./call.js";
import { transferDistributed } from "./transfer-distributed.js";

export interface TransferOptions {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: JourneyTable | undefined;
  /** The user who has the sessions, such as a guest. */
  from: string;
  /** The user who gets them, such as the one who signed up. */
  to: string;
  /** Time limit of the call in milliseconds: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export interface Transferred {
  /** Sessions that this call moved. */
  sessions: number;
}

const transferOptions = z
  .strictObject({ table, from: userIdSchema, to: userIdSchema, timeoutMs })
  .refine(({ from, to }) => from !== to, {
    path: ["to"],
    params: { expected: "another user than options.from" },
  });

/** A step of a transfer. */
interface Step extends Transferred {
  /** Sessions that the user still has. */
  left: number;
  /** Of the user's sessions, those that keep their messages in rows. */
  inRows: number;
  /** Whether there is a table of replies. */
  hasReplies: boolean;
}

const statementsOf = perTable((table) => {
  const { id, userId, updatedAt } = table;
  const { userId: ownerOfMessage, sessionId } = messagesOf(table);
  const [from, to] = [param("from"), sql`${param("to")}`];
  const moving = (db: Database) => updating(db, table, { userId: to });
  /** A value of the user's sessions as of the beginning of the statement. */
  const ofStored = (what: SQL, condition: SQL = sql`true`) =>
    sql`(select ${what} from ${table} as found where found.user_id = ${from} and ${condition})`;
  const count = (condition?: SQL) => sql<number>`${ofStored(sql`count(*)::int`, condition)}`;
  const areRows = areMarked(sql`found.messages`);
  const hasReplies = sql<boolean>`(${existingReplies(table)} is not null)`;
  const stepOf = (db: Database, ...parts: WithSubquery[]) =>
    db
      .with(...parts)
      .select({
        sessions: sql<number>`count(*)::int`,
        left: sql<number>`${count()} - count(*)::int`,
        inRows: count(areRows),
        hasReplies,
      })
      .from(sql`written`);
  const ofWritten = (id: PgColumn) => sql`${id} in (select id from written)`;

  /** The replies of the sessions; their chunks follow them by the foreign key. Not one that the other user has already. */
  const movedReplies = (db: Database) => {
    const { replies } = repliesOf(table);
    const taken = db
      .select({ id: sql`other.id` })
      .from(sql`${replies} as other`)
      .where(sql`other.session_id = ${replies.sessionId} and other.user_id = ${to}`);
    return db.$with("replies").as(
      db
        .update(replies)
        .set({ userId: to })
        .where(and(eq(replies.userId, from), ofWritten(replies.sessionId), notExists(taken)))
        .returning({ sessionId: replies.sessionId }),
    );
  };

  const inColumn = (withReplies: boolean): AdminStatement<Step> =>
    statement(table, "admin_transfer", (db) => {
      const free = and(
        eq(userId, from),
        sql`not ${areMarked(table.messages)}`,
        sql`not exists ${ofStored(sql``, areRows)}`,
        withReplies ? undefined : sql`not ${hasReplies}`,
      );
      const moved = db.$with("written").as(moving(db).where(free).returning({ id }));
      return stepOf(db, moved, ...(withReplies ? [movedReplies(db)] : []));
    });

  const withRows = (withReplies: boolean): AdminStatement<Step> =>
    statement(table, "admin_transfer_rows", (db) => {
      const unchanged = sql`${updatedAt} is not distinct from ${ofStored(sql`found.updated_at`, sql`found.id = ${id}`)}`;
      const moved = db.$with("written").as(
        moving(db)
          .where(and(eq(userId, from), unchanged))
          .returning({ id }),
      );
      const messages = db.$with("changed").as(
        db
          .update(messagesOf(table))
          .set({ userId: to })
          .where(and(eq(ownerOfMessage, from), ofWritten(sessionId)))
          .returning({ sessionId }),
      );
      return stepOf(db, moved, messages, ...(withReplies ? [movedReplies(db)] : []));
    });

  const lock: AdminStatement<{ id: string }> = statement(table, "admin_transfer_lock", (db) =>
    db.select({ id }).from(table).where(eq(userId, from)).orderBy(id).for("no key update"),
  );

  return {
    /** Moves nothing if some of the sessions keep their messages in rows, or there is a table of replies. */
    first: inColumn(false),
    /** Moves the sessions' replies, too. */
    withReplies: inColumn(true),
    /**
     * Moves the sessions and their messages, but for sessions that others have changed since the statement began: it does
     * not see the messages that they have appended.
     */
    withRows: withRows(false),
    withBoth: withRows(true),
    lock,
  };
});

/**
 * Moves all sessions of one user to another, for example those of a guest to the user who signed up. The caller
 * must make sure that both are the same person.
 *
 * Messages, metadata, phase, ids and creation times do not change; `revision` and `updatedAt` do. The other
 * user's own sessions stay unchanged. A repeated call moves nothing and returns 0. Requests that still run as
 * the guest no longer find the sessions: storing an answer then fails with not_found. A session that the
 * guest creates afterwards needs another transfer, so end the guest's sign-in first.
 *
 * This is one statement if all of the user's sessions have their messages in the column. Messages in rows and durable
 * replies move with their sessions, without an option: that takes a second statement and, for messages of sessions that are
 * being written to, a transaction that waits for the writers. The server that produces a reply is told that it is gone.
 *
 * On a distributed table it is a transaction that waits for the writers, copies the rows, and deletes the old ones: triggers
 * see inserts and deletes. It refuses if the other user has a session with one of the ids (`conflict`), or a foreign key of
 * another table references the sessions or what belongs to them (`configuration`). Nothing is moved then. Afterwards, an
 * `append` of the guest with `create` creates a session of the same id.
 *
 * @example const { sessions } = await transfer(db, { from: "guest_2abc", to: "user_2abc" })
 * @throws JourneyDbError invalid_input; corrupt if one of the rows does not meet the table's checks (its
 *   statement moves nothing); timeout, unavailable, conflict, configuration, migration, internal
 */
export async function transfer(db: Database, options: TransferOptions): Promise<Transferred> {
  const { table, ...values } = optionsOf(transferOptions, db, options);
  const { from, to, timeoutMs } = values;
  const statements = statementsOf(table);
  const send = <Row>(statement: AdminStatement<Row>, on = db) =>
    rowOf(statement, on, { from, to }, { timeoutMs });
  const stored = () => asStored(db, table, { timeoutMs });
  const copied = async (distributed: SessionTable) => ({
    sessions: await transferDistributed(db, distributed, values),
  });
  // A refused statement would end the caller's transaction.
  if (is(db, PgTransaction)) {
    const found = await stored();
    if (isDistributed(found)) return copied(found);
  }
  let step: Step;
  try {
    step = await send(statements.first);
  } catch (thrown) {
    // A server that has distributed the table refuses to change an owner.
    if ((thrown as JourneyDbError).sqlState !== "0A000") throw thrown;
    const found = await stored().catch(() => table);
    if (!isDistributed(found)) throw thrown;
    return copied(found);
  }
  let { sessions } = step;
  const inColumn = step.hasReplies ? statements.withReplies : statements.first;
  const withRows = step.hasReplies ? statements.withBoth : statements.withRows;
  for (let n = 0; n < (step.hasReplies ? 2 : 1) && step.left > 0 && step.inRows === 0; n++) {
    // Others have moved a session into rows since the statement began, or deleted it.
    step = await send(inColumn);
    sessions += step.sessions;
  }
  if (step.inRows === 0) return { sessions };
  let refusal: JourneyDbError | undefined;
  try {
    step = await send(withRows);
    sessions += step.sessions;
    if (step.left === 0) return { sessions };
  } catch (thrown) {
    // Above READ COMMITTED the server refuses to write what others have changed.
    if (!(thrown as JourneyDbError).sqlState?.startsWith("40")) throw thrown;
    refusal = thrown as JourneyDbError;
  }
  // Of writers that follow one another, a statement alone might always meet one.
  try {
    return await db.transaction(
      async (tx) => {
        await send(statements.lock, tx);
        return { sessions: sessions + (await send(withRows, tx)).sessions };
      },
      { isolationLevel: "read committed" },
    );
  } catch (thrown) {
    if (refusal && isInFailedTransaction(thrown)) throw refusal;
    throw fromDriver(thrown, true, { table: getTableName(table) });
  }
}

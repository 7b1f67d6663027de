import { and, eq, getTableName, inArray, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { existingReplies } from "../durable-replies/leftovers.js";
import { repliesOf } from "../durable-replies/tables.js";
import { existingMessages } from "../message-rows/existing.js";
import { messagesOf } from "../message-rows/table.js";
import type { Database } from "../model/database.js";
import { fromDriver, lacksTransactions } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { existingTable } from "../queries/existing.js";
import { param, perTable, statement, withParts } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import { qualifiedName, type SessionTable } from "../schema.js";
import { type AdminStatement, rowsOf } from "./call.js";

/** What the catalogue has of the tables. */
interface Stored {
  /** Of each table that exists, by its name, the columns that can be written; JSON. */
  columns: string;
  /** The foreign keys of other tables that reference one of them; JSON. */
  references: string;
}

/** A table whose rows are copied. */
interface Copied {
  table: PgTable;
  /** It in the database; null if it is missing. */
  existing: SQL;
  /** The column with the session's id. */
  session: string;
}

const statementsOf = perTable((table) => {
  const { id, userId } = table;
  const { replies, chunks } = repliesOf(table);
  const from = param("from");
  const moved = sql`(select one::uuid from json_array_elements_text(${param("ids")}::text::json) as moved(one))`;

  /** Those that are referenced come first. */
  const tables: Copied[] = [
    { table, existing: sql`to_regclass(${qualifiedName(table)}::text)`, session: "id" },
    { table: messagesOf(table), existing: existingMessages(table), session: "session_id" },
    { table: replies, existing: existingReplies(table), session: "session_id" },
    { table: chunks, existing: existingTable(chunks), session: "session_id" },
  ];

  const readStored: AdminStatement<Stored> = statement(table, "admin_transfer_stored", (db) => {
    const rows = tables.map(({ table, existing }) => sql`(${getTableName(table)}::text, (${existing})::oid)`);
    return withParts<Stored>(
      db,
      {
        found: sql`select * from (values ${sql.join(rows, sql`, `)}) as found(name, oid)`,
        stored: sql`select name, json_agg(attname order by attnum) as names from found join pg_attribute on attrelid = oid
          where attnum > 0 and not attisdropped and attgenerated = '' group by name`,
      },
      {
        columns: sql`(select json_object_agg(name, names)::text from stored)`,
        references: sql`(select coalesce(json_agg(format('%I of %s', conname, conrelid::regclass) order by conname), '[]')::text from pg_constraint
          where contype = 'f' and conparentid = 0 and confrelid in (select oid from found) and conrelid not in (select oid from found where oid is not null))`,
      },
      sql`(select) as nothing`,
    );
  });

  // By a write, since a query that waits for a shard that moves goes on where that was before. It gives them their revision.
  const lock: AdminStatement<{ id: string }> = statement(table, "admin_transfer_lock", (db) =>
    updating(db, table, {}).where(eq(userId, from)).returning({ id }),
  );

  /** A write to a reply does not lock its session. */
  const lockReplies: AdminStatement<{ id: string }> = statement(table, "admin_transfer_lock_replies", (db) =>
    db
      .update(replies)
      .set({ state: sql`state` })
      .where(and(eq(replies.userId, from), inArray(replies.sessionId, moved)))
      .returning({ id: replies.sessionId }),
  );

  /** Copies rows of the sessions. A session of which the other user has the id is not copied. */
  const copy = (
    { table: copied, session }: Copied,
    columns: readonly string[],
  ): AdminStatement<{ rows: number }> => {
    const names = columns.map((name) => sql.identifier(name));
    const list = (each: SQL[]) => sql.join(each, sql`, `);
    return statement(table, "admin_transfer_copy", (db) =>
      withParts<{ rows: number }>(
        db,
        {
          // Overriding, so that a row keeps the number that an identity column has given it.
          copied: sql`insert into ${copied} (${list(names.map((name) => sql`${name}`))}) overriding system value
            select ${list(columns.map((name, n) => (name === "user_id" ? sql`${param("to")}::text` : sql`${names[n]}`)))} from ${copied}
            where user_id = ${from} and ${sql.identifier(session)} in ${moved}
            ${copied === table ? sql`on conflict (user_id, id) do nothing` : sql``} returning user_id`,
        },
        { rows: sql<number>`count(*)::int` },
        sql`copied`,
      ),
    );
  };

  const remove: AdminStatement<{ id: string }> = statement(table, "admin_transfer_delete", (db) =>
    db
      .delete(table)
      .where(and(eq(userId, from), inArray(id, moved)))
      .returning({ id }),
  );
  return { tables, readStored, lock, lockReplies, copy, remove };
});

/**
 * `transfer` on a distributed table, where a row cannot get another owner: copies the sessions and what belongs to them,
 * and deletes the old ones, in a transaction that waits for their writers.
 */
export async function transferDistributed(
  db: Database,
  table: SessionTable,
  { from, to, timeoutMs }: { from: string; to: string; timeoutMs: number },
): Promise<number> {
  const { tables, readStored, lock, lockReplies, copy, remove } = statementsOf(table);
  const move = async (tx: Database): Promise<number> => {
    const send = <Row>(statement: AdminStatement<Row>, ids: string[] = []) =>
      rowsOf(statement, tx, { from, to, ids: JSON.stringify(ids) }, { timeoutMs });
    const [stored] = (await send(readStored)) as [Stored];
    const references: string[] = JSON.parse(stored.references);
    if (references.length > 0)
      throw new JourneyDbError(
        "configuration",
        `On a distributed table, transfer deletes the old sessions, and foreign keys of other tables reference them or what belongs to them: ${references.join(", ")}. Nothing was moved.`,
      );
    const columns: Record<string, string[]> = JSON.parse(stored.columns);
    const ids = (await send(lock)).map(({ id }) => id);
    if (ids.length === 0) return 0;
    for (const one of tables) {
      const names = columns[getTableName(one.table)];
      if (names === undefined) continue;
      if (one.table === repliesOf(table).replies) await send(lockReplies, ids);
      const [copied] = await send(copy(one, names), ids);
      if (one.table === table && copied?.rows !== ids.length)
        throw new JourneyDbError(
          "conflict",
          "The other user already has a session with the id of one of these; nothing was moved.",
        );
    }
    await send(remove, ids);
    return ids.length;
  };
  try {
    return await db.transaction(move, { isolationLevel: "read committed" });
  } catch (thrown) {
    if (lacksTransactions(thrown))
      throw new JourneyDbError(
        "configuration",
        "This driver does not support transactions, which transfer needs on a distributed table; use a direct connection.",
      );
    throw fromDriver(thrown, true, { table: getTableName(table) });
  }
}

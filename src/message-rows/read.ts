import { and, type SQL, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import { sessionColumns } from "../queries/columns.js";
import { areInRows, areMarked } from "../queries/conversation.js";
import { exportBatchOf } from "../queries/export.js";
import { filtered } from "../queries/filter.js";
import type { MessageRow, ReadRow } from "../queries/layout.js";
import { type MessagesRow, messagesColumns, messagesPage } from "../queries/messages.js";
import { newestInColumn, newestOf, searchOf } from "../queries/search.js";
import {
  allOwnedBy,
  type Builder,
  isEmpty,
  listOf,
  ownedBy,
  type Preparing,
  param,
  perShape,
  perTable,
  statement,
  withParts,
} from "../queries/statement.js";
import type { Filter, SessionTable } from "../schema.js";
import { hasRow, placeOf } from "./conversation.js";
import { messagesOf } from "./table.js";

/**
 * A session, and its messages in rows of their own, which the driver parses as they arrive.
 *
 * @param parts the parts of the statement; `found` has the session, also its id
 * @param first the columns of the session's row, read from `found`
 * @param messages the messages, ordered
 */
export function sessionThenMessages<Row extends object>(
  db: Database,
  parts: Record<string, SQL>,
  first: readonly string[],
  messages: SQL,
): Builder<Row> {
  const columns = first.map((name) => sql.identifier(name));
  const nulls = sql.join(
    first.map(() => sql`null`),
    sql`, `,
  );
  // The planner reads both parts one after the other, and nothing of this can run in parallel: `found` is read by both.
  const rows = sql`(select ${sql.join(columns, sql`, `)}, null::json as message from found union all (select ${nulls}, ${messages})) as rows`;
  const selected = Object.fromEntries(
    [...columns, sql.identifier("message")].map((column) => [column.value, sql`rows.${column}`]),
  );
  return withParts<Row>(db, parts, selected as never, rows);
}

/** The messages of the session in `found`. */
const messagesOfFound = (table: SessionTable, more: SQL, order: SQL, message?: SQL): SQL => {
  const messages = messagesOf(table);
  return sql`${message ?? messages.message} from ${messages} where ${messages.userId} = ${param("userId")} and ${messages.sessionId} = (select id from found)${more} order by ${order}`;
};

export const oldestFirst = (table: SessionTable): SQL => {
  const { appendedAt, n } = messagesOf(table);
  return sql`${appendedAt}, ${n}`;
};
const newestFirst = (table: SessionTable): SQL => {
  const { appendedAt, n } = messagesOf(table);
  return sql`${appendedAt} desc, ${n} desc`;
};

/**
 * No limit. The planner, which cannot know that, expects that a part is read, and so reads the messages in the order of
 * the index: sorting 20,000 of 2 kB takes a file of 40 MB.
 */
export const NO_LIMIT = sql`limit (select null::bigint from found)`;

/** @param rest the conditions on the session, and its order */
const readOf = (table: SessionTable, name: string, rest: SQL, preparing?: Preparing) =>
  statement<ReadRow>(
    table,
    name,
    (db) => {
      const { summary, messages } = sessionColumns(table);
      const found = sql`select ${summary} as summary, ${messages} as messages, ${table.id} from ${table} where ${rest}`;
      return sessionThenMessages<ReadRow>(
        db,
        { found },
        ["summary", "messages"],
        messagesOfFound(table, sql``, sql`${oldestFirst(table)} ${NO_LIMIT}`),
      );
    },
    preparing,
  );

export const get = perTable((table) => readOf(table, "get_rows", ownedBy(table)));

const latestOf = (table: SessionTable, name: string, where: readonly Filter[], preparing?: Preparing) =>
  readOf(
    table,
    name,
    sql`${and(allOwnedBy(table), ...filtered(table, where))} order by ${table.createdAt} desc, ${table.id} desc limit 1`,
    preparing,
  );

export const latest = perTable((table) => latestOf(table, "latest_rows", []));

/** Its shape is the filters. */
export const getBy = perShape(isEmpty, (table, where: Filter[], preparing) =>
  latestOf(table, "get_by_rows", where, preparing),
);

const before = sql`${param("before")}::text`;
const limit = sql`${param("limit")}::int`;

/**
 * The newest `limit` messages, or those just before one of them, newest first, and one more if there is one. A session
 * in the column has its page in its own row.
 */
export const messages = perTable((table) =>
  statement<MessagesRow | MessageRow>(table, "messages_rows", (db) => {
    const { appendedAt, n } = messagesOf(table);
    const columns = messagesColumns(table);
    const named = {
      ...columns,
      // Of a session in rows its marker, if there is a message `before`.
      messages: sql`case when page.stored = 'rows' then case when ${hasRow(table, before)} then ${table.messages}::text end else ${columns.messages} end`,
    };
    // Without `before`, a place after all others.
    const [time, number] = placeOf(table, before);
    const bound = sql`(coalesce(${time}, 'infinity'), coalesce(${number}, 2147483647))`;
    return sessionThenMessages<MessagesRow | MessageRow>(
      db,
      {
        found: sql`select ${listOf(named)}, ${table.id} from ${table} cross join lateral ${messagesPage(table)} where ${ownedBy(table)}`,
      },
      Object.keys(named),
      messagesOfFound(
        table,
        sql` and (${appendedAt}, ${n}) < ${bound}`,
        sql`${newestFirst(table)} limit ${limit} + 1`,
        // The one more may be large, and is only to be there.
        sql`case when row_number() over (order by ${newestFirst(table)}) <= ${limit} then ${messagesOf(table).message} end`,
      ),
    );
  }),
);

export const search = perTable((table) => {
  const messages = messagesOf(table);
  const rows = sql`(select ${messages.message}::jsonb as message, ${messages.appendedAt}, ${messages.n} from ${messages}
            where ${messages.userId} = ${param("userId")} and ${messages.sessionId} = ${table.id} and ${areMarked(sql`${table.messages}`)} order by ${newestFirst(table)} offset 0) as e`;
  const inRows = newestOf(rows, sql`e.appended_at desc, e.n desc`);
  return searchOf(table, "search_rows", sql`(${inRows} union all ${newestInColumn(table)})`);
});

/** The messages of a session as the text of an array, wherever they are. */
const messagesText = (table: SessionTable): SQL<string> => {
  const messages = messagesOf(table);
  return sql<string>`case when ${areInRows(table.messages)} then '[' || coalesce((
      select string_agg(${messages.message}::text, ', ' order by ${oldestFirst(table)}) from ${messages}
      where ${messages.userId} = ${param("userId")} and ${messages.sessionId} = ${table.id}
    ), '') || ']' else ${table.messages}::text end`;
};

export const exportBatch = perTable((table) => exportBatchOf(table, "export_rows", messagesText(table)));

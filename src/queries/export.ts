import { type SQL, sql } from "drizzle-orm";
import { ownColumns, type SessionTable } from "../schema.js";
import { type SessionRow, sessionColumns, summary, timeOf } from "./columns.js";
import { allOwnedBy, param, perTable, statement } from "./statement.js";

export interface ExportRow extends SessionRow {
  /** As PostgreSQL writes it, with exact numbers. */
  metadata: string;
  /** The own columns as a JSON object, as PostgreSQL writes it; absent if the table has none. */
  own?: string;
  /** Bytes of the batch up to this row. Less than `maxBytes` in the last row means that no session is left. */
  bytes: number;
}

const NOTHING_BEFORE = sql.raw("'00000000-0000-0000-0000-000000000000'");

/**
 * The owner's sessions after a position, oldest first, until they reach `maxBytes`. It reads one row at a time, so that
 * it reads no conversation that it does not return: the size of the text is known only after the value was read.
 *
 * @param messages the session's messages, as the text of a JSON array
 */
export const exportBatchOf = (table: SessionTable, name: string, messages: SQL<string>) => {
  const { createdAt, id } = table;
  const columns = ownColumns(table).map(([key, column]) => {
    // A value of type json keeps white space around it, which no import could keep.
    const value = column.getSQLType() === "json" ? sql`btrim(${column}::text, E' \\t\\n\\r')::json` : column;
    return sql`${value} as ${sql.identifier(key)}`;
  });
  const own = sql`(select row_to_json(columns)::text from (select ${sql.join(columns, sql`, `)}) as columns)`;
  const texts: Record<string, SQL> = {
    summary: summary(table),
    metadata: sql`${table.metadata}::text`,
    messages,
    ...(columns.length > 0 && { own }),
  };
  /** A list of the texts. */
  const each = (write: (name: SQL, text: SQL) => SQL, separator = sql`, `) =>
    sql.join(
      Object.entries(texts).map(([name, text]) => write(sql.raw(name), text)),
      separator,
    );
  return statement<ExportRow>(table, name, (db) =>
    db
      .select({
        ...(Object.fromEntries(
          Object.keys(texts).map((name) => [name, sql<string>`batch.${sql.raw(name)}`]),
        ) as Record<"summary" | "metadata" | "messages", SQL<string>>),
        bytes: sql<number>`batch.bytes`,
      })
      .from(sql`(
      with recursive batch as (
        select ${timeOf(sql`${param("time")}`)} as created_at, coalesce(${param("id")}::uuid, ${NOTHING_BEFORE}) as id,
          ${param("id")}::uuid as seen, ${each((name) => sql`null as ${name}`)}, 0 as bytes
        union all
        select next.created_at, next.id, next.id, ${each((name) => sql`next.${name}`)},
          batch.bytes + ${each((name) => sql`octet_length(next.${name})`, sql` + `)}
        from batch cross join lateral (
          select ${createdAt} as created_at, ${id} as id, ${each((name, text) => sql`${text} as ${name}`)}
          from ${table}
          where ${allOwnedBy(table)} and (${createdAt}, ${id}) >= (batch.created_at, batch.id) and ${id} is distinct from batch.seen
          order by ${createdAt}, ${id}
          limit 1
        ) as next
        where batch.bytes < ${param("maxBytes")}::int
      )
      select ${each((name) => name)}, bytes from batch where summary is not null
    ) as batch`),
  );
};

export const exportBatch = perTable((table) =>
  exportBatchOf(table, "export", sessionColumns(table).messages),
);

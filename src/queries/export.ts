import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SessionRow, sessionColumns, timeOf } from "./columns.js";
import { allOwnedBy, param, statement } from "./statement.js";

export interface ExportRow extends SessionRow {
  /** As PostgreSQL writes it, with exact numbers. */
  metadata: string;
  /** Bytes of the batch up to this row. Less than `maxBytes` in the last row means that no session is left. */
  bytes: number;
}

const { createdAt, id, metadata } = journeySessions;
const NOTHING_BEFORE = sql.raw("'00000000-0000-0000-0000-000000000000'");

/**
 * The owner's sessions after a position, oldest first, until they reach `maxBytes`. It reads one row at a time, so that
 * it reads no conversation that it does not return: the size of the text is known only after the value was read.
 */
export const exportBatch = statement<ExportRow>("export", (db) =>
  db
    .select({
      summary: sql<string>`batch.summary`,
      metadata: sql<string>`batch.metadata`,
      messages: sql<string>`batch.messages`,
      bytes: sql<number>`batch.bytes`,
    })
    .from(sql`(
      with recursive batch as (
        select ${timeOf(sql`${param("time")}`)} as created_at, coalesce(${param("id")}::uuid, ${NOTHING_BEFORE}) as id,
          ${param("id")}::uuid as seen, null as summary, null as metadata, null as messages, 0 as bytes
        union all
        select next.created_at, next.id, next.id, next.summary, next.metadata, next.messages,
          batch.bytes + octet_length(next.summary) + octet_length(next.metadata) + octet_length(next.messages)
        from batch cross join lateral (
          select ${createdAt} as created_at, ${id} as id, ${sessionColumns.summary} as summary,
            ${metadata}::text as metadata, ${sessionColumns.messages} as messages
          from ${journeySessions}
          where ${allOwnedBy()} and (${createdAt}, ${id}) >= (batch.created_at, batch.id) and ${id} is distinct from batch.seen
          order by ${createdAt}, ${id}
          limit 1
        ) as next
        where batch.bytes < ${param("maxBytes")}::int
      )
      select summary, metadata, messages, bytes from batch where summary is not null
    ) as batch`),
);

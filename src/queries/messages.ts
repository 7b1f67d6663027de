import { type SQL, sql } from "drizzle-orm";
import type { SessionTable } from "../schema.js";
import { type SummaryRow, summary } from "./columns.js";
import { areInRows, isArray, m, placeOf, slice } from "./conversation.js";
import { input, ownedBy, param, perTable, statement } from "./statement.js";

export interface MessagesRow extends SummaryRow {
  /** How they are stored; null if an older program stored something else. */
  stored: "array" | "rows" | null;
  /** Null if there is no message `before`. */
  messages: string | null;
  hasMore: boolean | null;
}

const values = {
  before: sql`${param("before")}::text`,
  limit: sql`${param("limit")}::int`,
};
const last = sql`place.last`;
const size = sql`place."limit"`;

/** The page of a row of the table. */
export const messagesPage = (table: SessionTable): SQL => sql`(
      select case when place.is_array then 'array' when ${areInRows(m)} then 'rows' end as stored, ${last} > ${size} as has_more,
        case when ${last} is not null then ${slice(sql`greatest(${last} - ${size}, 0) + 1`, last)} end as messages
      from (
        select ${m}, ${isArray} as is_array, input."limit", case
          when not ${isArray} then null
          when input."before" is null then jsonb_array_length(${m})
          else ${placeOf(sql`input."before"`)} - 1
        end as last
        from (select ${table.messages} #> '{}' as m offset 0) as stored, ${input(values)}
        offset 0
      ) as place
    ) as page`;

/** The columns of the session and its page. */
export const messagesColumns = (table: SessionTable) => ({
  summary: summary(table),
  stored: sql<MessagesRow["stored"]>`page.stored`,
  messages: sql<string | null>`page.messages::text`,
  hasMore: sql<boolean | null>`page.has_more`,
});

/** The newest `limit` messages, or those just before one of them. */
export const messages = perTable((table) =>
  statement<MessagesRow>(table, "messages", (db) =>
    db.select(messagesColumns(table)).from(table).crossJoinLateral(messagesPage(table)).where(ownedBy(table)),
  ),
);

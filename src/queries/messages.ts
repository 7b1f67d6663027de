import { sql } from "drizzle-orm";
import { type SummaryRow, summary } from "./columns.js";
import { isArray, m, placeOf, slice } from "./conversation.js";
import { input, ownedBy, param, perTable, statement } from "./statement.js";

export interface MessagesRow extends SummaryRow {
  /** False if an older program stored something else. */
  isArray: boolean;
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

/** The newest `limit` messages, or those just before one of them. */
export const messages = perTable((table) =>
  statement<MessagesRow>(table, "messages", (db) =>
    db
      .select({
        summary: summary(table),
        isArray: sql<boolean>`page.is_array`,
        messages: sql<string | null>`page.messages::text`,
        hasMore: sql<boolean | null>`page.has_more`,
      })
      .from(table)
      .crossJoinLateral(sql`(
      select is_array, ${last} > ${size} as has_more,
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
    ) as page`)
      .where(ownedBy(table)),
  ),
);

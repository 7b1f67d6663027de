import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision } from "./columns.js";
import { isArray, m, placeOf, slice } from "./conversation.js";
import { given, ownedBy, statement } from "./statement.js";

export interface MessagesRow {
  revision: string;
  /** False for an older program's row whose `messages` is no array. */
  isArray: boolean;
  /** Null where the message `before` is not there. */
  messages: string | null;
  hasMore: boolean | null;
}

const before = sql`input."before"`;
const size = sql`input."limit"`;
/** The place of the page's last message. */
const last = sql`page.last`;

/** The newest `limit` messages, or those just before one of them. */
export const messages = statement<MessagesRow>("messages", (db) =>
  db
    .select({
      revision,
      isArray: sql<boolean>`page.is_array`,
      messages: sql<string | null>`page.messages::text`,
      hasMore: sql<boolean | null>`page.has_more`,
    })
    .from(journeySessions)
    .crossJoinLateral(sql`(
      select is_array, ${last} > ${size} as has_more,
        case when ${last} is not null then ${slice(sql`greatest(${last} - ${size}, 0) + 1`, last)} end as messages
      from (
        select ${m}, ${isArray} as is_array, ${size}, case
          when not ${isArray} then null
          when ${before} is null then jsonb_array_length(${m})
          else ${placeOf(before)} - 1
        end as last
        from (select ${journeySessions.messages} #> '{}' as m offset 0) as stored,
          (select ${given("before")}::text as "before", ${given("limit")}::int as "limit") as input
        offset 0
      ) as page
    ) as page`)
    .where(ownedBy()),
);

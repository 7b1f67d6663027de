import { desc, type SQL, sql } from "drizzle-orm";
import type { SessionTable } from "../schema.js";
import { type SummaryRow, summary } from "./columns.js";
import { areMarked, isArray, m } from "./conversation.js";
import { allOwnedBy, input, param, perTable, statement } from "./statement.js";

export interface FoundRow extends SummaryRow {
  /** Null if the session keeps its messages in rows, which the statement of the column cannot read. */
  messageId: string | null;
  before: string;
  match: string;
  after: string;
}

/** Characters of an excerpt before and after the match. */
const AROUND = sql.raw("80");

/** For jsonb_path_query_array, since jsonb_path_query takes quadratic time. */
const TEXTS = sql.raw(`'$.parts[*] ? (@.type == "text").text ? (@.type() == "string")'`);

// The text after (?iq) is matched literally and case-insensitively
// (https://www.postgresql.org/docs/current/functions-matching.html#POSIX-METASYNTAX). This returns the
// match as written; positions of strpos(lower(…)) refer to a text whose length may differ.
const values = { pattern: sql`'(?iq)' || ${param("text")}::text` };

/**
 * The newest message with the text.
 *
 * @param elements the messages as rows of `e`, as jsonb in `e.message`
 * @param newestFirst their order
 */
export const newestOf = (elements: SQL, newestFirst: SQL): SQL => sql`(
          select e.message ->> 'id' as message_id, p.text, input.pattern
          from ${input(values)}, ${elements},
            jsonb_array_elements_text(jsonb_path_query_array(e.message, ${TEXTS})) with ordinality as p(text, k)
          where jsonb_typeof(e.message -> 'id') = 'string' and p.text ~ input.pattern
          order by ${newestFirst}, p.k
          limit 1
        )`;

export const newestInColumn = (table: SessionTable): SQL =>
  newestOf(
    sql`(select ${table.messages} #> '{}' as m offset 0) as stored,
            jsonb_array_elements(case when ${isArray} then ${m} else '[]' end) with ordinality as e(message, n)`,
    sql`e.n desc`,
  );

/**
 * The sessions with the text in a text part, newest first, each with the newest message that contains it.
 *
 * @param newest the newest message with the text, of a session
 */
export const searchOf = (table: SessionTable, name: string, newest: SQL) =>
  statement<FoundRow>(table, name, (db) =>
    db
      .select({
        summary: summary(table),
        messageId: sql<string | null>`hit.message_id`,
        before: sql<string>`case when hit.place > ${AROUND} + 1 then '…' else '' end || substring(hit.text from greatest(hit.place - ${AROUND}, 1) for least(hit.place - 1, ${AROUND}))`,
        match: sql<string>`hit.match`,
        after: sql<string>`substring(hit.text from hit.place + hit.length for ${AROUND}) || case when hit.place + hit.length + ${AROUND} <= char_length(hit.text) then '…' else '' end`,
      })
      .from(table)
      .crossJoinLateral(sql`(
      select found.*, strpos(found.text, found.match) as place, char_length(found.match) as length
      from (
        select newest.*, (regexp_match(newest.text, newest.pattern))[1] as match
        from ${newest} as newest
        offset 0
      ) as found
    ) as hit`)
      .where(allOwnedBy(table))
      .orderBy(desc(table.createdAt), desc(table.id))
      .limit(param("limit")),
  );

/** It returns a session that keeps its messages in rows, too, with no message. */
export const search = perTable((table) =>
  searchOf(
    table,
    "search",
    sql`(${newestInColumn(table)} union all select null, '', '' where ${areMarked(table.messages)})`,
  ),
);

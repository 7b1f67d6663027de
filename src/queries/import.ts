import { and, sql } from "drizzle-orm";
import { timeOf } from "./columns.js";
import { onlyColumns, ownOf } from "./own-columns.js";
import {
  allOwnedBy,
  insertion,
  isEmpty,
  jsonParam,
  param,
  perShape,
  perTable,
  statement,
} from "./statement.js";

const session = sql.raw("session");
const field = (name: string) => sql`(${session} ->> ${sql.raw(`'${name}'`)})`;
const json = (name: string) => sql`${session} -> ${sql.raw(`'${name}'`)}`;
const each = sql`jsonb_array_elements(${jsonParam("sessions")}) as ${session}`;
const literal = (text: string) => sql`${text}::text`;
const sessionId = sql`${field("id")}::uuid`;

/**
 * Inserts sessions with their original times; skips those whose id is taken, by anyone. The JSON is
 * passed on unparsed, so that no number is rounded to a JavaScript number.
 *
 * Its shape is the own columns that each session has, with the names of their fields.
 */
export const importSessions = perShape(
  (own: Record<string, string>) => isEmpty(Object.keys(own)),
  (table, own: Record<string, string>, preparing) => {
    const { id } = table;
    const columns = ownOf(table, Object.keys(own));
    const values = {
      id: sessionId,
      userId: sql`${param("userId")}::text`,
      phase: field("phase"),
      messages: json("messages"),
      metadata: json("metadata"),
      createdAt: timeOf(field("createdAt")),
      updatedAt: timeOf(field("updatedAt")),
      ...Object.fromEntries(columns.map(([key, { name }]) => [key, sql`own.${sql.identifier(name)}`])),
    };
    const fields = columns.map(
      ([key, { name }]) =>
        sql`jsonb_build_object(${literal(name)}, ${session} -> ${literal(own[key] as string)})`,
    );
    // The server reads each value by the column's type in the database.
    const rows =
      columns.length === 0
        ? each
        : sql`${each} cross join lateral jsonb_populate_record(null::${table}, ${sql.join(fields, sql` || `)}) as own`;
    return insertion<{ id: string }>(
      table,
      "import",
      (db) =>
        db
          .insert(onlyColumns(table, Object.keys(values)))
          .select(sql`select ${sql.join(Object.values(values), sql`, `)} from ${rows}`)
          .onConflictDoNothing({ target: id })
          .returning({ id }),
      preparing,
    );
  },
);

/** The ids of those sessions that the owner has. */
export const importedSessions = perTable((table) =>
  statement<{ id: string }>(table, "imported", (db) =>
    db
      .select({ id: table.id })
      .from(table)
      .where(and(allOwnedBy(table), sql`${table.id} in (select ${sessionId} from ${each})`)),
  ),
);

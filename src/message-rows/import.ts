import { sql } from "drizzle-orm";
import { eachLine, importedColumns } from "../queries/import.js";
import { onlyColumns } from "../queries/own-columns.js";
import { isEmpty, perShape, withParts } from "../queries/statement.js";
import { keyOf } from "../schema.js";
import { marker } from "./conversation.js";
import { insertMessages, rowsStatement } from "./write.js";

/**
 * As `importSessions` of queries/import.ts, with the messages in rows: each keeps its own text. They have the places that
 * they have in the line, at the session's last update.
 */
export const importSessions = perShape(
  (own: Record<string, string>) => isEmpty(Object.keys(own)),
  (table, own: Record<string, string>, preparing) => {
    const messages = sql`line -> 'messages'`;
    const columns = {
      ...importedColumns(table, Object.keys(own)),
      messages: marker(sql`json_array_length(${messages})`, sql`line #> '{messages,-1,id}'`),
    };
    return rowsStatement<{ id: string }>(
      table,
      "import_rows",
      (db) => {
        const written = db
          .insert(onlyColumns(table, Object.keys(columns)))
          .select(sql`select ${sql.join(Object.values(columns), sql`, `)} from ${eachLine(table, own)}`)
          .onConflictDoNothing({ target: keyOf(table) })
          .returning({ id: table.id, updatedAt: table.updatedAt })
          .getSQL();
        return withParts<{ id: string }>(
          db,
          {
            written,
            stored: insertMessages(
              table,
              [sql`written.id`, sql`e.message ->> 'id'`, sql`written.updated_at`, sql`e.n`, sql`e.message`],
              sql`${eachLine(table, {})} join written on written.id = (session ->> 'id')::uuid,
                json_array_elements(${messages}) with ordinality as e(message, n)`,
              { isStored: false },
            ),
          },
          { id: sql<string>`written.id` },
          sql`written`,
        );
      },
      preparing,
    );
  },
);

import { type SQL, sql } from "drizzle-orm";
import { newMetadata, newMetadataFits } from "../queries/append.js";
import { allColumns, createdSession, newSession, type SessionRow } from "../queries/columns.js";
import { onlyColumns } from "../queries/own-columns.js";
import { input, isEmpty, param, perShape, statement, withParts } from "../queries/statement.js";
import type { RefusalRow, Write } from "../queries/write.js";
import { keyOf } from "../schema.js";
import {
  given,
  insertMessages,
  markerOfGiven,
  maxMessageBytes,
  messagesFit,
  ofCall,
  ofGiven,
  rowsStatement,
} from "./write.js";

const valuesOf = (bytes: SQL) => input({ bytes, maxMessageBytes, ...newMetadata });

/** Inserts a session and its messages. Returns no row if the id is taken, by anyone, or a value is too large. */
export const create = perShape(isEmpty, (table, own: readonly string[], preparing): Write<SessionRow> => {
  const columns = newSession(table, sql`coalesce(${param("id")}::uuid, gen_random_uuid())`, own);
  return {
    statement: rowsStatement(
      table,
      "create_rows",
      (db) => {
        const made = db
          .insert(onlyColumns(table, Object.keys(columns)))
          .select(
            sql`select ${sql.join(Object.values(columns), sql`, `)} from (
              select ${markerOfGiven} as messages, input.metadata
              from ${valuesOf(ofGiven.bytes)} where ${messagesFit} and ${newMetadataFits}) as new`,
          )
          .onConflictDoNothing({ target: keyOf(table) })
          .returning(allColumns(table))
          .getSQL();
        const { summary } = createdSession(table);
        return withParts<SessionRow>(
          db,
          {
            given,
            written: made,
            stored: insertMessages(
              table,
              [sql`written.id`, sql`given.id`, sql`written.updated_at`, sql`given.n`, sql`given.message`],
              sql`written, given`,
              { isStored: false },
            ),
          },
          { summary, messages: sql<string>`${param("messages")}::text` },
          sql`written`,
        );
      },
      preparing,
    ),
    refusal: statement(
      table,
      "create_rows_refusal",
      (db) =>
        db
          .select({
            reason: sql<
              RefusalRow["reason"]
            >`case when not ${messagesFit} then 'message size' when not ${newMetadataFits} then 'size' else 'id' end`,
          })
          .from(valuesOf(ofCall.bytes)),
      preparing,
    ),
  };
});

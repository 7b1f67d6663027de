import { sql } from "drizzle-orm";
import { keyOf } from "../schema.js";
import { allColumns, createdSession, newSession, type SessionRow } from "./columns.js";
import { fits, paramLimits } from "./conversation.js";
import { onlyColumns } from "./own-columns.js";
import { input, insertion, isEmpty, jsonParam, param, perShape, statement } from "./statement.js";
import { type RefusalRow, returned, type Write } from "./write.js";

const values = input({ messages: jsonParam("messages"), metadata: jsonParam("metadata") });
const bothFit = sql`(${fits(sql`messages`, paramLimits)} and ${fits(sql`metadata`, paramLimits)})`;

/**
 * Inserts a session. Returns no row if the id is taken, by anyone, or a value is too large. The refusal reads no stored row.
 * Its shape is the keys of the own columns that it sets.
 */
export const create = perShape(isEmpty, (table, own: readonly string[], preparing): Write<SessionRow> => {
  const set = newSession(table, sql`coalesce(${param("id")}::uuid, gen_random_uuid())`, own);
  return {
    statement: insertion(
      table,
      "create",
      (db) =>
        returned(
          db,
          db
            .insert(onlyColumns(table, Object.keys(set)))
            .select(sql`select ${sql.join(Object.values(set), sql`, `)} from ${values} where ${bothFit}`)
            .onConflictDoNothing({ target: keyOf(table) })
            .returning(allColumns(table)),
          createdSession(table),
        ),
      preparing,
    ),
    refusal: statement(
      table,
      "create_refusal",
      (db) =>
        db
          .select({ reason: sql<RefusalRow["reason"]>`case when ${bothFit} then 'id' else 'size' end` })
          .from(values),
      preparing,
    ),
  };
});

import { and, eq, ne, sql } from "drizzle-orm";
import { param, perTable, statement } from "./statement.js";

/** Returns one row if another user has the session. Reads nothing but the owner and the id. */
export const heldElsewhere = perTable((table) =>
  statement<{ held: boolean }>(table, "held_elsewhere", (db) =>
    db
      .select({ held: sql<boolean>`true` })
      .from(table)
      .where(and(ne(table.userId, param("userId")), eq(table.id, param("id")))),
  ),
);

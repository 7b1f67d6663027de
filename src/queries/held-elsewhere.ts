import { and, eq, ne, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { param, statement } from "./statement.js";

/** Returns one row if another user has the session. Reads nothing but the owner and the id. */
export const heldElsewhere = statement<{ held: boolean }>("held_elsewhere", (db) =>
  db
    .select({ held: sql<boolean>`true` })
    .from(journeySessions)
    .where(and(ne(journeySessions.userId, param("userId")), eq(journeySessions.id, param("id")))),
);

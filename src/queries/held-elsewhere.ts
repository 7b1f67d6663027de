import { and, eq, ne, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { param, statement } from "./statement.js";

/** One row where another user has the session. Nothing of theirs is read. */
export const heldElsewhere = statement<{ held: boolean }>("held_elsewhere", (db) =>
  db
    .select({ held: sql<boolean>`true` })
    .from(journeySessions)
    .where(and(ne(journeySessions.userId, param("userId")), eq(journeySessions.id, param("id")))),
);

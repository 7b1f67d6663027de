import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { allOwnedBy, statement } from "./statement.js";

export const count = statement<{ sessions: number }>("count", (db) =>
  db.select({ sessions: sql<number>`count(*)::int` }).from(journeySessions).where(allOwnedBy()),
);

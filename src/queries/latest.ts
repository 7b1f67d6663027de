import { desc } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { allOwnedBy, statement } from "./statement.js";

export const latest = statement<SessionRow>("latest", (db) =>
  db
    .select(sessionColumns)
    .from(journeySessions)
    .where(allOwnedBy())
    .orderBy(desc(journeySessions.createdAt), desc(journeySessions.id))
    .limit(1),
);

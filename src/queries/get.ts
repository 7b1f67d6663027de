import { journeySessions } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { ownedBy, statement } from "./statement.js";

export const get = statement<SessionRow>("get", (db) =>
  db.select(sessionColumns).from(journeySessions).where(ownedBy()),
);

import { and, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision } from "./columns.js";
import { allOwnedBy, given, ownedBy, statement } from "./statement.js";
import { sameRevision, write } from "./write.js";

const values = { ifRevision: sql`${given("ifRevision")}::text` };

/** One session, in whatever shape its row is. */
export const deleteOne = write<{ id: string }>(
  "delete",
  values,
  { row: { ifRevision: sameRevision(revision) } },
  (db) =>
    db
      .delete(journeySessions)
      .where(and(ownedBy(), sql`(${values.ifRevision} is null or ${revision} = ${values.ifRevision})`))
      .returning({ id: journeySessions.id }),
);

/** All sessions of the owner; answers their number, not their ids. */
export const deleteAll = statement<{ sessions: number }>("delete_all", (db) => {
  const deleted = db
    .$with("deleted")
    .as(db.delete(journeySessions).where(allOwnedBy()).returning({ id: journeySessions.id }));
  return db.with(deleted).select({ sessions: sql<number>`count(*)::int` }).from(deleted);
});

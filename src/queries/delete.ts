import { and, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { allOwnedBy, ownedBy, statement } from "./statement.js";
import { ifRevision, sameRevision, write } from "./write.js";

/** One session, in whatever shape its row is. */
export const deleteOne = write<{ id: string }>(
  "delete",
  { values: { ifRevision }, row: [sameRevision] },
  (db) =>
    db
      .delete(journeySessions)
      // A delete has no `input`.
      .where(and(ownedBy(), sql`(${ifRevision} is null or ${journeySessions.updatedAt} = ${ifRevision})`))
      .returning({ id: journeySessions.id }),
);

/** All sessions of the owner; returns their number, not their ids. */
export const deleteAll = statement<{ sessions: number }>("delete_all", (db) => {
  const deleted = db
    .$with("deleted")
    .as(db.delete(journeySessions).where(allOwnedBy()).returning({ id: journeySessions.id }));
  return db.with(deleted).select({ sessions: sql<number>`count(*)::int` }).from(deleted);
});

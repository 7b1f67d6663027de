import { and, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { allOwnedBy, ownedBy, statement } from "./statement.js";
import { ifRevision, sameRevision, write } from "./write.js";

/** Deletes one session, even if its row is corrupt. */
export const deleteOne = write<{ id: string }>(
  "delete",
  { values: { ifRevision }, row: [sameRevision] },
  (db) =>
    db
      .delete(journeySessions)
      // A delete has no `input` to refer to.
      .where(and(ownedBy(), sql`(${ifRevision} is null or ${journeySessions.updatedAt} = ${ifRevision})`))
      .returning({ id: journeySessions.id }),
);

/** Deletes all sessions of the owner and returns their number. */
export const deleteAll = statement<{ sessions: number }>("delete_all", (db) => {
  const deleted = db
    .$with("deleted")
    .as(db.delete(journeySessions).where(allOwnedBy()).returning({ id: journeySessions.id }));
  return db.with(deleted).select({ sessions: sql<number>`count(*)::int` }).from(deleted);
});

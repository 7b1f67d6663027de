import { and, sql } from "drizzle-orm";
import { allOwnedBy, ownedBy, perTable, statement } from "./statement.js";
import { ifRevision, sameRevision, write } from "./write.js";

/** Deletes one session, even if its row is corrupt. */
export const deleteOne = perTable((table) =>
  write<{ id: string }>(table, "delete", { values: { ifRevision }, row: [sameRevision(table)] }, (db) =>
    db
      .delete(table)
      // A delete has no `input` to refer to.
      .where(and(ownedBy(table), sql`(${ifRevision} is null or ${table.updatedAt} = ${ifRevision})`))
      .returning({ id: table.id }),
  ),
);

/** Deletes all sessions of the owner and returns their number. */
export const deleteAll = perTable((table) =>
  statement<{ sessions: number }>(table, "delete_all", (db) => {
    const deleted = db
      .$with("deleted")
      .as(db.delete(table).where(allOwnedBy(table)).returning({ id: table.id }));
    return db.with(deleted).select({ sessions: sql<number>`count(*)::int` }).from(deleted);
  }),
);

import { exactTime } from "./columns.js";
import { ownedBy, perTable, statement } from "./statement.js";

/** The revision of the session. */
export const watched = perTable((table) =>
  statement<{ revision: string }>(table, "watch", (db) =>
    db
      .select({ revision: exactTime(table.updatedAt) })
      .from(table)
      .where(ownedBy(table)),
  ),
);

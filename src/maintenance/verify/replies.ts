import { sql } from "drizzle-orm";
import { LEFT_AFTER } from "../../durable-replies/leftovers.js";
import { read } from "../read.js";
import type { Context } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import type { Finding } from "./finding.js";
import { isComplete, nullRows } from "./optional-table.js";
import { countRowsOf, type RowCheck } from "./rows.js";
import { putBuiltInsFirst } from "./run.js";

/** Looks for replies of another user than their session, and for what a crash has left. */
export async function countReplies({ db, inTransaction, table }: Context): Promise<Finding[]> {
  const [replies, chunks] = table.replies as NonNullable<DeclaredTable["replies"]>;
  if (inTransaction) await putBuiltInsFirst(db);
  const nulls = [...(await nullRows(db, replies)), ...(await nullRows(db, chunks))];
  const [complete] = await read(db, sql`select where ${isComplete(table)} and ${isComplete(replies)}`);
  if (!complete || nulls.length > 0) return nulls;
  const [s, r] = [table.sql, replies.sql];
  const isOld = `r.written_at < now() - interval '${LEFT_AFTER} seconds'`;
  const ofAnother: RowCheck = {
    code: "reply_owner",
    severity: "error",
    where: "r.user_id <> s.user_id",
    what: "another owner than its session: its owner does not see it, and the other user may read it",
    remedy: {
      sql: `delete from ${r} r using ${s} s where s.id = r.session_id and r.user_id <> s.user_id`,
      rest: ", which loses what was written of them",
    },
  };
  const abandoned: RowCheck = {
    code: "replies_abandoned",
    severity: "note",
    where: isOld,
    what: "had no sign of life for an hour: its process ended before it could remove it",
    remedy: `none is needed: what was written of an unfinished one becomes the stored answer when its session is next opened, and journey-db prune removes the others; delete from ${r} r where ${isOld} removes all of them`,
  };
  // On a distributed table, the foreign key keeps a reply with its session's owner.
  return table.distributed
    ? countRowsOf(db, `${r} r`, [abandoned], "reply")
    : countRowsOf(db, `${r} r left join ${s} s on s.id = r.session_id`, [ofAnother, abandoned], "reply");
}

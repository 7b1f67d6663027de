import { eq, sql } from "drizzle-orm";
import * as z from "zod";
import { userIdSchema } from "../messages.js";
import type { Database } from "../model/database.js";
import { touched } from "../queries/columns.js";
import { param, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import { type AdminStatement, ask, optionsOf, timeoutMs } from "./call.js";

export interface TransferOptions {
  /** The user who has the sessions: a guest. */
  from: string;
  /** The user who gets them: the one who signed up. */
  to: string;
  /** Milliseconds after which the call ends for the caller: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export interface Transferred {
  /** Sessions that this call moved. */
  sessions: number;
}

const transferOptions = z
  .strictObject({ from: userIdSchema, to: userIdSchema, timeoutMs })
  .refine(({ from, to }) => from !== to, {
    path: ["to"],
    params: { expected: "another user than options.from" },
  });

const transferAll: AdminStatement<Transferred> = statement("admin_transfer", (db) => {
  const moved = db.$with("moved").as(
    db
      .update(journeySessions)
      .set({ userId: sql`${param("to")}`, ...touched })
      .where(eq(journeySessions.userId, param("from")))
      .returning({ id: journeySessions.id }),
  );
  return db.with(moved).select({ sessions: sql<number>`count(*)::int` }).from(moved);
});

/**
 * Gives all sessions of one user to another, in one statement: those of a guest to the user who
 * signed up. Whoever calls it has made sure that both are the same person.
 *
 * Messages, metadata, phase, ids and times of creation stay; `revision` and `updatedAt` move. The
 * other user's own sessions stay as they are. A repeated call moves nothing more and answers 0.
 * A request that still runs as the guest finds nothing from then on: a stream that appends its
 * answer gets not_found. A session that the guest makes afterwards needs another transfer, so end
 * the guest's sign-in first.
 *
 * @example const { sessions } = await transfer(db, { from: "guest_2abc", to: "user_2abc" })
 * @throws JourneyDbError invalid_input; corrupt where an older program left one of the rows in
 *   another shape, with nothing moved; timeout, unavailable, conflict, configuration, migration, internal
 */
export async function transfer(db: Database, options: TransferOptions): Promise<Transferred> {
  const { from, to, timeoutMs } = optionsOf(transferOptions, db, options);
  return ask(transferAll, db, { from, to }, { timeoutMs });
}

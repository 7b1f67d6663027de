import { eq, sql } from "drizzle-orm";
import * as z from "zod";
import { userIdSchema } from "../messages.js";
import type { Database } from "../model/database.js";
import { param, perTable, statement } from "../queries/statement.js";
import { updating } from "../queries/write.js";
import type { JourneyTable } from "../schema.js";
import { type AdminStatement, optionsOf, rowOf, table, timeoutMs } from "./call.js";

export interface TransferOptions {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: JourneyTable | undefined;
  /** The user who has the sessions, such as a guest. */
  from: string;
  /** The user who gets them, such as the one who signed up. */
  to: string;
  /** Time limit of the call in milliseconds: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export interface Transferred {
  /** Sessions that this call moved. */
  sessions: number;
}

const transferOptions = z
  .strictObject({ table, from: userIdSchema, to: userIdSchema, timeoutMs })
  .refine(({ from, to }) => from !== to, {
    path: ["to"],
    params: { expected: "another user than options.from" },
  });

const transferAll = perTable(
  (table): AdminStatement<Transferred> =>
    statement(table, "admin_transfer", (db) => {
      const moved = db.$with("moved").as(
        updating(db, table, { userId: sql`${param("to")}` })
          .where(eq(table.userId, param("from")))
          .returning({ id: table.id }),
      );
      return db.with(moved).select({ sessions: sql<number>`count(*)::int` }).from(moved);
    }),
);

/**
 * Moves all sessions of one user to another in one statement, for example those of a guest to the user who
 * signed up. The caller must make sure that both are the same person.
 *
 * Messages, metadata, phase, ids and creation times do not change; `revision` and `updatedAt` do. The other
 * user's own sessions stay unchanged. A repeated call moves nothing and returns 0. Requests that still run as
 * the guest no longer find the sessions: storing an answer then fails with not_found. A session that the
 * guest creates afterwards needs another transfer, so end the guest's sign-in first.
 *
 * @example const { sessions } = await transfer(db, { from: "guest_2abc", to: "user_2abc" })
 * @throws JourneyDbError invalid_input; corrupt if one of the rows does not meet the table's checks (nothing
 *   is moved); timeout, unavailable, conflict, configuration, migration, internal
 */
export async function transfer(db: Database, options: TransferOptions): Promise<Transferred> {
  const { table, from, to, timeoutMs } = optionsOf(transferOptions, db, options);
  return rowOf(transferAll(table), db, { from, to }, { timeoutMs });
}

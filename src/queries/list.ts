import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SummaryRow, summarized, summaryOf, timeOf } from "./columns.js";
import { allOwnedBy, param, type Statement, statement } from "./statement.js";

export type ListOrder = "created" | "updated";

const ORDER = { created: journeySessions.createdAt, updated: journeySessions.updatedAt };

const nameOf = (order: ListOrder, after: boolean, inPhase: boolean) =>
  `list_${order}${after ? "_after" : ""}${inPhase ? "_in_phase" : ""}`;

/** Never reads `messages`. By creation it scans one index backwards; by update it sorts the owner's rows. */
function listBy(order: ListOrder, after: boolean, inPhase: boolean): Statement<SummaryRow> {
  const time = ORDER[order];
  const conditions: SQL[] = [allOwnedBy()];
  // A row comparison can use the index, and is exact for equal times.
  if (after) {
    conditions.push(
      sql`(${time}, ${journeySessions.id}) < (${timeOf(sql`${param("time")}`)}, ${param("id")}::uuid)`,
    );
  }
  if (inPhase) conditions.push(eq(journeySessions.phase, param("phase")));
  return statement(nameOf(order, after, inPhase), (db) => {
    // A subquery, so that the sort carries no JSON, and only the page's metadata is read.
    const page = db
      .select(summarized)
      .from(journeySessions)
      .where(and(...conditions))
      .orderBy(desc(time), desc(journeySessions.id))
      .limit(param("limit"))
      .as("page");
    return db.select({ summary: summaryOf(page) }).from(page);
  });
}

// One statement each: `$cursor is null or …` in a single statement would prevent the use of the index.
const statements = new Map(
  (["created", "updated"] as const)
    .flatMap((order) => [
      listBy(order, false, false),
      listBy(order, false, true),
      listBy(order, true, false),
      listBy(order, true, true),
    ])
    .map((one) => [one.name, one]),
);

/** Every statement that `list` can send, for tests. @public */
export const listStatements: readonly Statement<SummaryRow>[] = [...statements.values()];

/** @param after whether the page starts after a cursor */
export const list = (order: ListOrder, after: boolean, inPhase: boolean): Statement<SummaryRow> =>
  statements.get(nameOf(order, after, inPhase)) as Statement<SummaryRow>;

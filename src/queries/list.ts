import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SummaryRow, summarized, summaryOf, timeOf } from "./columns.js";
import { allOwnedBy, param, type Statement, statement } from "./statement.js";

export type ListOrder = "created" | "updated";

const ORDER = { created: journeySessions.createdAt, updated: journeySessions.updatedAt };

const nameOf = (order: ListOrder, after: boolean, inPhase: boolean) =>
  `list_${order}${after ? "_after" : ""}${inPhase ? "_in_phase" : ""}`;

/** Never reads `messages`. Ordered by creation it walks one index backwards; by update it sorts the owner's rows. */
function listBy(order: ListOrder, after: boolean, inPhase: boolean): Statement<SummaryRow> {
  const time = ORDER[order];
  const conditions: SQL[] = [allOwnedBy()];
  // A row comparison: an index condition as a whole, and exact where times are equal.
  if (after) {
    conditions.push(
      sql`(${time}, ${journeySessions.id}) < (${timeOf(sql`${param("time")}`)}, ${param("id")}::uuid)`,
    );
  }
  if (inPhase) conditions.push(eq(journeySessions.phase, param("phase")));
  return statement(nameOf(order, after, inPhase), (db) => {
    // Apart, so that a sort carries no JSON, and metadata is read of the page alone.
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

// One text each: `$cursor is null or …` in a single text would keep the index from being used.
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

/** Every text that `list` can send. Tests read what this folder exports. @public */
export const listStatements: readonly Statement<SummaryRow>[] = [...statements.values()];

/** `after`: from a cursor's place on. */
export const list = (order: ListOrder, after: boolean, inPhase: boolean): Statement<SummaryRow> =>
  statements.get(nameOf(order, after, inPhase)) as Statement<SummaryRow>;

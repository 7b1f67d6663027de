import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../table.js";
import { summary, timeOf } from "./columns.js";
import { allOwnedBy, given, type Statement, statement } from "./statement.js";

export type ListOrder = "created" | "updated";

const ORDER = { created: journeySessions.createdAt, updated: journeySessions.updatedAt };

const nameOf = (order: ListOrder, after: boolean, inPhase: boolean) =>
  `list_${order}${after ? "_after" : ""}${inPhase ? "_in_phase" : ""}`;

export interface PageRow {
  /** A JSON array of summaries: one row, which Drizzle reads five times as fast as one a session. */
  page: string;
}

/** Never reads `messages`. Ordered by creation it walks one index backwards; by update it sorts the owner's rows. */
function listBy(order: ListOrder, after: boolean, inPhase: boolean): Statement<PageRow> {
  const time = ORDER[order];
  const conditions: SQL[] = [allOwnedBy()];
  // A row comparison: an index condition as a whole, and exact where times are equal.
  if (after) {
    conditions.push(
      sql`(${time}, ${journeySessions.id}) < (${timeOf(sql`${given("time")}`)}, ${given("id")}::uuid)`,
    );
  }
  if (inPhase) conditions.push(eq(journeySessions.phase, given("phase")));
  return statement(nameOf(order, after, inPhase), (db) => {
    const page = db
      .select({ summary: summary.as("summary") })
      .from(journeySessions)
      .where(and(...conditions))
      .orderBy(desc(time), desc(journeySessions.id))
      .limit(given("limit"))
      .as("page");
    return db.select({ page: sql<string>`coalesce(json_agg(${page.summary}), '[]')::text` }).from(page);
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

/** Every text that `list` can send. */
export const listStatements: readonly Statement<PageRow>[] = [...statements.values()];

/** `after`: from a cursor's place on. */
export const list = (order: ListOrder, after: boolean, inPhase: boolean): Statement<PageRow> =>
  statements.get(nameOf(order, after, inPhase)) as Statement<PageRow>;

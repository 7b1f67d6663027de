import { and, desc, eq, type SQL, sql } from "drizzle-orm";
import type { Filter, SessionTable } from "../schema.js";
import { pageSummary, type SummaryRow, summarized, timeOf } from "./columns.js";
import { filtered } from "./filter.js";
import { allOwnedBy, isEmpty, jsonParam, param, perShape, type Statement, statement } from "./statement.js";

export type ListOrder = "created" | "updated";

/** What makes another statement of it. */
export interface ListShape {
  order: ListOrder;
  /** Whether the page starts after a cursor. */
  after: boolean;
  inPhase: boolean;
  /** Whether it asks for metadata. */
  metadata: boolean;
  where: Filter[];
}

const nameOf = ({ order, after, inPhase, metadata, where }: ListShape) =>
  [
    `list_${order}`,
    after && "after",
    inPhase && "in_phase",
    metadata && "metadata",
    where.length > 0 && "where",
  ]
    .filter(Boolean)
    .join("_");

/**
 * Never reads `messages`. By creation it scans one index backwards; by update it sorts the owner's rows. One statement
 * for each shape: `$cursor is null or …` in a single statement would prevent the use of the index.
 */
export const list = perShape(
  ({ where }: ListShape) => isEmpty(where),
  (table, shape: ListShape, preparing): Statement<SummaryRow> => {
    const time = shape.order === "created" ? table.createdAt : table.updatedAt;
    const conditions: SQL[] = [allOwnedBy(table)];
    // A row comparison can use the index, and is exact for equal times.
    if (shape.after) {
      conditions.push(sql`(${time}, ${table.id}) < (${timeOf(sql`${param("time")}`)}, ${param("id")}::uuid)`);
    }
    if (shape.inPhase) conditions.push(eq(table.phase, param("phase")));
    if (shape.metadata) conditions.push(sql`${table.metadata} @> ${jsonParam("metadata")}`);
    conditions.push(...filtered(table, shape.where));
    const build: Statement<SummaryRow>["build"] = (db) => {
      // A subquery, so that the sort carries no JSON, and only the page's metadata is read.
      const page = db
        .select(summarized(table))
        .from(table)
        .where(and(...conditions))
        .orderBy(desc(time), desc(table.id))
        .limit(param("limit"))
        .as("page");
      return db.select({ summary: pageSummary(table, page as unknown as SessionTable) }).from(page);
    };
    return statement(table, nameOf(shape), build, preparing);
  },
);

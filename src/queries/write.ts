import { and, type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { isArray, overMessages } from "./conversation.js";
import { input, type insertion, ownedBy, type Statement, statement } from "./statement.js";

/**
 * What must hold for a write, in the order in which a refusal is explained. Each is a scalar
 * expression over the row being updated, never a subquery that PostgreSQL may turn into a join:
 * READ COMMITTED does not check a join again after a lock wait.
 */
export interface Conditions {
  /** Over the row itself: `journey_sessions.…` and `input.…`. */
  row?: Partial<Record<"ifRevision" | "phase" | "ifMatch" | "size", SQL>>;
  /** Over the stored conversation `m`; checked only where it is an array. */
  conversation?: Partial<Record<"isArray" | "message" | "after" | "size", SQL>>;
  /** The size condition of a session that is made by the write, over `input.…`. */
  newSize?: SQL;
}

/** The answer to "why was nothing written": null where a condition does not apply. */
export interface RefusalRow {
  found: boolean;
  messagesAreArray: boolean | null;
  metadataIsObject: boolean | null;
  ifRevision: boolean | null;
  phase: boolean | null;
  ifMatch: boolean | null;
  message: boolean | null;
  after: boolean | null;
  size: boolean | null;
}

/** A statement that changes one session, and the read that explains why it changed none. */
export interface Write<Row> {
  readonly statement: Statement<Row>;
  readonly refusal: Statement<RefusalRow>;
}

export const metadataIsObject = sql`jsonb_typeof(${journeySessions.metadata}) = 'object'`;

/** The stored revision is the one the caller saw, if the caller named one. */
export const sameRevision = (revision: SQL): SQL =>
  sql`(input."ifRevision" is null or ${revision} = input."ifRevision")`;

/** The condition of the write: the owner's row, and all that must hold of it. */
export function writable({ row = {}, conversation }: Conditions): SQL {
  const overConversation =
    conversation &&
    overMessages(
      sql`case when ${isArray} then ${sql.join(Object.values(conversation), sql` and `)} else false end`,
    );
  return and(ownedBy(), metadataIsObject, ...Object.values(row), overConversation) as SQL;
}

/**
 * @param values the row `input` that the conditions refer to
 * @param build the statement; the same conditions must hold for it
 * @param kind `insertion` where it may insert
 */
export function write<Row>(
  name: string,
  values: Record<string, SQL>,
  conditions: Conditions,
  build: Statement<Row>["build"],
  kind: typeof insertion<Row> = statement,
): Write<Row> {
  return { statement: kind(name, build), refusal: refusalOf(name, values, conditions) };
}

const unasked = sql<boolean | null>`null::boolean`;

function refusalOf(
  name: string,
  values: Record<string, SQL>,
  { row = {}, conversation = {}, newSize = unasked }: Conditions,
): Statement<RefusalRow> {
  const overArray = (condition: SQL | undefined) =>
    condition ? overMessages<boolean | null>(sql`case when ${isArray} then ${condition} end`) : unasked;
  return statement(`${name}_refusal`, (db) =>
    db
      .select({
        found: sql<boolean>`${journeySessions.id} is not null`,
        messagesAreArray: overMessages<boolean | null>(isArray),
        metadataIsObject: sql<boolean | null>`${metadataIsObject}`,
        ifRevision: sql<boolean | null>`${row.ifRevision ?? unasked}`,
        phase: sql<boolean | null>`${row.phase ?? unasked}`,
        ifMatch: sql<boolean | null>`${row.ifMatch ?? unasked}`,
        message: overArray(conversation.message),
        after: overArray(conversation.after),
        size: sql<
          boolean | null
        >`case when ${journeySessions.id} is null then ${newSize} else ${row.size ?? overArray(conversation.size)} end`,
      })
      .from(input(values))
      .leftJoin(journeySessions, ownedBy()),
  );
}

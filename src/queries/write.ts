import { and, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import { journeySessions } from "../schema.js";
import { timeOf, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { isArray, overMessages } from "./conversation.js";
import {
  type Builder,
  input,
  type insertion,
  ownedBy,
  param,
  type Statement,
  statement,
} from "./statement.js";

/** What kept a write from being made. */
export type Reason =
  | "session"
  | "ifRevision"
  | "metadata"
  | "phase"
  | "ifMatch"
  | "messages"
  | "message"
  | "after"
  | "size"
  | "id";

/**
 * What must hold for a write: a scalar expression over the row being updated, never a subquery that PostgreSQL may
 * turn into a join, since READ COMMITTED does not check a join again after a lock wait. One that is explained only is
 * kept by something else: the statement does not have it.
 */
export type Condition = readonly [reason: Reason, holds: SQL, kind?: "explained only"];

/** The conditions of a write, each list in the order in which a refusal is explained. */
export interface Conditions {
  /** The columns of `input`, which the conditions refer to. */
  values: Record<string, SQL>;
  /** Over the row: `journey_sessions.…` and `input.…`. */
  row: readonly Condition[];
  /** Over the stored conversation `m`, which must be an array then. It is read once for all of them. */
  conversation?: readonly Condition[];
  /** Of a session that the write may create, over `input.…`. */
  created?: Condition;
}

/** A statement that changes one session, and the read that explains why it changed none. */
export interface Write<Row> {
  readonly statement: Statement<Row>;
  readonly refusal: Statement<RefusalRow>;
}

export interface RefusalRow {
  /** Null where nothing is in the way any more. */
  reason: Reason | null;
}

/** The revision that the caller saw: as a time, since the text of `updated_at` is not immutable. */
export const ifRevision = timeOf(sql`${param("ifRevision")}`);

export const sameRevision: Condition = [
  "ifRevision",
  sql`(input."ifRevision" is null or ${journeySessions.updatedAt} = input."ifRevision")`,
];

export const metadataIsObject: Condition = [
  "metadata",
  sql`jsonb_typeof(${journeySessions.metadata}) = 'object'`,
];

const inStatement = (conditions: readonly Condition[]): SQL[] =>
  conditions.flatMap(([, holds, kind]) => (kind === undefined ? [holds] : []));

/** Kept by the table's check. Not a condition: it would read the conversation for a write beside it. */
export const messagesAreArray: Condition = ["messages", overMessages(isArray), "explained only"];

/** Whether all hold of the stored conversation. */
export const conversationHolds = (conditions: readonly Condition[]): SQL =>
  overMessages(
    sql`case when ${isArray} then ${sql.join(inStatement(conditions), sql` and `)} else false end`,
  );

/** The condition of the write: the owner's row, and all that must hold of it. */
export const writable = ({ row, conversation }: Conditions): SQL =>
  and(ownedBy(), ...inStatement(row), conversation && conversationHolds(conversation)) as SQL;

/**
 * What a write returns, computed outside of it over its rows `written`: distributed engines refuse a function in
 * RETURNING that is not immutable.
 *
 * @param writing the write, which returns the columns that `row` reads
 */
export const returned = <Row extends object>(
  db: Database,
  writing: SQLWrapper,
  row: { [Name in keyof Row]: SQL<Row[Name]> },
): Builder<Row> => {
  const rows = db.$with("written", {}).as(writing.getSQL());
  const selecting = db.with(rows).select(row as Record<string, SQL>);
  return selecting.from(rows as never) as unknown as Builder<Row>;
};

/**
 * @param build the statement; the same conditions must hold for it
 * @param kind `insertion` where it may insert
 */
export function write<Row>(
  name: string,
  conditions: Conditions,
  build: Statement<Row>["build"],
  kind: typeof insertion<Row> = statement,
): Write<Row> {
  return { statement: kind(name, build), refusal: refusalOf(name, conditions) };
}

/** An update of the owner's row where the conditions hold. It returns what `row` makes of the columns that it sets. */
export function update<Row extends WrittenRow>(
  name: string,
  conditions: Conditions,
  set: Partial<Record<"phase" | "messages" | "metadata", SQL>>,
  row: { [Name in Exclude<keyof Row, keyof WrittenRow>]: SQL<Row[Name]> },
): Write<Row> {
  return write<Row>(name, conditions, (db) => {
    const { id, createdAt, updatedAt } = journeySessions;
    const columns = Object.fromEntries(Object.keys(set).map((name) => [name, journeySessions[name as "id"]]));
    const updating = db
      .update(journeySessions)
      .set({ ...touched, ...set })
      .from(input(conditions.values))
      .where(writable(conditions))
      .returning({ id, createdAt, updatedAt, ...columns });
    return returned(db, updating, { ...writtenColumns, ...row } as never);
  });
}

/** The first condition that does not hold; then what `otherwise` says. */
const firstUnmet = (conditions: readonly Condition[], otherwise: SQL = sql`null`): SQL =>
  conditions.reduceRight(
    (rest, [reason, holds]) => sql`case when ${holds} then ${rest} else ${sql.raw(`'${reason}'`)} end`,
    otherwise,
  );

function refusalOf(name: string, { values, row, conversation, created }: Conditions): Statement<RefusalRow> {
  const ofStored = firstUnmet(
    row,
    conversation && overMessages(firstUnmet([["messages", isArray], ...conversation])),
  );
  const ofNew = firstUnmet(created ? [created] : [], sql`'session'`);
  return statement(`${name}_refusal`, (db) =>
    db
      .select({
        reason: sql<Reason | null>`case when ${journeySessions.id} is null then ${ofNew} else ${ofStored} end`,
      })
      .from(input(values))
      .leftJoin(journeySessions, ownedBy()),
  );
}

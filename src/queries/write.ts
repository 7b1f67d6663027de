import { and, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { Database } from "../model/database.js";
import type { SessionTable } from "../schema.js";
import { timeOf, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { areInRows, counted, isArray, m, overMessages } from "./conversation.js";
import { onlyColumns, ownTouched } from "./own-columns.js";
import {
  type Builder,
  input,
  ownedBy,
  type Preparing,
  param,
  type Statement,
  statement,
} from "./statement.js";

/** Why a write was refused. */
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
  | "message size"
  | "count"
  | "time"
  | "rows"
  | "column"
  | "id";

/**
 * A condition of a write: a scalar expression over the row being updated, never a subquery that PostgreSQL may turn
 * into a join, since READ COMMITTED does not recheck a join after a lock wait. "explained only": the statement leaves
 * it out, because something else enforces it.
 */
export type Condition = readonly [reason: Reason, holds: SQL, kind?: "explained only"];

/** The conditions of a write, in the order in which a refusal checks them. */
export interface Conditions {
  /** The columns of `input`, for the conditions. */
  values: Record<string, SQL>;
  /** On the row, in terms of the table and `input.…`. */
  row: readonly Condition[];
  /** On the stored conversation `m`, which must be an array then, and is read once for all of them. */
  conversation?: readonly Condition[];
  /** On a session that the write may create, in terms of `input.…`. */
  created?: readonly Condition[];
}

/** A statement that changes one session, and the query that explains why it did not. */
export interface Write<Row> {
  readonly statement: Statement<Row>;
  /** Absent if it reads no stored row. */
  readonly conditions?: Conditions;
  /** Whether it may write nothing although its conditions hold, since others wrote at the same moment, and is to be sent again. */
  readonly isRepeated?: boolean;
  readonly refusal: Statement<RefusalRow>;
}

export interface RefusalRow {
  /** Null if all conditions hold by now. */
  reason: Reason | null;
}

/** The expected revision, as a time: converting `updated_at` to text is not immutable. */
export const ifRevision = timeOf(sql`${param("ifRevision")}`);

export const sameRevision = (table: SessionTable): Condition => [
  "ifRevision",
  sql`(input."ifRevision" is null or ${table.updatedAt} = input."ifRevision")`,
];

export const metadataIsObject = (table: SessionTable): Condition => [
  "metadata",
  sql`jsonb_typeof(${table.metadata}) = 'object'`,
];

const inStatement = (conditions: readonly Condition[]): SQL[] =>
  conditions.flatMap(([, holds, kind]) => (kind === undefined ? [holds] : []));

/** Enforced by the table's check constraint. In the statement it would read the whole conversation once more. */
export const messagesAreStorable = (table: SessionTable): Condition => [
  "messages",
  overMessages(table, sql`(${isArray} or ${areInRows(m)})`),
  "explained only",
];

/** Whether all conditions hold for the stored conversation. */
export const conversationHolds = (table: SessionTable, conditions: readonly Condition[]): SQL =>
  overMessages(
    table,
    sql`case when ${isArray} then ${sql.join(inStatement(conditions), sql` and `)} else false end`,
  );

/** All conditions on the stored row. */
export const allHold = (table: SessionTable, { row, conversation }: Conditions): SQL =>
  and(...inStatement(row), conversation && conversationHolds(table, conversation)) as SQL;

/** The WHERE clause of a write: the owner's row and all conditions. */
export const writable = (table: SessionTable, { row, conversation }: Conditions): SQL =>
  and(ownedBy(table), ...inStatement(row), conversation && conversationHolds(table, conversation)) as SQL;

/**
 * Selects `row` from the rows that a write returns, as `written`: distributed engines refuse functions in RETURNING
 * that are not immutable.
 *
 * @param writing the write; it returns the columns that `row` reads
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
 * @param build the statement, with the same conditions
 * @param kind `insertion` if it may insert
 * @param inColumn of a write to messages in rows: the conditions of the same write to messages in the column
 */
export function write<Row>(
  table: SessionTable,
  name: string,
  conditions: Conditions,
  build: Statement<Row>["build"],
  {
    kind = statement,
    preparing,
    inColumn,
  }: {
    kind?: (...of: Parameters<typeof statement<Row>>) => Statement<Row>;
    preparing?: Preparing | undefined;
    inColumn?: Conditions | undefined;
  } = {},
): Write<Row> {
  return {
    statement: kind(table, name, build, preparing),
    conditions,
    refusal: refusalOf(table, name, conditions, preparing, inColumn),
  };
}

/** The row that a statement with these columns returns. */
export type RowOf<Columns> = {
  [Name in keyof Columns]: Columns[Name] extends SQL<infer Value> ? Value : never;
};

/** Begins an update of sessions, which sets `updated_at` and the own columns with `$onUpdate` too. */
export function updating(db: Database, table: SessionTable, set: Record<string, SQL>) {
  const { updatedAt = touched.updatedAt } = set;
  const all = { ...set, updatedAt, ...ownTouched(table, Object.keys(set)) };
  return db.update(onlyColumns(table, Object.keys(all))).set(all);
}

/** Updates the owner's row if the conditions hold, and returns `row`, computed from what it sets. */
export function update<Columns extends Record<string, SQL>>(
  table: SessionTable,
  name: string,
  conditions: Conditions,
  set: Record<string, SQL>,
  row: Columns,
  preparing?: Preparing,
): Write<WrittenRow & RowOf<Columns>> {
  const build: Statement<never>["build"] = (db) => {
    const { id, metadata, createdAt, updatedAt } = table;
    const updated = updating(db, table, set)
      .from(input(conditions.values))
      .where(writable(table, conditions))
      .returning({
        id,
        createdAt,
        updatedAt,
        ...(set.messages && counted(table)),
        ...(set.metadata && { metadata }),
      });
    return returned(db, updated, { ...writtenColumns, ...row } as never);
  };
  return write(table, name, conditions, build, { preparing });
}

/** The reason of the first condition that does not hold, or `otherwise`. */
const firstUnmet = (conditions: readonly Condition[], otherwise: SQL = sql`null`): SQL =>
  conditions.reduceRight(
    (rest, [reason, holds]) => sql`case when ${holds} then ${rest} else ${sql.raw(`'${reason}'`)} end`,
    otherwise,
  );

/** The reason why the stored session is not written to, or null. */
const ofStored = (table: SessionTable, { row, conversation }: Conditions): SQL =>
  firstUnmet(
    row,
    conversation &&
      overMessages(
        table,
        firstUnmet([["rows", sql`not ${areInRows(m)}`], ["messages", isArray], ...conversation]),
      ),
  );

function refusalOf(
  table: SessionTable,
  name: string,
  conditions: Conditions,
  preparing?: Preparing,
  inColumn?: Conditions,
): Statement<RefusalRow> {
  const { values, created } = conditions;
  // A session that is too large for the column is not too large for rows.
  const reason = inColumn
    ? sql`case when ${areInRows(table.messages)} then ${ofStored(table, conditions)} else coalesce(nullif(${ofStored(table, inColumn)}, 'size'), ${firstUnmet(conditions.row.filter(([reason]) => reason === "message size"))}, 'column') end`
    : ofStored(table, conditions);
  const ofNew = firstUnmet(created ?? [], sql`'session'`);
  const build: Statement<RefusalRow>["build"] = (db) =>
    db
      .select({
        reason: sql<Reason | null>`case when ${table.id} is null then ${ofNew} else ${reason} end`,
      })
      .from(input({ ...inColumn?.values, ...values }))
      .leftJoin(table, ownedBy(table));
  return statement(table, `${name}_refusal`, build, preparing);
}

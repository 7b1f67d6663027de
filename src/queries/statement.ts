import { and, eq, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { callWith, endOfCall } from "../model/call-end.js";
import { checksum } from "../model/checksum.js";
import type { Database } from "../model/database.js";
import { isDuplicate, isInFailedTransaction } from "../model/driver-errors.js";
import { journeySessions, type SessionTable } from "../schema.js";

/** A parameter of the prepared statement. Each use sends the value again. */
export const param = (name: string) => sql.placeholder(name);

/** A parameter with JSON text, as jsonb. The cast to text stops drivers from encoding it again. */
export const jsonParam = (name: string): SQL => sql`${param(name)}::text::jsonb`;

/** Columns of a part, each under its name. */
export const listOf = (columns: Record<string, SQL | PgColumn>): SQL =>
  sql.join(
    Object.entries(columns).map(([name, column]) => sql`${column} as ${sql.identifier(name)}`),
    sql`, `,
  );

/**
 * The values of a call as one row named `input`: each is sent and parsed once, even if the statement
 * uses it several times. `offset 0` stops the planner from inlining the expressions.
 */
export const input = (values: Record<string, SQL>): SQL => sql`(select ${listOf(values)} offset 0) as input`;

/** The row `id` of the owner. Every statement on one session has this condition, also every write. */
export const ownedBy = (table: SessionTable): SQL =>
  and(eq(table.userId, param("userId")), eq(table.id, param("id"))) as SQL;

/** All rows of the owner. */
export const allOwnedBy = (table: SessionTable): SQL => eq(table.userId, param("userId"));

/** Builds something once for each table. */
export function perTable<T>(build: (table: SessionTable) => T): (table: SessionTable) => T {
  const built = new WeakMap<SessionTable, T>();
  return (table) => {
    let one = built.get(table);
    if (one === undefined) {
      one = build(table);
      built.set(table, one);
    }
    return one;
  };
}

export const isEmpty = (list: readonly unknown[]): boolean => list.length === 0;

/** Shapes of one statement that are kept for a table: a server keeps each of them prepared for each connection. */
const MOST_SHAPES = 100;

/**
 * How a statement is prepared: under its name alone; under a name with a checksum, if there are others of that name; or
 * not at all.
 */
export type Preparing = "by name" | "by text" | "never";

/**
 * Builds something once for each table and shape, such as the columns that a call sets. Beyond `MOST_SHAPES`, nothing
 * is kept, and nothing prepared.
 *
 * @param isPlain whether the shape is that of a call that names no own column
 */
export function perShape<Shape, T>(
  isPlain: (shape: Shape) => boolean,
  build: (table: SessionTable, shape: Shape, preparing: Preparing) => T,
): (shape: Shape) => (table: SessionTable) => T {
  const shapesOf = perTable(() => new Map<string, T>());
  return (shape) => (table) => {
    const shapes = shapesOf(table);
    const key = JSON.stringify(shape);
    const known = shapes.get(key);
    if (known !== undefined) return known;
    if (shapes.size >= MOST_SHAPES) return build(table, shape, "never");
    const one = build(table, shape, isPlain(shape) ? "by name" : "by text");
    shapes.set(key, one);
    return one;
  };
}

/** The values of a statement's parameters. */
export type Named = { [name: string]: string | number | boolean | null };

/** The parameters of a statement on a user's sessions, which always needs the owner. */
export type Values = Named & { userId: string };

/** Wraps an error of the driver or Drizzle, to distinguish it from an error that a caller's argument throws. */
export class DriverFailure {
  readonly thrown: unknown;
  constructor(thrown: unknown) {
    this.thrown = thrown;
  }
}

interface Prepared<Row> {
  execute(values: Named): Promise<Row[]>;
}

export interface Builder<Row> {
  prepare(name: string | undefined): Prepared<Row>;
  toSQL(): { sql: string; params: unknown[] };
}

/**
 * A statement of parts, by their names, each of which can read those before it.
 *
 * @param first parts that read what later ones change. A distributed engine runs the parts one after the other, but a part
 *   that is used once where it is used; so these are used twice.
 */
export function withParts<Row extends object>(
  db: Database,
  parts: Record<string, SQL>,
  row: { [Name in keyof Row]: SQL<Row[Name]> },
  from: SQL,
  first: readonly string[] = [],
): Builder<Row> {
  const named = Object.entries(parts).map(([name, part]) => db.$with(name, {}).as(part));
  const selecting = db.with(...named).select(row as Record<string, SQL>);
  // Not joined: the planner expects many rows of each.
  const used = first.map((name) => sql`(select count(*) from ${sql.identifier(name)}) >= 0`);
  return selecting.from(from as never).where(and(...used)) as unknown as Builder<Row>;
}

/** One SQL statement, prepared once per database. */
export interface Statement<Row, Given extends Named = Values> {
  readonly name: string;
  readonly table: SessionTable;
  readonly build: (db: Database) => Builder<Row>;
  /** Sends it. With `prepare: false`, which a transaction pooler may need, the server does not prepare it. @throws DriverFailure */
  run(db: Database, values: Given, prepare: boolean): Promise<Row[]>;
}

export function statement<Row, Given extends Named = Values>(
  table: SessionTable,
  name: string,
  build: (db: Database) => Builder<Row>,
  preparing: Preparing = "by name",
): Statement<Row, Given> {
  const named = new WeakMap<Database, Prepared<Row>>();
  const unnamed = new WeakMap<Database, Prepared<Row>>();
  return {
    name,
    table,
    build,
    async run(db, values, prepare) {
      const isNamed = prepare && preparing !== "never";
      const cache = isNamed ? named : unnamed;
      try {
        let prepared = cache.get(db);
        if (!prepared) {
          // Replicas may lag behind the primary.
          const builder = build((db as { $primary?: Database }).$primary ?? db);
          // A cache of the application's database could return stale rows.
          if ("$withCache" in builder) (builder as { $withCache(config: false): unknown }).$withCache(false);
          const isOnly = preparing === "by name" && table === journeySessions;
          const suffix = isOnly ? "" : `_${checksum(builder.toSQL().sql)}`;
          prepared = builder.prepare(isNamed ? `journey_db_${name}${suffix}` : undefined);
          cache.set(db, prepared);
        }
        return await prepared.execute(values);
      } catch (thrown) {
        throw new DriverFailure(thrown);
      }
    },
  };
}

/** How often a write to messages in rows is sent at most, while others write to the same session, or its shard moves. */
export const MOST_ATTEMPTS = 100;

/** How often an insert is sent, at most: another than the one that it has met may be faster the next time. */
const INSERTIONS = 3;

/**
 * A statement that is sent again if the server has refused it, and nothing else.
 *
 * @param isRefusal whether it was, with an error that the same statement need not meet again
 * @param most how often it is sent, at most
 */
export function repeated<Row, Given extends Named = Values>(
  once: Statement<Row, Given>,
  isRefusal: (thrown: unknown) => boolean,
  most: number,
): Statement<Row, Given> {
  return {
    ...once,
    async run(...call) {
      const callEnd = endOfCall();
      let refusal: unknown;
      for (let n = 1; ; n++) {
        try {
          return await callWith(callEnd, () => once.run(...call));
        } catch (failure) {
          const { thrown } = failure as DriverFailure;
          if (refusal && isInFailedTransaction(thrown)) throw refusal;
          if (!isRefusal(thrown) || n === most || callEnd?.ended) throw failure;
          refusal = failure;
        }
      }
    },
  };
}

/**
 * An insert with `on conflict`, which handles one unique index only. If another refuses one of several concurrent inserts
 * of the same id (an index of the application's; during REINDEX CONCURRENTLY, the second index of the id), it has changed
 * nothing. It is sent again, which finds the row by its id.
 */
export const insertion = <Row>(...of: Parameters<typeof statement<Row>>): Statement<Row> =>
  repeated(statement(...of), isDuplicate, INSERTIONS);

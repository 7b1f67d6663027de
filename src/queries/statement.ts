import { and, eq, type SQL, sql } from "drizzle-orm";
import { callWith, endOfCall } from "../model/call-end.js";
import type { Database } from "../model/database.js";
import { isInFailedTransaction, isTakenId } from "../model/driver-errors.js";
import { journeySessions } from "../schema.js";

/** A parameter of the prepared statement. Each use sends the value again. */
export const param = (name: string) => sql.placeholder(name);

/** A parameter with JSON text, as jsonb. The cast to text stops drivers from encoding it again. */
export const jsonParam = (name: string): SQL => sql`${param(name)}::text::jsonb`;

/**
 * The values of a call as one row named `input`: each is sent and parsed once, even if the statement
 * uses it several times. `offset 0` stops the planner from inlining the expressions.
 */
export const input = (values: Record<string, SQL>): SQL => {
  const columns = Object.entries(values).map(([name, value]) => sql`${value} as ${sql.identifier(name)}`);
  return sql`(select ${sql.join(columns, sql`, `)} offset 0) as input`;
};

/** The row `id` of the owner. Every statement on one session has this condition, also every write. */
export const ownedBy = (): SQL =>
  and(eq(journeySessions.userId, param("userId")), eq(journeySessions.id, param("id"))) as SQL;

/** All rows of the owner. */
export const allOwnedBy = (): SQL => eq(journeySessions.userId, param("userId"));

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

/** One SQL statement, prepared once per database. */
export interface Statement<Row, Given extends Named = Values> {
  readonly name: string;
  readonly build: (db: Database) => Builder<Row>;
  /** Sends it. With `prepare: false`, which a transaction pooler may need, the server does not prepare it. @throws DriverFailure */
  run(db: Database, values: Given, prepare: boolean): Promise<Row[]>;
}

export function statement<Row, Given extends Named = Values>(
  name: string,
  build: (db: Database) => Builder<Row>,
): Statement<Row, Given> {
  const named = new WeakMap<Database, Prepared<Row>>();
  const unnamed = new WeakMap<Database, Prepared<Row>>();
  return {
    name,
    build,
    async run(db, values, prepare) {
      const cache = prepare ? named : unnamed;
      try {
        let prepared = cache.get(db);
        if (!prepared) {
          // Replicas may lag behind the primary.
          const builder = build((db as { $primary?: Database }).$primary ?? db);
          // A cache of the application's database could return stale rows.
          if ("$withCache" in builder) (builder as { $withCache(config: false): unknown }).$withCache(false);
          prepared = builder.prepare(prepare ? `journey_db_${name}` : undefined);
          cache.set(db, prepared);
        }
        return await prepared.execute(values);
      } catch (thrown) {
        throw new DriverFailure(thrown);
      }
    },
  };
}

/**
 * An insert with `on conflict`. During REINDEX CONCURRENTLY the id has a second unique index, which `on conflict` does
 * not handle, so one of two concurrent inserts of the same id may fail. It has changed nothing then, and is sent once
 * more, which finds the row.
 */
export function insertion<Row>(name: string, build: Statement<Row>["build"]): Statement<Row> {
  const inserting = statement<Row>(name, build);
  return {
    ...inserting,
    async run(...call) {
      const callEnd = endOfCall();
      try {
        return await inserting.run(...call);
      } catch (failure) {
        if (!isTakenId((failure as DriverFailure).thrown)) throw failure;
        return callWith(callEnd, () => inserting.run(...call)).catch((second: DriverFailure) => {
          throw isInFailedTransaction(second.thrown) ? failure : second;
        });
      }
    },
  };
}

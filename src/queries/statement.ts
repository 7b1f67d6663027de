import { and, eq, type SQL, sql } from "drizzle-orm";
import { callWith, endOfCall } from "../model/call-end.js";
import type { Database } from "../model/database.js";
import { isInFailedTransaction, isTakenId } from "../model/driver-errors.js";
import { journeySessions } from "../schema.js";

/** A value of the call, filled in when the prepared statement runs. Each use is sent once more. */
export const param = (name: string) => sql.placeholder(name);

/** A JSON text of the call as jsonb. The detour over text keeps every driver from encoding it a second time. */
export const jsonParam = (name: string): SQL => sql`${param(name)}::text::jsonb`;

/**
 * The values of the call as one row named `input`, so that each is sent and parsed once however
 * often the statement uses it. `offset 0` keeps the planner from copying the expressions back.
 */
export const input = (values: Record<string, SQL>): SQL => {
  const columns = Object.entries(values).map(([name, value]) => sql`${value} as ${sql.identifier(name)}`);
  return sql`(select ${sql.join(columns, sql`, `)} offset 0) as input`;
};

/** The one row `id` of the owner. Every statement on one session has this condition, writes included. */
export const ownedBy = (): SQL =>
  and(eq(journeySessions.userId, param("userId")), eq(journeySessions.id, param("id"))) as SQL;

/** All rows of the owner. */
export const allOwnedBy = (): SQL => eq(journeySessions.userId, param("userId"));

/** What fills a statement's placeholders. */
export type Named = { [name: string]: string | number | boolean | null };

/** What a statement on a user's sessions is called with: all of them need the owner. */
export type Values = Named & { userId: string };

/** Holds whatever the driver or Drizzle threw, apart from what the reading of a caller's argument throws. */
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

/** One SQL statement of this package, prepared once per database handle. */
export interface Statement<Row, Given extends Named = Values> {
  readonly name: string;
  readonly build: (db: Database) => Builder<Row>;
  /** Sends it, and throws DriverFailure. `prepare: false` keeps it from being prepared on the server, which a transaction pooler may need. */
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
          // Of a database with replicas only the primary knows what is so.
          const builder = build((db as { $primary?: Database }).$primary ?? db);
          // A cache of the application's database would answer reads with what is no longer so.
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
 * A statement that inserts, with `on conflict`. While REINDEX CONCURRENTLY is under way the id has a
 * second unique index, which `on conflict` does not watch: of two inserts of one id at the same
 * moment it may refuse one. Nothing has changed then, and the statement, sent once more, finds the row.
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

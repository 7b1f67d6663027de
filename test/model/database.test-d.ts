import type { NeonHttpDatabase } from "drizzle-orm/neon-http";
import type { NeonDatabase } from "drizzle-orm/neon-serverless";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { PgliteDatabase } from "drizzle-orm/pglite";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { describe, expectTypeOf, test } from "vitest";
import { connect, type Database, forUser } from "../../src/index.js";
import { migrate, pendingMigrations } from "../../src/maintenance/migrate.js";
import type { JourneySessionRow } from "../../src/schema.js";
import type * as schema from "../../src/schema-zod.js";

type Own = typeof schema;
declare const id: string;

describe("a Database", () => {
  test("is that of every driver", () => {
    expectTypeOf<PostgresJsDatabase>().toExtend<Database>();
    expectTypeOf<NodePgDatabase>().toExtend<Database>();
    expectTypeOf<PgliteDatabase>().toExtend<Database>();
    expectTypeOf<NeonHttpDatabase>().toExtend<Database>();
    expectTypeOf<NeonDatabase>().toExtend<Database>();
  });

  test("may know the application's schema", () => {
    expectTypeOf<PostgresJsDatabase<Own>>().toExtend<Database>();
    expectTypeOf<NodePgDatabase<Own>>().toExtend<Database>();
    expectTypeOf<PgliteDatabase<Own>>().toExtend<Database>();
    expectTypeOf<NeonHttpDatabase<Own>>().toExtend<Database>();
    expectTypeOf<NeonDatabase<Own>>().toExtend<Database>();
  });

  test("may be a transaction", () => {
    const inTransaction = (
      postgresJs: PostgresJsDatabase<Own>,
      nodePostgres: NodePgDatabase<Own>,
      pglite: PgliteDatabase<Own>,
      neon: NeonDatabase<Own>,
    ) => [
      postgresJs.transaction((tx) => forUser(tx, id).count()),
      nodePostgres.transaction((tx) => forUser(tx, id).count()),
      pglite.transaction((tx) => forUser(tx, id).count()),
      neon.transaction((tx) => forUser(tx, id).count()),
    ];
    expectTypeOf(inTransaction).returns.items.toEqualTypeOf<Promise<number>>();
  });

  test("is what every entry point takes", () => {
    expectTypeOf(forUser).parameter(0).toEqualTypeOf<Database>();
    expectTypeOf(migrate).parameter(0).toEqualTypeOf<Database>();
    expectTypeOf(pendingMigrations).parameter(0).toEqualTypeOf<Database>();
  });

  test("of connect() knows the schema that it is given, and otherwise none", () => {
    const open = async (own: Own) => {
      const known = await connect({ schema: own });
      expectTypeOf(known.db).toExtend<Database>();
      const row = await known.db.query.journeySessions.findFirst();
      expectTypeOf(row).toEqualTypeOf<JourneySessionRow | undefined>();
      await known.db.transaction((tx) => tx.query.journeySessions.findMany());
      // @ts-expect-error a table that the schema does not have
      await known.db.query.notes.findFirst();
      expectTypeOf((await connect()).db).toEqualTypeOf<Database>();
    };
    expectTypeOf(open).returns.toEqualTypeOf<Promise<void>>();
  });

  test("is no driver's client", () => {
    expectTypeOf<import("postgres").Sql>().not.toExtend<Database>();
    expectTypeOf<import("pg").Pool>().not.toExtend<Database>();
  });
});

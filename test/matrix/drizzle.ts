import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readMigrationFiles } from "drizzle-orm/migrator";

/** What the sources say otherwise on drizzle-orm 1.0: file, reason, and each piece of text with what stands in its place. */
export const REPLACED: [file: string, why: string, ...pieces: [from: string, to: string][]][] = [
  [
    "src/model/database.ts",
    "PgDatabase is PgAsyncDatabase, from an entry point of its own, and has one parameter less",
    [
      `import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";`,
      `import type { PgQueryResultHKT } from "drizzle-orm/pg-core";\nimport type { PgAsyncDatabase } from "drizzle-orm/pg-core/async";`,
    ],
    ["PgDatabase<PgQueryResultHKT, any, any>", "PgAsyncDatabase<PgQueryResultHKT, any>"],
  ],
  ["src/schema-zod.ts", "drizzle-zod is drizzle-orm/zod", [`"drizzle-zod"`, `"drizzle-orm/zod"`]],
  [
    "src/schema.ts",
    "what enableRLS() answers is no table to drizzle-orm/zod; withRLS() takes its place",
    ["= pgTable(\n", "= pgTable.withRLS(\n"],
    [").enableRLS();", ");"],
  ],
  [
    "src/maintenance/migrate.ts",
    "PgTransaction is PgAsyncTransaction; the reader of migrations takes folders and refuses the files in drizzle/, so that of 0.45 reads them",
    [`"drizzle-orm/migrator"`, `"drizzle-orm-0.45/migrator"`],
    [
      `import { PgTransaction } from "drizzle-orm/pg-core";`,
      `import { PgAsyncTransaction } from "drizzle-orm/pg-core/async";`,
    ],
    ["is(db, PgTransaction)", "is(db, PgAsyncTransaction)"],
  ],
  [
    "src/connection/over-postgres-js.ts",
    "sessions and databases are made otherwise, and drizzle() may import the driver here",
    [
      `import { PgDatabase, PgDialect } from "drizzle-orm/pg-core";
import { type PostgresJsQueryResultHKT, PostgresJsSession } from "drizzle-orm/postgres-js/session";`,
      `import { drizzle } from "drizzle-orm/postgres-js";`,
    ],
    [
      `/** Types that Drizzle converts itself: dates, times, intervals, and lists of these and of numerics. */
const CONVERTED = [1082, 1083, 1114, 1115, 1182, 1184, 1185, 1231];
const JSON_TYPES = [114, 3802];

`,
      "",
    ],
    [
      `Drizzle({ options: { parsers, serializers } }: Sql): void {
  const asItIs = (value: unknown) => value;
  for (const type of CONVERTED) parsers[type] = asItIs;
  for (const type of [...CONVERTED, ...JSON_TYPES]) serializers[type] = asItIs;
`,
      `Drizzle(client: Sql): void {
  drizzle({ client });
`,
    ],
    [
      `  const dialect = new PgDialect();
  const session = new PostgresJsSession<Sql, Record<string, never>, Record<string, never>>(
    client as unknown as Sql,
    dialect,
    undefined,
  );
  return new PgDatabase<PostgresJsQueryResultHKT>(dialect, session, undefined);`,
      `  const options = { parsers: {}, serializers: {} };
  return drizzle({ client: { ...client, options } as unknown as Sql });`,
    ],
  ],
  [
    "src/queries/statement.ts",
    "what prepare() makes without a name is prepared on the server, where it must not be; execute() alone is not",
    ["interface Builder<Row> {", "interface Builder<Row> extends Prepared<Row> {"],
    ["builder.prepare(prepare ? ", "prepare ? builder.prepare("],
    [" : undefined)", ") : builder"],
  ],
  [
    "test/model/database.test-d.ts",
    "a database knows the application's relations in place of its schema",
    [`import type * as schema`, `import { defineRelations } from "drizzle-orm";\nimport * as schema`],
    ["type Own = typeof schema;", "const own = defineRelations(schema);\ntype Own = typeof own;"],
  ],
];

/** What of the repository the tests read. */
const PARTS = "drizzle scripts src test drizzle.config.ts package.json tsconfig.json vitest.config.ts".split(
  " ",
);

/**
 * Makes a copy of the repository whose drizzle-orm is this folder's, with the replacements.
 *
 * @throws Error where the sources have a replaced text no more, or 1.0 reads the migrations after all
 */
export function copyOnDrizzle1(root: string, copy: string): void {
  const filter = (path: string) => basename(path) !== "node_modules";
  for (const part of PARTS) cpSync(join(root, part), join(copy, part), { recursive: true, filter });
  for (const own of ["scripts/node_modules", "test/node_modules"])
    symlinkSync(join(root, own), join(copy, own));
  const modules = join(root, "node_modules");
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(modules))
    if (name !== "drizzle-orm") symlinkSync(join(modules, name), join(copy, "node_modules", name));
  symlinkSync(join(root, "test/matrix/node_modules/drizzle-orm"), join(copy, "node_modules/drizzle-orm"));
  symlinkSync(join(modules, "drizzle-orm"), join(copy, "node_modules/drizzle-orm-0.45"));
  for (const [file, , ...pieces] of REPLACED) {
    let source = readFileSync(join(copy, file), "utf8");
    for (const [from, to] of pieces) {
      if (!source.includes(from)) throw new Error(`${file} has no more of what is replaced in it: ${from}`);
      source = source.replace(from, to);
    }
    writeFileSync(join(copy, file), source);
  }
  try {
    readMigrationFiles({ migrationsFolder: join(root, "drizzle") });
  } catch {
    return;
  }
  throw new Error(
    "drizzle-orm 1.0 reads the migrations now: src/maintenance/migrate.ts is not to be replaced for that",
  );
}

import { createRequire } from "node:module";
import { join } from "node:path";
import { runIn } from "./cli.js";
import { repository } from "./tools.js";

interface Kit {
  generateDrizzleJson(
    schema: Record<string, unknown>,
    previous?: string,
    only?: string[],
    casing?: string,
  ): object;
  generateMigration(previous: object, current: object): Promise<string[]>;
}

/** Runs drizzle-kit's `migrate` with a configuration of the repository. @default the main one */
export const migrateWithKit = (url: string, config?: string) =>
  runIn(
    repository,
    { DATABASE_URL: url },
    process.execPath,
    join(repository, "scripts/node_modules/drizzle-kit/bin.cjs"),
    "migrate",
    ...(config ? ["--config", config] : []),
  );

/** The statements with which drizzle-kit creates what a schema declares. */
export async function generated(
  schema: Record<string, unknown>,
  casing?: "snake_case" | "camelCase",
): Promise<string[]> {
  const kit: Kit = createRequire(join(repository, "scripts/run.js"))("drizzle-kit/api");
  const json = (of: Record<string, unknown>) => kit.generateDrizzleJson(of, undefined, undefined, casing);
  return kit.generateMigration(json({}), json(schema));
}

import { createRequire } from "node:module";
import { join } from "node:path";
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

/** The statements with which drizzle-kit creates what a schema declares. */
export async function generated(
  schema: Record<string, unknown>,
  casing?: "snake_case" | "camelCase",
): Promise<string[]> {
  const kit: Kit = createRequire(join(repository, "scripts/run.js"))("drizzle-kit/api");
  const json = (of: Record<string, unknown>) => kit.generateDrizzleJson(of, undefined, undefined, casing);
  return kit.generateMigration(json({}), json(schema));
}

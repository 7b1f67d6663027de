import { readdir } from "node:fs/promises";
import { drizzle } from "drizzle-orm/postgres-js";
import type { Statement } from "../../src/queries/statement.js";

export type AnyStatement = Statement<unknown>;

const folder = new URL("../../src/queries/", import.meta.url);

/** The statements that an export is, or is made of. */
function statementsIn(value: unknown): AnyStatement[] {
  if (Array.isArray(value)) return value.flatMap(statementsIn);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return [];
  if ("build" in value && "name" in value) return [value as AnyStatement];
  return Object.values(value).flatMap(statementsIn);
}

/** Every statement that src/queries exports, by name, which each has of its own. */
export async function allStatements(): Promise<Map<string, AnyStatement>> {
  const statements = new Map<string, AnyStatement>();
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".ts"))) {
    const exports: Record<string, unknown> = await import(new URL(file, folder).href);
    for (const one of Object.values(exports).flatMap(statementsIn)) {
      const { name } = one;
      if ((statements.get(name) ?? one) !== one) throw new Error(`two statements are named ${name}`);
      statements.set(name, one);
    }
  }
  return statements;
}

const db = drizzle.mock();

/** The text as it is sent, and of each parameter the name of what fills it; a value that is always the same stands itself. */
export function sentBy(statement: AnyStatement): {
  text: string;
  parameters: ({ name: string } | { value: unknown })[];
} {
  const { sql, params } = statement.build(db).toSQL();
  const parameters = params.map((param) =>
    typeof param === "object" && param && "name" in param ? { name: String(param.name) } : { value: param },
  );
  return { text: sql, parameters };
}

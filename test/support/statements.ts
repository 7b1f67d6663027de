import { readdir } from "node:fs/promises";
import { drizzle } from "drizzle-orm/postgres-js";
import type { Statement } from "../../src/queries/statement.js";
import { journeySessions, type SessionTable } from "../../src/schema.js";

export type AnyStatement = Statement<unknown>;

const folder = new URL("../../src/queries/", import.meta.url);

/** The shapes of the statements that have several. */
const SHAPES: Record<string, object[]> = {
  create: [[]],
  fork: [{ set: [], leave: [] }],
  appendOrCreate: [[]],
  appendOneOrCreate: [[]],
  update: [{ phase: true, metadata: true, own: [] }],
  getBy: [],
  importSessions: [{}],
  list: (["created", "updated"] as const).flatMap((order) =>
    [false, true].flatMap((after) =>
      [false, true].flatMap((inPhase) =>
        [false, true].map((metadata) => ({ order, after, inPhase, metadata, where: [] })),
      ),
    ),
  ),
};

/** Files that build statements, and export none. */
const BUILDERS = ["statement.ts", "write.ts"];

/** What an export is for a table: the statements of each of its shapes, or what it builds for any. */
function forTable(name: string, exported: unknown, table: SessionTable): unknown[] {
  if (typeof exported !== "function") return [];
  const shapes = SHAPES[name];
  if (shapes) return shapes.map((shape) => exported(shape)(table));
  let made: unknown;
  try {
    made = exported(table);
  } catch {
    // It takes something else.
    return [];
  }
  if (typeof made === "function") throw new Error(`${name} has shapes: list them here`);
  return [made];
}

/** The statements that an export is, or is made of. */
function statementsIn(value: unknown): AnyStatement[] {
  if (Array.isArray(value)) return value.flatMap(statementsIn);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return [];
  if ("build" in value && "name" in value) return [value as AnyStatement];
  return Object.values(value).flatMap(statementsIn);
}

/** Every statement that src/queries exports, by name, which each has of its own. */
export async function allStatements(
  table: SessionTable = journeySessions,
): Promise<Map<string, AnyStatement>> {
  const statements = new Map<string, AnyStatement>();
  for (const file of (await readdir(folder)).filter(
    (name) => name.endsWith(".ts") && !BUILDERS.includes(name),
  )) {
    const exports: Record<string, unknown> = await import(new URL(file, folder).href);
    const made = Object.entries(exports).flatMap(([name, exported]) => forTable(name, exported, table));
    for (const one of made.flatMap(statementsIn)) {
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

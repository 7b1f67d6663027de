import { readdir } from "node:fs/promises";
import { jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import type { Statement } from "../../src/queries/statement.js";
import { type Filter, journeySessions, ownColumns, type SessionTable } from "../../src/schema.js";

export type AnyStatement = Statement<unknown>;

const FOLDERS = ["queries", "message-rows", "durable-replies"] as const;
type Folder = (typeof FOLDERS)[number];
const urlOf = (folder: Folder) => new URL(`../../src/${folder}/`, import.meta.url);

/** The default table as it is shipped, also where somebody has added columns to src/schema.ts. */
export const SEVEN_COLUMNS = pgTable("journey_sessions", {
  id: uuid("id").defaultRandom().primaryKey(),
  userId: text("user_id").notNull(),
  phase: text("phase").default("setup").notNull(),
  messages: jsonb("messages").default([]).notNull(),
  metadata: jsonb("metadata").default({}).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow().notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).defaultNow().notNull(),
}) as unknown as SessionTable;

const LISTS = (["created", "updated"] as const).flatMap((order) =>
  [false, true].flatMap((after) =>
    [false, true].flatMap((inPhase) =>
      [false, true].map((metadata) => ({ order, after, inPhase, metadata, where: [] })),
    ),
  ),
);

/** The shapes of the statements that have several: those that name no own column, and those that name as many as they can. */
function shapesOf(folder: Folder, table: SessionTable): Record<string, { plain: object[]; own: object[] }> {
  const own = ownColumns(table);
  const isMade = ([, { generated, generatedIdentity }]: (typeof own)[number]) =>
    generated ?? generatedIdentity;
  const set = own.filter((one) => !isMade(one)).map(([key]) => key);
  const left = own.filter(isMade).map(([key]) => key);
  // An array for a column of these is one value.
  const severalOf = own.filter(([, one]) => !/\[\]|json/.test(one.getSQLType()));
  const filters = (["value", "any", "null", "any or null"] as const).map((by) =>
    (by.startsWith("any") ? severalOf : own).map(([key]): Filter => [key, by]),
  );
  const appends = [true, false].flatMap((one) => [true, false].map((after) => ({ one, after, from: false })));
  const appendsWith = (keys: string[]) => appends.map((append) => ({ ...append, create: keys }));
  const shapes: Record<string, { plain: object[]; own: object[] }> = {
    // Of one name in both folders, and in one of them without shapes.
    ...(folder === "message-rows" && {
      append: {
        plain: [
          ...[...appends, ...[true, false].map((after) => ({ one: false, after, from: true }))].map(
            (append) => ({ ...append, create: null }),
          ),
          ...appendsWith([]),
        ],
        own: appendsWith(set),
      },
    }),
    create: { plain: [[]], own: [set] },
    fork: {
      plain: [{ set: [], leave: left }],
      own: [
        { set, leave: left },
        { set: [], leave: own.map(([key]) => key) },
      ],
    },
    appendOrCreate: { plain: [[]], own: [set] },
    appendOneOrCreate: { plain: [[]], own: [set] },
    update: {
      plain: [{ phase: true, metadata: true, own: [] }],
      own: [
        { phase: false, metadata: false, own: set },
        { phase: true, metadata: true, own: set },
      ],
    },
    getBy: { plain: [], own: filters },
    importSessions: { plain: [{}], own: [Object.fromEntries(set.map((key) => [key, key]))] },
    list: { plain: LISTS, own: LISTS.flatMap((list) => filters.map((where) => ({ ...list, where }))) },
  };
  if (own.length === 0) for (const shape of Object.values(shapes)) shape.own = [];
  return shapes;
}

/** Files that build statements, and export none. */
const BUILDERS = ["statement.ts", "write.ts"];

/** What an export is for a table: the statements of each of its shapes, or what it builds for any. */
function forTable(
  folder: Folder,
  name: string,
  exported: unknown,
  table: SessionTable,
): { plain: unknown[]; own: unknown[] } {
  if (typeof exported !== "function") return { plain: [], own: [] };
  const shapes = shapesOf(folder, table)[name];
  const build = (shape: object) => exported(shape)(table);
  if (shapes) return { plain: shapes.plain.map(build), own: shapes.own.map(build) };
  let made: unknown;
  try {
    made = exported(table);
  } catch {
    // It takes something else.
    return { plain: [], own: [] };
  }
  if (typeof made === "function") throw new Error(`${name} has shapes: list them here`);
  return { plain: [made], own: [] };
}

/** The statements that an export is, or is made of. */
function statementsIn(value: unknown): AnyStatement[] {
  if (Array.isArray(value)) return value.flatMap(statementsIn);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return [];
  if ("build" in value && "name" in value) {
    // What builds a statement for a name was given none.
    return value.name === undefined ? [] : [value as AnyStatement];
  }
  return Object.values(value).flatMap(statementsIn);
}

/**
 * Every statement that src/queries, src/message-rows and src/durable-replies export, by name, which each has of its own; those that name own
 * columns, by name and number.
 */
export async function allStatements(
  table: SessionTable = journeySessions,
  folders: readonly Folder[] = FOLDERS,
): Promise<Map<string, AnyStatement>> {
  const statements = new Map<string, AnyStatement>();
  for (const folder of folders) {
    for (const [name, exported] of await exportsOf(folder)) {
      const { plain, own } = forTable(folder, name, exported, table);
      for (const one of plain.flatMap(statementsIn)) {
        if ((statements.get(one.name) ?? one) !== one)
          throw new Error(`two statements are named ${one.name}`);
        statements.set(one.name, one);
      }
      for (const one of own.flatMap(statementsIn)) {
        statements.set(`${one.name} with own columns ${statements.size}`, one);
      }
    }
  }
  return statements;
}

/** What the files of a folder export that build no statements for others. */
async function exportsOf(folder: Folder): Promise<[name: string, exported: unknown][]> {
  const files = (await readdir(urlOf(folder))).filter(
    (name) => name.endsWith(".ts") && !BUILDERS.includes(name),
  );
  const modules: object[] = await Promise.all(files.map((file) => import(new URL(file, urlOf(folder)).href)));
  return modules.flatMap((exports) => Object.entries(exports));
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

import { sql } from "drizzle-orm";
import { toCamelCase } from "drizzle-orm/casing";
import { customType, getTableConfig } from "drizzle-orm/pg-core";
import { existingMessages } from "../message-rows/existing.js";
import { isDistributedTable } from "../model/citus.js";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import {
  asDistributed,
  type JourneyTable,
  journeySessions,
  journeyTable,
  ownColumns,
  qualifiedName,
  SESSION_KEYS,
  type SessionTable,
} from "../schema.js";

/** A table as it is in the database, with the own columns that it has there. */
export interface StoredTable {
  table: SessionTable;
  /** Whether it has a table of messages. */
  hasMessages: boolean;
  fields: Fields;
}

/** The own columns of a line, by their keys. */
export interface Fields {
  /** The names that the field of a column may have, the first of which takes precedence. */
  names: ReadonlyMap<string, readonly string[]>;
  /** The keys of the columns that the database fills, so that import does not. */
  filled: ReadonlySet<string>;
}

export const NO_FIELDS: Fields = { names: new Map(), filled: new Set() };

interface StoredColumn {
  name: string;
  type: string;
  /** Whether the database fills it: a generated column, or a number that it always makes. */
  isFilled: boolean;
}

interface OwnColumn extends StoredColumn {
  key: string;
}

/** Fields of a session as JSON that are no own column's. */
const RESERVED = new Set<string>([...SESSION_KEYS, "revision"]);

/**
 * Reads the columns of a table from the catalogue, since the application's schema file is not known here. An own
 * column has the key that `declared` gives it, as src/schema.ts may for the default table, and otherwise its name.
 *
 * @throws JourneyDbError migration if the table, or a column of this package, is missing
 */
export async function storedTable(db: Database, declared: JourneyTable): Promise<StoredTable> {
  const regclass = sql`to_regclass(${qualifiedName(declared)}::text)`;
  const columns: StoredColumn[] = await db
    .select({
      name: sql<string>`attname::text`,
      type: sql<string>`format_type(atttypid, atttypmod)`,
      isFilled: sql<boolean>`attgenerated <> '' or attidentity = 'a'`,
    })
    .from(sql`pg_attribute`)
    .where(sql`attrelid = ${regclass} and attnum > 0 and not attisdropped`)
    .orderBy(sql`attnum`);
  const ofPackage = SESSION_KEYS.map((key) => declared[key].name);
  const missing = ofPackage.find((name) => columns.every((column) => column.name !== name));
  if (missing !== undefined) throw notThere(declared, columns.length === 0 ? undefined : missing);

  const [found] = await db
    .select({ hasMessages: sql<boolean>`${existingMessages(declared as never)} is not null` })
    .from(sql`(select) as nothing`);

  const keys = ownColumns(declared);
  const keyOf = ({ name }: StoredColumn): string => {
    const known = keys.find(([, column]) => column.name === name)?.[0];
    // journeyTable refuses the keys that every object has.
    const isTaken = RESERVED.has(name) || name in Object.prototype || keys.some(([key]) => key === name);
    return known ?? (isTaken ? `own.${name}` : name);
  };
  const own = columns
    .filter(({ name }) => !ofPackage.includes(name))
    .map((column): OwnColumn => ({ ...column, key: keyOf(column) }));
  const { name, schema } = getTableConfig(declared);
  const stored = journeyTable(
    { name, schema },
    Object.fromEntries(own.map(({ key, name, type }) => [key, customType({ dataType: () => type })(name)])),
  );
  const distributed = await isDistributedTable(db, qualifiedName(declared));
  return {
    table: (distributed ? asDistributed(stored) : stored) as unknown as SessionTable,
    hasMessages: found?.hasMessages === true,
    fields: {
      names: namesOf(own),
      filled: new Set(own.filter(({ isFilled }) => isFilled).map(({ key }) => key)),
    },
  };
}

/**
 * What several columns could be named is the field of the one whose key it is, or else whose name, or else whose name in
 * camel case.
 */
function namesOf(own: readonly OwnColumn[]): Fields["names"] {
  const names = new Map<string, string[]>(own.map(({ key }) => [key, []]));
  const taken = new Set([...RESERVED, ""]);
  const kinds: ((column: OwnColumn) => string)[] = [
    ({ key }) => key,
    ({ name }) => name,
    ({ name }) => toCamelCase(name),
  ];
  for (const nameOf of kinds)
    for (const column of own) {
      const name = nameOf(column);
      if (taken.has(name)) continue;
      taken.add(name);
      names.get(column.key)?.push(name);
    }
  return names;
}

function notThere(table: JourneyTable, column: string | undefined): JourneyDbError {
  const what = column === undefined ? "" : `column "${column}" of `;
  const remedy = table === journeySessions ? "run journey-db migrate" : "apply the application's migrations";
  return new JourneyDbError("migration", `The ${what}table ${qualifiedName(table)} is missing; ${remedy}.`);
}

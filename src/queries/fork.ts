import { type SQL, sql } from "drizzle-orm";
import { keyOf, ownColumns, type SessionTable } from "../schema.js";
import { allColumns, createdSession, type SessionRow } from "./columns.js";
import { hasMessage, lastPlaceOf, m, overMessages, slice } from "./conversation.js";
import { onlyColumns, ownOf, ownTouched, ownValue } from "./own-columns.js";
import { input, insertion, isEmpty, param, perShape } from "./statement.js";
import { type Conditions, metadataIsObject, returned, writable, write } from "./write.js";

const through = sql`input.through`;
const copied = sql`case when ${through} is null then ${m} else ${slice(sql`1`, lastPlaceOf(through))} end`;

/** The own columns that are not copied: those that it sets, and those that it leaves to the server. */
export interface ForkShape {
  set: string[];
  leave: string[];
}

/** Whether it names no own column. */
export const isPlainFork = ({ set, leave }: ForkShape): boolean => isEmpty([...set, ...leave]);

/** The columns of the copy, in terms of the table and `input."newId"`. */
export function forkColumns(table: SessionTable, { set, leave }: ForkShape, messages: SQL) {
  const kept = ownColumns(table).filter(([key]) => !set.includes(key) && !leave.includes(key));
  return {
    id: sql`coalesce(input."newId", gen_random_uuid())`,
    userId: table.userId,
    phase: table.phase,
    messages,
    metadata: table.metadata,
    createdAt: sql`now()`,
    updatedAt: sql`now()`,
    ...Object.fromEntries(kept),
    ...ownTouched(table, [...set, ...leave]),
    ...Object.fromEntries(ownOf(table, set).map(([key, column]) => [key, ownValue(column, key)])),
  };
}

/**
 * Copies the phase, the metadata, the own columns and the messages up to `through` into a new session of the same owner.
 */
export const fork = perShape(isPlainFork, (table, shape: ForkShape, preparing) => {
  const conditions: Conditions = {
    values: { newId: sql`${param("newId")}::uuid`, through: sql`${param("through")}::text` },
    row: [metadataIsObject(table)],
    conversation: [
      ["message", hasMessage(through)],
      ["id", sql`input."newId" is null`, "explained only"],
    ],
  };
  const columns = forkColumns(table, shape, overMessages(table, copied));
  return write<SessionRow>(
    table,
    "fork",
    conditions,
    (db) =>
      returned(
        db,
        db
          .insert(onlyColumns(table, Object.keys(columns)))
          .select(
            sql`select ${sql.join(Object.values(columns), sql`, `)} from ${table}, ${input(conditions.values)} where ${writable(table, conditions)}`,
          )
          .onConflictDoNothing({ target: keyOf(table) })
          .returning(allColumns(table)),
        createdSession(table),
      ),
    { kind: insertion, preparing },
  );
});

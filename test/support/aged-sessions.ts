import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/model/database.js";
import { journeySessions } from "../../src/schema-zod.js";
import { newUser } from "./database.js";

export interface Aged {
  id?: string;
  userId?: string;
  /** How long ago it was last written to, as PostgreSQL writes an interval; or the end of all time. */
  age: string;
}

/** Stores sessions of these ages, in one statement: the trigger sets the time of updates only. Answers their ids. */
export async function agedSessions(db: Database, ...sessions: Aged[]): Promise<string[]> {
  const rows = sessions.map(({ id = randomUUID(), userId = newUser(), age }) => ({
    id,
    userId,
    updatedAt: age.endsWith("infinity")
      ? sql`${age}::text::timestamptz`
      : sql`now() - ${age}::text::interval`,
  }));
  await db.insert(journeySessions).values(rows);
  return rows.map(({ id }) => id);
}

/** The ids of all sessions there are, in order. */
export async function storedIds(db: Database): Promise<string[]> {
  const rows = await db.select({ id: journeySessions.id }).from(journeySessions).orderBy(journeySessions.id);
  return rows.map(({ id }) => id);
}

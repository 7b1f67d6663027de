import { and, desc, eq, gt, gte, sql } from "drizzle-orm";
import { revision, touched } from "../queries/columns.js";
import { input, jsonParam, param, type Statement, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";

/** Sessions along the primary key, and the ids of those whose messages or metadata is a JSON text. */
export interface Passed {
  examined: number;
  /** The id to go on from, or null at the end. */
  next: string | null;
  found: string[];
}

const { id, userId, messages, metadata } = journeySessions;

const isText = sql`(jsonb_typeof(${messages}) = 'string' or jsonb_typeof(${metadata}) = 'string')`;

export const findEncoded: AdminStatement<{ passed: string }> = statement("admin_find_encoded", (db) => {
  const passed = db.$with("passed").as(
    db
      .select({ id, isText: sql<boolean>`${isText}`.as("is_text") })
      .from(journeySessions)
      .where(gte(id, param("from")))
      .orderBy(id)
      .limit(param("batchSize")),
  );
  const last = db.select({ id: passed.id }).from(passed).orderBy(desc(passed.id)).limit(1);
  const next = db.select({ id }).from(journeySessions).where(gt(id, last)).orderBy(id).limit(1);
  const found = sql`json_agg(${passed.id}) filter (where ${passed.isText})`;
  return db
    .with(passed)
    .select({
      passed: sql<string>`json_build_object('examined', count(*), 'next', (${next}), 'found', coalesce(${found}, '[]'))::text`,
    })
    .from(passed);
});

/** The texts to store instead; null where a column stays as it is. */
export type Decoded = { messages: string | null; metadata: string | null };

/** The texts of a session's columns that are one; null of those that are not. */
export interface EncodedRow {
  revision: string | null;
  messages: string | null;
  metadata: string | null;
  /** Whether the row is as the table's checks ask, once its texts are decoded. */
  isWritable: boolean;
}

export const readEncoded: AdminStatement<EncodedRow> = statement("admin_read_encoded", (db) =>
  db
    .select({
      revision,
      messages: sql<
        string | null
      >`case when jsonb_typeof(${messages}) = 'string' then ${messages} #>> '{}' end`,
      metadata: sql<
        string | null
      >`case when jsonb_typeof(${metadata}) = 'string' then ${metadata} #>> '{}' end`,
      isWritable: sql<boolean>`(${userId} <> '' and jsonb_typeof(${messages}) in ('string', 'array') and jsonb_typeof(${metadata}) in ('string', 'object')) is not false`,
    })
    .from(journeySessions)
    .where(and(eq(id, param("id")), isText)),
);

/** Whether jsonb can hold what JSON.parse could read; an error where it cannot. */
export const readDecoded: Statement<{ types: string }, Decoded> = statement("admin_read_decoded", (db) =>
  db
    .select({ types: sql<string>`concat(jsonb_typeof(messages), jsonb_typeof(metadata))` })
    .from(input({ messages: jsonParam("messages"), metadata: jsonParam("metadata") })),
);

/** Replaces the columns that are given, if the row is still the one that was read. */
export const writeDecoded: Statement<{ id: string }, Decoded & { id: string; revision: string | null }> =
  statement("admin_write_decoded", (db) =>
    db
      .update(journeySessions)
      .set({
        messages: sql`coalesce(${jsonParam("messages")}, ${messages})`,
        metadata: sql`coalesce(${jsonParam("metadata")}, ${metadata})`,
        ...touched,
      })
      .where(and(eq(id, param("id")), sql`${revision} is not distinct from ${param("revision")}`))
      .returning({ id }),
  );

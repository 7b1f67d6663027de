import { and, eq, sql } from "drizzle-orm";
import { revision, touched } from "../queries/columns.js";
import { given, givenJson, input, type Statement, statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import type { AdminStatement } from "./call.js";
import { findSessions } from "./walk.js";

const { id, userId, messages, metadata } = journeySessions;

/** Whether messages or metadata is a JSON text. */
const isText = sql`(jsonb_typeof(${messages}) = 'string' or jsonb_typeof(${metadata}) = 'string')`;

export const findEncoded = findSessions(
  "admin_find_encoded",
  sql`case when ${isText} then to_json(${id}) end`,
);

/** The JSON to store instead; null for a column that stays as it is. */
export type Decoded = { messages: string | null; metadata: string | null };

/** The columns of a session that are a JSON text; null for one that is not. */
export interface EncodedRow {
  revision: string | null;
  messages: string | null;
  metadata: string | null;
  /** Whether the row meets the table's checks once its texts are decoded. */
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
    .where(and(eq(id, given("id")), isText)),
);

/** Fails where jsonb cannot hold what JSON.parse could read. */
export const readDecoded: Statement<{ types: string }, Decoded> = statement("admin_read_decoded", (db) =>
  db
    .select({ types: sql<string>`concat(jsonb_typeof(messages), jsonb_typeof(metadata))` })
    .from(input({ messages: givenJson("messages"), metadata: givenJson("metadata") })),
);

/** Replaces the columns that have new JSON, if nobody has changed the row since it was read. */
export const writeDecoded: Statement<{ id: string }, Decoded & { id: string; revision: string | null }> =
  statement("admin_write_decoded", (db) =>
    db
      .update(journeySessions)
      .set({
        messages: sql`coalesce(${givenJson("messages")}, ${messages})`,
        metadata: sql`coalesce(${givenJson("metadata")}, ${metadata})`,
        ...touched,
      })
      .where(and(eq(id, given("id")), sql`${revision} is not distinct from ${given("revision")}`))
      .returning({ id }),
  );

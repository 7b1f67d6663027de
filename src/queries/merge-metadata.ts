import { sql } from "drizzle-orm";
import { journeySessions } from "../table.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { sizeOf } from "./conversation.js";
import { given, givenJson, input } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

export interface MergedRow extends WrittenRow {
  metadata: string;
}

const values = {
  patch: givenJson("patch"),
  ifMatch: givenJson("ifMatch"),
  ifRevision: sql`${given("ifRevision")}::text`,
  maxBytes: sql`${given("maxBytes")}::int`,
};

/** Top-level keys replace; those whose patch is null go. Nested nulls stay. */
const merged = sql`((${journeySessions.metadata} || input.patch) - array(select key from jsonb_each(input.patch) where value = 'null'))`;

const conditions: Conditions = {
  row: {
    ifRevision: sameRevision(revision),
    // `#> '{}'` and `offset 0`: the stored value is read from TOAST once, not for each key.
    ifMatch: sql`coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select ${journeySessions.metadata} #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true)`,
    size: sql`${sizeOf(merged)} <= input."maxBytes"`,
  },
};

export const mergeMetadata = write<MergedRow>("merge_metadata", values, conditions, (db) =>
  db
    .update(journeySessions)
    .set({ ...touched, metadata: merged })
    .from(input(values))
    .where(writable(conditions))
    .returning({ ...writtenColumns, metadata: sql<string>`${journeySessions.metadata}::text` }),
);

import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { givenLimits, inputLimits, resultFits } from "./conversation.js";
import { given, givenJson, input } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

export interface MergedRow extends WrittenRow {
  metadata: string;
}

const values = {
  patch: givenJson("patch"),
  ifMatch: givenJson("ifMatch"),
  ifRevision: sql`${given("ifRevision")}::text`,
  ...givenLimits,
};

const { metadata } = journeySessions;

const gone = sql`array(select key from jsonb_each(input.patch) where value = 'null')`;
const both = sql`${metadata} || input.patch`;

/**
 * Top-level keys replace; those whose patch is null go. Nested nulls stay.
 *
 * `-` compares each stored key with each that goes: the quickest way up to some 2,000, and a patch of
 * that size has no more. The other keeps clear of jsonb_object_agg, for the reason that `arrayOf` has.
 */
const merged = sql`case
  when pg_column_size(input.patch) <= 16384 then (${both}) - ${gone}
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(${both}) where input.patch -> key is distinct from 'null')
end`;

const conditions: Conditions = {
  row: {
    ifRevision: sameRevision(revision),
    // `#> '{}'` and `offset 0`: the stored value is read from TOAST once, not for each key.
    ifMatch: sql`coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select ${journeySessions.metadata} #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true)`,
    size: resultFits(merged, inputLimits),
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

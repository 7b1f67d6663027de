import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import { journeySessions } from "../table.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { fits, givenLimits, inputLimits } from "./conversation.js";
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

/** The members of an object that are to stay. Not by jsonb_object_agg, for the reason that `arrayOf` has. */
const members = (object: SQL | PgColumn, stays: SQL): SQL =>
  sql`(select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(${object}) where ${stays})`;

/**
 * Top-level keys replace; those whose patch is null go. Nested nulls stay.
 *
 * `-` compares each stored key with each that goes, which is the quickest way for some hundreds only.
 */
const merged = sql`(
  select case
    when cardinality(gone.keys) <= 256 then (${metadata} || input.patch) - gone.keys
    else ${members(metadata, sql`input.patch -> key is distinct from 'null'`)} || ${members(sql`input.patch`, sql`value <> 'null'`)}
  end
  from (select array(select key from jsonb_each(input.patch) where value = 'null') as keys offset 0) as gone
)`;

const conditions: Conditions = {
  row: {
    ifRevision: sameRevision(revision),
    // `#> '{}'` and `offset 0`: the stored value is read from TOAST once, not for each key.
    ifMatch: sql`coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select ${journeySessions.metadata} #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true)`,
    size: fits(merged, inputLimits),
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

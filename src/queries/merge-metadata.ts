import { type SQL, sql } from "drizzle-orm";
import type { SessionTable } from "../schema.js";
import { type WrittenRow, written } from "./columns.js";
import { inputLimits, paramLimits, resultFits } from "./conversation.js";
import { jsonParam, ownedBy, perTable } from "./statement.js";
import {
  ifRevision,
  messagesAreStorable,
  metadataIsObject,
  sameRevision,
  update,
  type Write,
} from "./write.js";

const values = { ifMatch: jsonParam("ifMatch"), ifRevision, ...paramLimits };

/**
 * `base` with the keys of `patch`: replaces keys; removes those whose patch is null. Keeps nested nulls.
 *
 * `-` compares each stored key with each removed one, which is fastest up to about 2,000 removed keys, the most that
 * a patch of 16 KiB can have. The other branch avoids jsonb_object_agg for the same reason as `arrayOf` avoids jsonb_agg.
 */
export const shallowlyMerged = (base: SQL, patch: SQL): SQL => {
  const both = sql`${base} || ${patch}`;
  return sql`case
  when pg_column_size(${patch}) <= 16384 then (${both}) - array(select key from jsonb_each(${patch}) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(${both}) where ${patch} -> key is distinct from 'null')
end`;
};

/**
 * `base` with the steps of a deep patch, one for each of its objects: each makes sure that there is an object
 * at its path, and merges its values into that.
 */
const deeplyMerged = (base: SQL, patch: SQL): SQL => {
  const at = sql`merging.doc #> step.path`;
  const object = sql`(case when jsonb_typeof(${at}) = 'object' then ${at} else '{}' end)`;
  const merged = shallowlyMerged(object, sql`step.patch`);
  return sql`(with recursive step as (
    select n, (step ->> 'path')::text[] as path, step -> 'patch' as patch from jsonb_array_elements(${patch}) with ordinality as e(step, n)
  ), merging as (
    select 0::bigint as n, ${base} as doc
    union all
    select step.n, case when step.path = '{}' then ${merged} else jsonb_set(merging.doc, step.path, ${merged}) end
    from merging join step on step.n = merging.n + 1
  ) select doc from merging order by n desc limit 1)`;
};

// `#> '{}'` and `offset 0`: reads the stored value from TOAST once, not for each key.
const matches = ({ metadata }: SessionTable): SQL =>
  sql`coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select ${metadata} #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true)`;

/** @param merged the new metadata, in terms of the table and of `given`, more columns of `input` */
const mergeMetadataOf = (
  table: SessionTable,
  name: string,
  given: Record<string, SQL>,
  merged: SQL,
): Write<WrittenRow & { metadata: string }> =>
  update(
    table,
    name,
    {
      values: { ...given, ...values },
      row: [
        sameRevision(table),
        metadataIsObject(table),
        messagesAreStorable(table),
        ["ifMatch", matches(table)],
        ["size", resultFits(merged, inputLimits)],
      ],
    },
    { metadata: sql`(select ${merged})` },
    { metadata: sql<string>`${written.metadata}::text` },
  );

/** Merges the top-level keys. */
export const mergeMetadata = perTable((table) =>
  mergeMetadataOf(
    table,
    "merge_metadata",
    { patch: jsonParam("patch") },
    shallowlyMerged(sql`${table.metadata}`, sql`input.patch`),
  ),
);

/**
 * Merges objects within objects, too: its patch is the steps of one.
 *
 * It locks the row before it reads it. After a lock wait PostgreSQL evaluates an update again for the new version of the
 * row, but a WITH keeps the result of the old one, which would undo what the other transaction has written.
 */
export const mergeMetadataDeeply = perTable((table) => {
  const merging = (lock: SQL) => {
    const stored = sql`(select ${table.metadata} from ${table} where ${ownedBy(table)}${lock}) as stored`;
    const merged = sql`(select ${deeplyMerged(sql`stored.metadata`, jsonParam("patch"))} from ${stored})`;
    return mergeMetadataOf(table, "merge_metadata_deeply", { merged }, sql`input.merged`);
  };
  return {
    statement: merging(sql` for no key update`).statement,
    refusal: merging(sql``).refusal,
  };
});

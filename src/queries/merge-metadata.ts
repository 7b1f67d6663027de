import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { written } from "./columns.js";
import { inputLimits, paramLimits, resultFits } from "./conversation.js";
import { jsonParam } from "./statement.js";
import { ifRevision, messagesAreArray, metadataIsObject, sameRevision, update } from "./write.js";

const values = {
  patch: jsonParam("patch"),
  ifMatch: jsonParam("ifMatch"),
  ifRevision,
  ...paramLimits,
};

const { metadata } = journeySessions;

const gone = sql`array(select key from jsonb_each(input.patch) where value = 'null')`;
const both = sql`${metadata} || input.patch`;

/**
 * Replaces top-level keys; removes those whose patch is null. Keeps nested nulls.
 *
 * `-` compares each stored key with each removed one, which is fastest up to about 2,000 removed keys, the most that
 * a patch of 16 KiB can have. The other branch avoids jsonb_object_agg for the same reason as `arrayOf` avoids jsonb_agg.
 */
const merged = sql`case
  when pg_column_size(input.patch) <= 16384 then (${both}) - ${gone}
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(${both}) where input.patch -> key is distinct from 'null')
end`;

// `#> '{}'` and `offset 0`: reads the stored value from TOAST once, not for each key.
const matches = sql`coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select ${metadata} #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true)`;

export const mergeMetadata = update(
  "merge_metadata",
  {
    values,
    row: [
      sameRevision,
      metadataIsObject,
      messagesAreArray,
      ["ifMatch", matches],
      ["size", resultFits(merged, inputLimits)],
    ],
  },
  { metadata: sql`(select ${merged})` },
  { metadata: sql<string>`${written.metadata}::text` },
);

import { sql } from "drizzle-orm";
import { inputLimits, paramLimits, resultFits } from "./conversation.js";
import { shallowlyMerged } from "./merge-metadata.js";
import { ownOf, ownParam, ownValue } from "./own-columns.js";
import { jsonParam, param, perShape } from "./statement.js";
import {
  ifRevision,
  messagesAreStorable,
  metadataIsObject,
  sameRevision,
  update as updateOf,
} from "./write.js";

interface Shape {
  phase: boolean;
  metadata: boolean;
  /** The keys of the own columns that it sets. */
  own: string[];
}

/** Changes the columns of the shape. */
export const update = perShape(
  () => false,
  (table, { phase, metadata, own }: Shape, preparing) => {
    const columns = ownOf(table, own);
    const merged = shallowlyMerged(sql`${table.metadata}`, sql`input.patch`);
    const values = {
      ifRevision,
      ...(phase && { phase: sql`${param("phase")}::text` }),
      ...(metadata && { patch: jsonParam("patch"), ...paramLimits }),
      ...Object.fromEntries(columns.map(([key, column]) => [ownParam(key), ownValue(column, key)])),
    };
    return updateOf(
      table,
      "update",
      {
        values,
        row: [
          sameRevision(table),
          metadataIsObject(table),
          messagesAreStorable(table),
          ...(metadata ? [["size", resultFits(merged, inputLimits)] as const] : []),
        ],
      },
      {
        ...(phase && { phase: sql`input.phase` }),
        ...(metadata && { metadata: sql`(select ${merged})` }),
        ...Object.fromEntries(columns.map(([key]) => [key, sql`input.${sql.identifier(ownParam(key))}`])),
      },
      {},
      preparing,
    );
  },
);

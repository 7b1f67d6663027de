import { sql } from "drizzle-orm";
import { param, perTable } from "./statement.js";
import { ifRevision, messagesAreStorable, metadataIsObject, sameRevision, update } from "./write.js";

const values = {
  phase: sql`${param("phase")}::text`,
  from: sql`${param("from")}::text`,
  ifRevision,
};

export const setPhase = perTable((table) => {
  const isInPhase = sql`(input."from" is null or ${table.phase} = input."from")`;
  return update(
    table,
    "set_phase",
    {
      values,
      row: [sameRevision(table), metadataIsObject(table), messagesAreStorable(table), ["phase", isInPhase]],
    },
    { phase: sql`input.phase` },
    {},
  );
});

import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { param } from "./statement.js";
import { ifRevision, messagesAreArray, metadataIsObject, sameRevision, update } from "./write.js";

const values = {
  phase: sql`${param("phase")}::text`,
  from: sql`${param("from")}::text`,
  ifRevision,
};
const isInPhase = sql`(input."from" is null or ${journeySessions.phase} = input."from")`;

export const setPhase = update(
  "set_phase",
  { values, row: [sameRevision, metadataIsObject, messagesAreArray, ["phase", isInPhase]] },
  { phase: sql`input.phase` },
  {},
);

import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { given, input } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

const values = {
  phase: sql`${given("phase")}::text`,
  from: sql`${given("from")}::text`,
  ifRevision: sql`${given("ifRevision")}::text`,
};

const conditions: Conditions = {
  row: {
    ifRevision: sameRevision(revision),
    phase: sql`(input."from" is null or ${journeySessions.phase} = input."from")`,
  },
};

export const setPhase = write<WrittenRow>("set_phase", values, conditions, (db) =>
  db
    .update(journeySessions)
    .set({ ...touched, phase: sql`input.phase` })
    .from(input(values))
    .where(writable(conditions))
    .returning(writtenColumns),
);

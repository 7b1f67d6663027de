import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { fits, givenLimits, inputLimits, isArray, messageCount, sizeOf } from "./conversation.js";
import { given, givenJson, input } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

export interface ReplacedRow extends WrittenRow {
  messageCount: number;
  bytes: number;
}

const values = {
  messages: givenJson("messages"),
  ifRevision: sql`${given("ifRevision")}::text`,
  ...givenLimits,
};

const conditions: Conditions = {
  row: {
    ifRevision: sameRevision(revision),
    size: fits(sql`input.messages`, inputLimits),
  },
  // An older program's row is not overwritten unseen.
  conversation: { isArray },
};

export const replaceMessages = write<ReplacedRow>("replace_messages", values, conditions, (db) =>
  db
    .update(journeySessions)
    .set({ ...touched, messages: sql`input.messages` })
    .from(input(values))
    .where(writable(conditions))
    .returning({ ...writtenColumns, messageCount, bytes: sizeOf(sql`${journeySessions.messages}`) }),
);

import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import { hasMessage, messageCount, overMessages, upTo } from "./conversation.js";
import { given, input } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

export interface TruncatedRow extends WrittenRow {
  messageCount: number;
}

const values = {
  from: sql`${given("from")}::text`,
  ifRevision: sql`${given("ifRevision")}::text`,
};
const from = sql`input."from"`;

const conditions: Conditions = {
  row: { ifRevision: sameRevision(revision) },
  conversation: { message: hasMessage(from) },
};

export const truncate = write<TruncatedRow>("truncate", values, conditions, (db) =>
  db
    .update(journeySessions)
    .set({ ...touched, messages: overMessages(upTo(from)) })
    .from(input(values))
    .where(writable(conditions))
    .returning({ ...writtenColumns, messageCount }),
);

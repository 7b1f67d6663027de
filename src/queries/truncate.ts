import { sql } from "drizzle-orm";
import { hasMessage, messageCount, overMessages, upTo } from "./conversation.js";
import { param, perTable } from "./statement.js";
import { ifRevision, metadataIsObject, sameRevision, update } from "./write.js";

const values = { from: sql`${param("from")}::text`, ifRevision };
const from = sql`input."from"`;

export const truncate = perTable((table) =>
  update(
    table,
    "truncate",
    {
      values,
      row: [sameRevision(table), metadataIsObject(table)],
      conversation: [["message", hasMessage(from)]],
    },
    { messages: overMessages(table, upTo(from)) },
    { messageCount },
  ),
);

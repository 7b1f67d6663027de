import { sql } from "drizzle-orm";
import { hasMessage, messageCount, overMessages, upTo } from "./conversation.js";
import { param } from "./statement.js";
import { ifRevision, metadataIsObject, sameRevision, update } from "./write.js";

const values = { from: sql`${param("from")}::text`, ifRevision };
const from = sql`input."from"`;

export const truncate = update(
  "truncate",
  { values, row: [sameRevision, metadataIsObject], conversation: [["message", hasMessage(from)]] },
  { messages: overMessages(upTo(from)) },
  { messageCount },
);

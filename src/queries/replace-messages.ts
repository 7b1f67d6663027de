import { sql } from "drizzle-orm";
import { bytes, fits, inputLimits, messageCount, paramLimits } from "./conversation.js";
import { jsonParam } from "./statement.js";
import { ifRevision, metadataIsObject, sameRevision, update } from "./write.js";

const values = { messages: jsonParam("messages"), ifRevision, ...paramLimits };

export const replaceMessages = update(
  "replace_messages",
  {
    values,
    row: [sameRevision, metadataIsObject],
    conversation: [["size", fits(sql`input.messages`, inputLimits)]],
  },
  { messages: sql`input.messages` },
  { messageCount, bytes },
);

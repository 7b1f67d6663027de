import { sql } from "drizzle-orm";
import { bytes, fits, inputLimits, messageCount, paramLimits } from "./conversation.js";
import { jsonParam, perTable } from "./statement.js";
import { ifRevision, metadataIsObject, sameRevision, update } from "./write.js";

const values = { messages: jsonParam("messages"), ifRevision, ...paramLimits };

export const replaceMessages = perTable((table) =>
  update(
    table,
    "replace_messages",
    {
      values,
      row: [sameRevision(table), metadataIsObject(table)],
      conversation: [["size", fits(sql`input.messages`, inputLimits)]],
    },
    { messages: sql`input.messages` },
    { messageCount, bytes },
  ),
);

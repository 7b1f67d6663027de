import { replyTables } from "../durable-replies.js";
import { journeySessions } from "../schema.js";

/** The replies of the default table, as drizzle-kit reads them: alone, so that its migrations do not create the sessions. */
export const { replies: journeyReplies, chunks: journeyReplyChunks } = replyTables(journeySessions);

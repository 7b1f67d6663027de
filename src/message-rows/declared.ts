import { messagesTable } from "../message-rows.js";
import { journeySessions } from "../schema.js";

/** The messages of the default table, as drizzle-kit reads them: alone, so that its migrations do not create the sessions. */
export const journeyMessages = messagesTable(journeySessions);

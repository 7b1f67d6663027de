import { existingTable } from "../queries/existing.js";
import { perTable } from "../queries/statement.js";
import { repliesOf } from "./tables.js";

/** The table of a table's replies in the database. */
export const existingReplies = perTable((table) => existingTable(repliesOf(table).replies));

/** Seconds after its last sign of life after which a reply that is still there is left over: nobody is going to remove it. */
export const LEFT_AFTER = 60 * 60;

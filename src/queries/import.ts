import { and, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { timeOf } from "./columns.js";
import { allOwnedBy, insertion, jsonParam, param, statement } from "./statement.js";

const { id } = journeySessions;
const session = sql.raw("session");
const field = (name: string) => sql`(${session} ->> ${sql.raw(`'${name}'`)})`;
const json = (name: string) => sql`${session} -> ${sql.raw(`'${name}'`)}`;
const each = sql`jsonb_array_elements(${jsonParam("sessions")}) as ${session}`;
const sessionId = sql`${field("id")}::uuid`;

/**
 * Inserts sessions with their original times; skips those whose id is taken, by anyone. The JSON is
 * passed on unparsed, so that no number is rounded to a JavaScript number.
 */
export const importSessions = insertion<{ id: string }>("import", (db) =>
  db
    .insert(journeySessions)
    .select(
      sql`select ${sessionId}, ${param("userId")}::text, ${field("phase")}, ${json("messages")}, ${json("metadata")}, ${timeOf(field("createdAt"))}, ${timeOf(field("updatedAt"))} from ${each}`,
    )
    .onConflictDoNothing({ target: id })
    .returning({ id }),
);

/** The ids of those sessions that the owner has. */
export const importedSessions = statement<{ id: string }>("imported", (db) =>
  db
    .select({ id })
    .from(journeySessions)
    .where(and(allOwnedBy(), sql`${id} in (select ${sessionId} from ${each})`)),
);

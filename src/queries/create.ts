import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { createdSession, type SessionRow } from "./columns.js";
import { fits, paramLimits } from "./conversation.js";
import { input, insertion, jsonParam, param, statement } from "./statement.js";
import { type RefusalRow, returned, type Write } from "./write.js";

const values = input({ messages: jsonParam("messages"), metadata: jsonParam("metadata") });
const bothFit = sql`(${fits(sql`messages`, paramLimits)} and ${fits(sql`metadata`, paramLimits)})`;

/** Inserts a session. Returns no row if the id is taken, by anyone, or a value is too large. The refusal reads no stored row. */
export const create: Write<SessionRow> = {
  statement: insertion("create", (db) =>
    returned(
      db,
      db
        .insert(journeySessions)
        .select(
          sql`select coalesce(${param("id")}::uuid, gen_random_uuid()), ${param("userId")}::text, ${param("phase")}::text, messages, metadata, now(), now() from ${values} where ${bothFit}`,
        )
        .onConflictDoNothing({ target: journeySessions.id })
        .returning(),
      createdSession,
    ),
  ),
  refusal: statement("create_refusal", (db) =>
    db
      .select({ reason: sql<RefusalRow["reason"]>`case when ${bothFit} then 'id' else 'size' end` })
      .from(values),
  ),
};

import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { createdSession, type SessionRow } from "./columns.js";
import { fits, givenLimits } from "./conversation.js";
import { given, givenJson, input, insertion, statement } from "./statement.js";
import { type RefusalRow, returned, type Write } from "./write.js";

const values = input({ messages: givenJson("messages"), metadata: givenJson("metadata") });
const bothFit = sql`(${fits(sql`messages`, givenLimits)} and ${fits(sql`metadata`, givenLimits)})`;

/** A new session; no row where the id is taken, by anyone, or the values are too large. Its refusal reads no stored row. */
export const create: Write<SessionRow> = {
  statement: insertion("create", (db) =>
    returned(
      db,
      db
        .insert(journeySessions)
        .select(
          sql`select coalesce(${given("id")}::uuid, gen_random_uuid()), ${given("userId")}::text, ${given("phase")}::text, messages, metadata, now(), now() from ${values} where ${bothFit}`,
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

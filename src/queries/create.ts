import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { fits, givenLimits } from "./conversation.js";
import { given, givenJson, input, insertion, statement } from "./statement.js";

const messages = givenJson("messages");
const metadata = givenJson("metadata");

const bothFit = sql<boolean>`(${fits(sql`messages`, givenLimits)} and ${fits(sql`metadata`, givenLimits)})`;

/** A new session; no row where the id is taken, by anyone, or the values are too large. */
export const create = insertion<SessionRow>("create", (db) =>
  db
    .insert(journeySessions)
    .select(
      sql`select coalesce(${given("id")}::uuid, gen_random_uuid()), ${given("userId")}::text, ${given("phase")}::text, messages, metadata, now(), now() from ${input({ messages, metadata })} where ${bothFit}`,
    )
    .onConflictDoNothing({ target: journeySessions.id })
    .returning(sessionColumns),
);

/** Why `create` made none: too large, or else the id is taken. Reads no stored row. */
export const createRefusal = statement<{ fits: boolean }>("create_refusal", (db) =>
  db.select({ fits: bothFit }).from(input({ messages, metadata })),
);

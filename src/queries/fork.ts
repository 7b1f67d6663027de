import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type SessionRow, sessionColumns } from "./columns.js";
import { hasMessage, lastPlaceOf, m, overMessages, slice } from "./conversation.js";
import { given, input, insertion } from "./statement.js";
import { type Conditions, writable, write } from "./write.js";

const values = {
  newId: sql`${given("newId")}::uuid`,
  through: sql`${given("through")}::text`,
};
const through = sql`input.through`;

const conditions: Conditions = { conversation: { message: hasMessage(through) } };

const copied = sql`case when ${through} is null then ${m} else ${slice(sql`1`, lastPlaceOf(through))} end`;

/** A new session of the same owner with a copy of the phase, the metadata and the messages up to `through`. */
export const fork = write<SessionRow>(
  "fork",
  values,
  conditions,
  (db) =>
    db
      .insert(journeySessions)
      .select(
        sql`select coalesce(input."newId", gen_random_uuid()), ${journeySessions.userId}, ${journeySessions.phase}, ${overMessages(copied)}, ${journeySessions.metadata}, now(), now() from ${journeySessions}, ${input(values)} where ${writable(conditions)}`,
      )
      .onConflictDoNothing({ target: journeySessions.id })
      .returning(sessionColumns),
  insertion,
);

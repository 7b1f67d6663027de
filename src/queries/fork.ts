import { sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { createdSession, type SessionRow } from "./columns.js";
import { hasMessage, lastPlaceOf, m, overMessages, slice } from "./conversation.js";
import { input, insertion, param } from "./statement.js";
import { type Conditions, metadataIsObject, returned, writable, write } from "./write.js";

const through = sql`input.through`;

const conditions: Conditions = {
  values: { newId: sql`${param("newId")}::uuid`, through: sql`${param("through")}::text` },
  row: [metadataIsObject],
  conversation: [
    ["message", hasMessage(through)],
    ["id", sql`input."newId" is null`, "explained only"],
  ],
};

const copied = sql`case when ${through} is null then ${m} else ${slice(sql`1`, lastPlaceOf(through))} end`;

/** Copies the phase, the metadata and the messages up to `through` into a new session of the same owner. */
export const fork = write<SessionRow>(
  "fork",
  conditions,
  (db) =>
    returned(
      db,
      db
        .insert(journeySessions)
        .select(
          sql`select coalesce(input."newId", gen_random_uuid()), ${journeySessions.userId}, ${journeySessions.phase}, ${overMessages(copied)}, ${journeySessions.metadata}, now(), now() from ${journeySessions}, ${input(conditions.values)} where ${writable(conditions)}`,
        )
        .onConflictDoNothing({ target: journeySessions.id })
        .returning(),
      createdSession,
    ),
  insertion,
);

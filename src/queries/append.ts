import { type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, touched, type WrittenRow, writtenColumns } from "./columns.js";
import {
  conversationFits,
  endsWith,
  fits,
  givenLimits,
  hasMessage,
  inputLimits,
  isArray,
  m,
  messageCount,
  onlyId,
  overMessages,
  sizeOf,
  upserted,
  upsertedOne,
  upTo,
} from "./conversation.js";
import { given, givenJson, input, insertion, ownedBy } from "./statement.js";
import { type Conditions, metadataIsObject, sameRevision, writable, write } from "./write.js";

export interface AppendedRow extends WrittenRow {
  created: boolean;
  messageCount: number;
  bytes: number;
}

const returned = {
  ...writtenColumns,
  // Not `xmax = 0`, which is a detail of PostgreSQL's own storage.
  created: sql<boolean>`${journeySessions.createdAt} = ${journeySessions.updatedAt}`,
  messageCount,
  bytes: sizeOf(sql`${journeySessions.messages}`),
};

const values = {
  messages: givenJson("messages"),
  ...givenLimits,
  ifRevision: sql`${given("ifRevision")}::text`,
  checkAfter: sql`${given("checkAfter")}::bool`,
  after: sql`${given("after")}::text`,
};
const added = sql`input.messages`;

/** The same for one message and for any number: what becomes of the conversation, and whether an id is among those of the call. */
interface Kind {
  upsert(base: SQL, added: SQL): SQL;
  isAdded(added: SQL): (messageId: SQL) => SQL;
}
const ONE: Kind = {
  upsert: upsertedOne,
  isAdded: (added) => (messageId) => sql`${messageId} is not distinct from ${onlyId(added)}`,
};
const ANY: Kind = {
  upsert: upserted,
  isAdded: (added) => (messageId) =>
    sql`exists (select from jsonb_array_elements(${added}) as a(message) where a.message -> 'id' = ${messageId})`,
};

/** @param result the conversation afterwards, over `m` and `input` */
const conditionsOf = ({ isAdded }: Kind, result: SQL, more: Conditions["conversation"] = {}): Conditions => ({
  row: { ifRevision: sameRevision(revision) },
  conversation: {
    ...more,
    after: sql`(not input."checkAfter" or ${endsWith(sql`input.after`, isAdded(added))})`,
    size: conversationFits(result, added, inputLimits),
  },
});

const appendTo = (name: string, given: Record<string, SQL>, conditions: Conditions, result: SQL) =>
  write<AppendedRow>(name, given, conditions, (db) =>
    db
      .update(journeySessions)
      .set({ ...touched, messages: overMessages(result) })
      .from(input(given))
      .where(writable(conditions))
      .returning(returned),
  );

const one = upsertedOne(m, added);
/** append on a session that exists, of one message without `from`. */
export const appendOne = appendTo("append_one", values, conditionsOf(ONE, one), one);

const from = sql`input."from"`;
const kept = sql`case when ${from} is null then ${m} else ${upTo(from)} end`;
// `kept` is made once, under the name of the conversation that the new messages go to.
const any = sql`(select ${upserted(sql`kept.messages`, added)} from (select ${kept} as messages offset 0) as kept)`;
/** append on a session that exists. */
export const append = appendTo(
  "append",
  { ...values, from: sql`${given("from")}::text` },
  conditionsOf(ANY, any, { message: hasMessage(from) }),
  any,
);

// In `on conflict` the row `input` is not visible: the messages are `excluded.messages` there.
const excluded = sql`excluded.messages`;
const newSize = fits(added, inputLimits);

const appendOrCreateOf = (name: string, kind: Kind) => {
  const result = kind.upsert(m, excluded);
  const endsHere = endsWith(sql`null::text`, kind.isAdded(excluded));
  const conditions = conditionsOf(kind, kind.upsert(m, added));
  return write<AppendedRow>(
    name,
    values,
    { ...conditions, newSize },
    (db) =>
      db
        .insert(journeySessions)
        .select(
          sql`select ${given("id")}::uuid, ${given("userId")}::text, ${given("phase")}::text, messages, '{}'::jsonb, now(), now() from ${input({ messages: values.messages, ...givenLimits })} where ${newSize}`,
        )
        .onConflictDoUpdate({
          target: journeySessions.id,
          set: { ...touched, messages: overMessages(result) },
          setWhere: sql`${ownedBy()} and ${metadataIsObject} and ${overMessages(
            sql`case when ${isArray} then (not ${values.checkAfter} or ${endsHere}) and ${conversationFits(result, excluded, givenLimits)} else false end`,
          )}`,
        })
        .returning(returned),
    insertion,
  );
};

/**
 * append with `create`: inserts the session where nobody has the id. Of the preconditions only
 * `after: null` can hold of a session that is not there yet; with any other, append alone is sent.
 */
export const appendOrCreate = appendOrCreateOf("append_or_create", ANY);

/** appendOrCreate of one message. */
export const appendOneOrCreate = appendOrCreateOf("append_one_or_create", ONE);

import { and, type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { type WrittenRow, written, writtenColumns } from "./columns.js";
import {
  bytes,
  conversationFits,
  endsWith,
  fits,
  hasMessage,
  inputLimits,
  m,
  messageCount,
  onlyId,
  overMessages,
  paramLimits,
  upserted,
  upsertedOne,
  upTo,
} from "./conversation.js";
import { input, insertion, jsonParam, ownedBy, param } from "./statement.js";
import {
  type Condition,
  type Conditions,
  conversationHolds,
  ifRevision,
  metadataIsObject,
  returned,
  sameRevision,
  update,
  write,
} from "./write.js";

const { id, createdAt, updatedAt, messages } = journeySessions;

export interface AppendedRow extends WrittenRow {
  created: boolean;
  messageCount: number;
  bytes: number;
}

const row = {
  // Not `xmax = 0`, which is a detail of PostgreSQL's own storage.
  created: sql<boolean>`${written.createdAt} = ${written.updatedAt}`,
  messageCount,
  bytes,
};

const values = {
  messages: jsonParam("messages"),
  ...paramLimits,
  ifRevision,
  checkAfter: sql`${param("checkAfter")}::bool`,
  after: sql`${param("after")}::text`,
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
const conditionsOf = (kind: Kind, result: SQL): Conditions & { conversation: Condition[] } => ({
  values,
  row: [sameRevision, metadataIsObject],
  conversation: [
    ["after", sql`(not input."checkAfter" or ${endsWith(sql`input.after`, kind.isAdded(added))})`],
    ["size", conversationFits(result, added, inputLimits)],
  ],
});

const one = upsertedOne(m, added);
/** append on a session that exists, of one message without `from`. */
export const appendOne = update<AppendedRow>(
  "append_one",
  conditionsOf(ONE, one),
  { messages: overMessages(one) },
  row,
);

const from = sql`input."from"`;
const kept = sql`case when ${from} is null then ${m} else ${upTo(from)} end`;
// `kept` is made once, under the name of the conversation that the new messages go to.
const any = sql`(select ${upserted(sql`kept.messages`, added)} from (select ${kept} as messages offset 0) as kept)`;
const ofAny = conditionsOf(ANY, any);
/** append on a session that exists. */
export const append = update<AppendedRow>(
  "append",
  {
    ...ofAny,
    values: { ...values, from: sql`${param("from")}::text` },
    conversation: [["message", hasMessage(from)], ...ofAny.conversation],
  },
  { messages: overMessages(any) },
  row,
);

// In `on conflict` the row `input` is not visible: the messages are `excluded.messages` there.
const excluded = sql`excluded.messages`;
const metadata = jsonParam("metadata");
const newFits = sql`(${fits(added, inputLimits)} and ${fits(sql`input.metadata`, inputLimits)})`;

const appendOrCreateOf = (name: string, kind: Kind) => {
  const result = kind.upsert(m, excluded);
  const endsHere = endsWith(sql`null::text`, kind.isAdded(excluded));
  const conditions = conditionsOf(kind, kind.upsert(m, added));
  return write<AppendedRow>(
    name,
    { ...conditions, values: { ...values, metadata }, created: ["size", newFits] },
    (db) =>
      returned(
        db,
        db
          .insert(journeySessions)
          .select(
            sql`select ${param("id")}::uuid, ${param("userId")}::text, ${param("phase")}::text, messages, metadata, now(), now() from ${input({ messages: values.messages, metadata, ...paramLimits })} where ${newFits}`,
          )
          .onConflictDoUpdate({
            target: journeySessions.id,
            // `excluded`, since distributed engines refuse a function here that is not immutable.
            set: { updatedAt: sql`excluded.updated_at`, messages: overMessages(result) },
            setWhere: and(
              ownedBy(),
              metadataIsObject[1],
              conversationHolds([
                ["after", sql`(not ${values.checkAfter} or ${endsHere})`],
                ["size", conversationFits(result, excluded, paramLimits)],
              ]),
            ) as SQL,
          })
          .returning({ id, createdAt, updatedAt, messages }),
        { ...writtenColumns, ...row },
      ),
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
